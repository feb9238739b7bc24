"""`centralino replay` on a log file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from libs.common.clock import SystemClock
from libs.common.events.codec import decode_event, encode_record
from libs.common.events.routing import OfferMade
from libs.common.log.port import Record
from libs.common.log.sqlite import SqliteLog
from libs.common.log.streams import ROUTING_EVENTS
from libs.common.testing.builders import a_contact_received, a_set_presence
from services.cli.commands import centralino
from tests.support.router_contract import CARE, PARTITIONS
from tests.support.routing import Desk, of_type, working


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A log on which a router has worked."""

    async def work() -> None:
        log = SqliteLog(tmp_path / "log.db", PARTITIONS)
        await log.connect()
        desk = Desk(log, SystemClock(), number=CARE)
        async with working(desk) as worker:
            await desk.decided(worker)
            await desk.give(a_set_presence("anna"), a_contact_received(queue="orders"))
            await desk.decided(worker)
        await log.close()

    asyncio.run(work())
    return f"sqlite:///{tmp_path / 'log.db'}"


def replay(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(centralino, ["replay", *arguments])
    return result.exit_code, result.output


def test_says_that_all_is_the_same(url: str) -> None:
    code, output = replay("--log", url, "--check")
    assert code == 0
    assert output.count("the same as on the log") == PARTITIONS
    assert "1 centralino.offer.made.v1" in output
    assert replay("--log", url, "--pool", "care", "--check")[0] == 0


def test_shows_the_first_difference_and_fails(url: str) -> None:
    async def forge() -> None:
        """Append an offer that nothing explains, as the newest writer."""
        log = SqliteLog(Path(url.removeprefix("sqlite:///")), PARTITIONS)
        await log.connect()
        desk = Desk(log, SystemClock(), number=CARE)
        last = (await desk.admitted())[-1]
        (offer,) = of_type([decode_event(last)], OfferMade)
        writer = await log.open_writer("forger")
        await writer.append(
            ROUTING_EVENTS,
            CARE,
            [
                encode_record(
                    offer,
                    key="care",
                    event_id="forged",
                    source="forger",
                    time_ms=offer.at_ms,
                    correlation_id="",
                    term=_integer(last, "ce_term"),
                    input_offset=_integer(last, "ce_inputoffset"),
                )
            ],
        )
        await log.close()

    asyncio.run(forge())
    code, output = replay("--log", url, "--partition", str(CARE), "--check")
    assert code == 1
    assert "expected nothing" in output
    assert "found    centralino.offer.made.v1" in output
    assert replay("--log", url)[0] == 0


def _integer(record: Record, name: str) -> int:
    text = record.header(name)
    assert text is not None
    return int(text)


def test_makes_no_log_where_there_is_none(tmp_path: Path) -> None:
    code, output = replay("--log", f"sqlite:///{tmp_path / 'none.db'}")
    assert code == 2
    assert "no such file" in output
    assert not (tmp_path / "none.db").exists()


def test_refuses_what_makes_no_sense(url: str) -> None:
    assert replay("--log", url, "--partition", "0", "--pool", "care")[0] == 2
    assert replay("--log", url, "--partition", str(PARTITIONS))[0] == 2
    assert replay("--log", "memory:")[0] == 2
