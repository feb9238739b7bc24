"""Dead letters can be listed, looked at and put back, on a real log."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from click.testing import CliRunner, Result

from libs.common.blobs import FolderBlobs
from libs.common.clock import SystemClock
from libs.common.configuration import sample_configuration
from libs.common.errors import PoisonError
from libs.common.log.dlq import make_dead_letter
from libs.common.log.open import open_log
from libs.common.log.port import EventLog, Record
from libs.common.log.publisher import Publisher
from libs.common.log.streams import DEAD_LETTERS, ROUTING_EVENTS, ROUTING_INPUTS
from libs.common.metrics import Metrics
from services.cli.commands import centralino
from services.ingest.channels.port import AccountContext, ItemProblem, Normalised
from services.ingest.receive import Receiver

T = TypeVar("T")
HEADERS = (("ce_id", b"msg-1"), ("ce_type", b"centralino.contact.received.v9"), ("correlationid", b"c-1"))


def a_record(stream: str = ROUTING_INPUTS, partition: int = 2) -> Record:
    return Record(
        stream=stream,
        partition=partition,
        offset=17,
        timestamp_ms=1_700_000_000_000,
        key="care",
        value='{"type": "è nuovo"}'.encode(),
        headers=HEADERS,
    )


def on_log(data: Path, work: Callable[[EventLog], Awaitable[T]]) -> T:
    """What `work` gives, on the log in this data folder."""

    async def run() -> T:
        log = open_log(f"sqlite:///{data / 'log.db'}", 4, 14, SystemClock())
        await log.connect()
        try:
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(run())


def put_aside(data: Path, *records: Record) -> None:
    """Letters as a reader writes them."""

    async def write(log: EventLog) -> None:
        writer = await log.open_writer("test")
        for record in records:
            await writer.append(DEAD_LETTERS, 0, [make_dead_letter(record, "router", PoisonError("unknown type"))])
        await writer.close()

    on_log(data, write)


def records_of(data: Path, stream: str, partition: int) -> list[Record]:
    async def read(log: EventLog) -> list[Record]:
        begin = await log.begin_offset(stream, partition)
        reader = await log.open_reader(stream, {partition: begin})
        records = await reader.poll(wait_ms=0)
        await reader.close()
        return records

    return on_log(data, read)


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        centralino,
        ["dead-letters", "--data", str(data), *arguments],
        env={"CENTRALINO_LOG": "", "CENTRALINO_PARTITIONS": ""},
    )


def test_lists_what_was_put_aside(tmp_path: Path) -> None:
    put_aside(tmp_path, a_record(), a_record(partition=3))

    result = run(tmp_path, "list")

    assert result.exit_code == 0
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    assert [(line[0], *line[2:]) for line in lines] == [
        ("0", "routing.inputs/2@17", "router", "PoisonError: unknown type"),
        ("1", "routing.inputs/3@17", "router", "PoisonError: unknown type"),
    ]


def test_shows_all_of_one(tmp_path: Path) -> None:
    put_aside(tmp_path, a_record())

    shown = json.loads(run(tmp_path, "show", "0").stdout)

    assert shown["key"] == "care"
    assert shown["headers"] == {
        "ce_id": "msg-1",
        "ce_type": "centralino.contact.received.v9",
        "correlationid": "c-1",
    }
    assert shown["content"] == {"type": "è nuovo"}
    assert (shown["service"], shown["put_back"]) == ("router", False)


def test_puts_the_original_record_back(tmp_path: Path) -> None:
    put_aside(tmp_path, a_record())

    result = run(tmp_path, "put-back", "0")

    assert (result.exit_code, result.stdout) == (0, "0 is now routing.inputs/2@0\n")
    (back,) = records_of(tmp_path, ROUTING_INPUTS, 2)
    assert (back.key, back.value) == (a_record().key, a_record().value)
    assert sorted(back.headers) == sorted(HEADERS)
    assert run(tmp_path, "list").stdout == ""
    assert run(tmp_path, "list", "--all").stdout.endswith("(put back)\n")


def test_puts_back_twice_only_when_told_so(tmp_path: Path) -> None:
    put_aside(tmp_path, a_record())
    run(tmp_path, "put-back", "0")

    refused, told = run(tmp_path, "put-back", "0"), run(tmp_path, "put-back", "--again", "0")

    assert (refused.exit_code, refused.stderr) == (2, "Error: 0 was put back before; --again does it once more\n")
    assert (told.exit_code, told.stdout) == (0, "0 is now routing.inputs/2@1\n")


def test_a_number_that_is_wrong_puts_nothing_back(tmp_path: Path) -> None:
    put_aside(tmp_path, a_record())

    result = run(tmp_path, "put-back", "0", "9")

    assert (result.exit_code, result.stderr) == (2, "Error: there is no dead letter 9\n")
    assert records_of(tmp_path, ROUTING_INPUTS, 2) == []


def test_what_the_router_alone_writes_cannot_be_put_back(tmp_path: Path) -> None:
    put_aside(tmp_path, a_record(stream=ROUTING_EVENTS))

    result = run(tmp_path, "put-back", "0")

    assert result.exit_code == 2
    assert "the router alone writes" in result.stderr


def receive_item(data: Path) -> None:
    """An item of a webhook that is no message, put aside by ingest itself."""

    async def receive(log: EventLog) -> None:
        publisher = Publisher(log, "ingest", clock=SystemClock())
        await publisher.start()
        await publisher.wait_ready()
        receiver = Receiver(
            configuration=sample_configuration(),
            publisher=publisher,
            blobs=FolderBlobs(data / "blobs"),
            clock=SystemClock(),
            metrics=Metrics(),
        )
        problem = ItemProblem(place="message.chat.id", detail="missing", raw=b'{"update_id": 7}')
        account = AccountContext(name="bot", channel="telegram", pool="care")
        await receiver.receive(account, Normalised(problems=(problem,)), "c-1")
        await publisher.close()

    on_log(data, receive)


def test_an_item_of_a_webhook_is_listed_and_shown_and_cannot_be_put_back(tmp_path: Path) -> None:
    receive_item(tmp_path)

    listed, shown, refused = run(tmp_path, "list"), run(tmp_path, "show", "0"), run(tmp_path, "put-back", "0")

    number, _, *rest = listed.stdout.rstrip("\n").split("  ")
    assert (number, rest, listed.stderr) == ("0", ["webhook bot: message.chat.id", "ingest", "missing"], "")
    assert json.loads(shown.stdout)["content"] == {"update_id": 7}
    assert json.loads(shown.stdout)["headers"]["correlationid"] == "c-1"
    assert (refused.exit_code, "have the provider send it again" in refused.stderr) == (2, True)


@pytest.mark.parametrize("command", [("list",), ("show", "0"), ("put-back", "0")])
def test_looking_makes_no_log(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = run(tmp_path, *command)

    assert result.exit_code == 2
    assert result.stderr == f"Error: CENTRALINO_LOG: there is no event log at sqlite:///{tmp_path}/log.db\n"
    assert list(tmp_path.iterdir()) == []
