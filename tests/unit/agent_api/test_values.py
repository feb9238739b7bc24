"""Small things that must come out exactly: cursors, waits, digests, previews, tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st

from libs.common.http.problem import ProblemError
from libs.common.store import open_engine
from services.agent_api.commands import digest_of
from services.agent_api.credentials import VERSION_TABLE, migrate
from services.agent_api.models import NoteRequest, ResolveRequest
from services.agent_api.paging import decode_cursor, encode_cursor
from services.agent_api.store.rows import AgentRow, MessageRow, QueueRow
from services.agent_api.store.statistics import Load
from services.agent_api.store.tables import HANDLE_CHARS_MAX, CleanText, metadata
from services.agent_api.store.waits import newcomers_wait_ms
from services.agent_api.view_frames import preview_of


@given(st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1), st.text())
def test_a_cursor_says_where_its_page_ended(number: int, text: str) -> None:
    assert decode_cursor(encode_cursor(number, text), (int, str)) == [number, text]


@given(st.text(max_size=50))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    try:
        key = decode_cursor(text, (int, str))
    except ProblemError as problem:
        word = problem.type
    else:
        # Some short texts happen to be cursors.
        word = "cursor-invalid" if key is not None and isinstance(key[0], int) else "accepted"
    assert word == "cursor-invalid"


NOW_MS = 1_000_000
PACED = QueueRow(pool="care", queue="orders", skills={"orders": 2}, step_us=60_000_000)


def an_agent_row(**fields: Any) -> AgentRow:
    plain = {"agent_id": "anna", "pool": "care", "name": "Anna", "skills": {"orders": 2}, "presence": "available"}
    return AgentRow(**{**plain, "capacity": {"email": 2}, **fields})


@pytest.mark.parametrize(
    ("waiting", "agent", "load", "expected"),
    [
        (0, an_agent_row(), {}, 0),
        (0, an_agent_row(), {"email": 1}, 0),
        (0, an_agent_row(), {"email": 2}, 60_000),
        (0, an_agent_row(skills={"orders": 1}), {}, 60_000),
        (0, an_agent_row(presence="break"), {}, 60_000),
        (0, an_agent_row(pool="sales"), {}, 60_000),
        (4, an_agent_row(), {"email": 2}, 300_000),
    ],
)
def test_who_comes_now_waits_for_those_in_front_at_the_queues_pace(
    waiting: int, agent: AgentRow, load: dict[str, int], expected: int
) -> None:
    assert (
        newcomers_wait_ms(
            PACED, waiting, [agent], {"anna": {channel: Load(at_hand=count) for channel, count in load.items()}}, NOW_MS
        )
        == expected
    )


def test_of_a_queue_whose_pace_nobody_knows_no_wait_is_known_either() -> None:
    assert newcomers_wait_ms(QueueRow(pool="care", queue="orders"), 3, [], {}, NOW_MS) is None


def test_a_queue_that_is_closed_is_waited_for_even_where_somebody_is_there() -> None:
    closed = dataclasses.replace(PACED, opens_ms=NOW_MS + 600_000)
    assert newcomers_wait_ms(closed, 0, [an_agent_row()], {}, NOW_MS) == 660_000
    assert newcomers_wait_ms(closed, 0, [an_agent_row()], {}, NOW_MS + 700_000) == 0


def test_a_request_is_told_from_another_by_its_digest() -> None:
    # given
    note = digest_of("add-note", "con_1", NoteRequest(text="a"))

    # when / then
    assert note == digest_of("add-note", "con_1", NoteRequest(text=" a "))
    assert note != digest_of("add-note", "con_1", NoteRequest(text="b"))
    assert note != digest_of("add-note", "con_2", NoteRequest(text="a"))
    assert digest_of("resolve-contact", "c", ResolveRequest()) == digest_of(
        "resolve-contact", "c", ResolveRequest(follow_up=True)
    )


def test_a_preview_is_one_short_line() -> None:
    message = MessageRow(
        message_id="m", direction="in", at_ms=0, entry_id="", status="received", text="a\n\n b\t c " + "x" * 500
    )
    preview = preview_of(message)
    assert preview.startswith("a b c x")
    assert len(preview) == 140
    assert preview.endswith("…")


@given(st.text(max_size=20))
def test_text_is_stored_without_what_a_database_refuses(text: str) -> None:
    stored = CleanText().process_bind_param(f"{text}\x00\ud800é", None)  # type: ignore[arg-type]  # no dialect matters here
    assert stored is not None
    assert "\x00" not in stored
    assert stored.encode().decode() == stored
    assert stored.endswith("é")
    cut = CleanText(HANDLE_CHARS_MAX).process_bind_param("x" * 9_999, None)  # type: ignore[arg-type]  # as above
    assert cut == "x" * HANDLE_CHARS_MAX


async def test_the_migrations_make_the_tables_that_the_code_works_with(tmp_path: Path) -> None:
    # given
    engine = open_engine(f"sqlite:///{tmp_path}/tables.db")

    # when they run, and run again
    await migrate(engine)
    await migrate(engine)

    # then
    async with engine.begin() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"version_table": VERSION_TABLE, "compare_type": False}),
                metadata,
            )
        )
    assert differences == []
    await engine.dispose()
