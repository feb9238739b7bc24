"""Small things that must come out exactly: cursors, waits, digests, previews, tables."""

from __future__ import annotations

from pathlib import Path

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
from services.agent_api.store.rows import MessageRow
from services.agent_api.store.statistics import expected_wait_ms
from services.agent_api.store.tables import HANDLE_CHARS_MAX, CleanText, metadata
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


@pytest.mark.parametrize(
    ("waiting", "waits_ms", "expected"),
    [
        (0, [], None),
        (5, [1000, 1000], None),
        (0, [1000, 9000, 2000], 2000),
        (0, [0, 0, 0], 0),
        (2, [1000, 1000, 1000], 900_000),
        (9, [1000] * 100, 90_000),
    ],
)
def test_the_expected_wait_follows_from_what_was_answered(
    waiting: int, waits_ms: list[int], expected: int | None
) -> None:
    assert expected_wait_ms(waiting, waits_ms, 900_000) == expected


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
