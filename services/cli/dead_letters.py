"""`centralino dead-letters`: look at the records that no reader could handle, and put them back once the reason is gone.

Works on the event log alone, also beside running services. A record that is put back is a new record at the end of its stream; every
reader sees it again, and those that had handled it know it by its ids. What was put back is marked on `dead.letters` itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from libs.common.clock import SystemClock, rfc3339
from libs.common.errors import PoisonError, RefusedError
from libs.common.events.codec import unpack
from libs.common.log.dlq import DeadLetter, read_dead_letter
from libs.common.log.open import open_log
from libs.common.log.port import EventLog, NewRecord, Record
from libs.common.log.streams import DEAD_LETTERS, ROUTING_EVENTS, ROUTING_SNAPSHOTS
from libs.common.settings import CommonSettings
from services.cli.surroundings import read_settings

_PARTITION: Final = 0
_MARK: Final = "dlq_put_back"
# Only the router writes these, and readers skip what is not by its newest writer: a record put back there would count for nothing.
_FENCED: Final = frozenset({ROUTING_EVENTS, ROUTING_SNAPSHOTS})
_READ_WAIT_MS: Final = 1_000


class DeadLetterUnknownError(RefusedError):
    """There is no such dead letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    offset: int
    timestamp_ms: int
    letter: DeadLetter
    put_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _LogOptions:
    log: str | None
    data: Path | None


@click.group("dead-letters")
@click.option("--log", help="The event log: sqlite:///path or kafka://host:9092 (CENTRALINO_LOG).")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder (CENTRALINO_DATA, ./data).")
@click.pass_context
def dead_letters(ctx: click.Context, log: str | None, data: Path | None) -> None:
    """Records that could not be decoded or handled."""
    ctx.obj = _LogOptions(log=log, data=data)


@dead_letters.command("list")
@click.option("--all", "with_handled", is_flag=True, help="Also those that were put back.")
@click.pass_obj
def list_letters(options: _LogOptions, with_handled: bool) -> None:
    """One line for each: number, time, origin, service, error."""
    entries = [entry for entry in asyncio.run(_read(options)) if with_handled or not entry.put_back]
    for entry in entries:
        letter = entry.letter
        mark = "  (put back)" if entry.put_back else ""
        click.echo(
            f"{entry.offset}  {rfc3339(entry.timestamp_ms)}  {letter.origin}  {letter.service}  {letter.error}{mark}"
        )
    if not entries:
        click.echo("There are no dead letters.", err=True)


@dead_letters.command("show")
@click.argument("number", type=click.IntRange(0))
@click.pass_obj
def show_letter(options: _LogOptions, number: int) -> None:
    """Everything about one, its content included, as JSON. It may hold a customer's words."""
    entry = _find(asyncio.run(_read(options)), number)
    click.echo(json.dumps(_describe(entry), indent=2, ensure_ascii=False))


@dead_letters.command("put-back")
@click.argument("numbers", type=click.IntRange(0), nargs=-1, required=True)
@click.option("--again", is_flag=True, help="Also those that were put back before.")
@click.pass_obj
def put_back(options: _LogOptions, numbers: tuple[int, ...], again: bool) -> None:
    """Append the original records to their streams again."""
    for line in asyncio.run(_put_back(options, numbers, again)):
        click.echo(line)


def _settings_of_log(options: _LogOptions) -> CommonSettings:
    settings = read_settings(CommonSettings, {"log": options.log, "data": options.data})
    path = settings.log.removeprefix("sqlite:///")
    if settings.log == "memory:" or (path != settings.log and not Path(path).exists()):
        # Looking must not make an empty log where the folder was mistyped.
        raise RefusedError(f"CENTRALINO_LOG: there is no event log at {settings.log}")
    return settings


@asynccontextmanager
async def _opened(options: _LogOptions) -> AsyncIterator[EventLog]:
    settings = _settings_of_log(options)
    log = open_log(settings.log, settings.partitions, settings.retention_days, SystemClock())
    try:
        await log.connect()
        yield log
    finally:
        await log.close()


async def _read(options: _LogOptions) -> list[_Entry]:
    async with _opened(options) as log:
        return await _entries(log)


async def _entries(log: EventLog) -> list[_Entry]:
    letters: list[tuple[Record, DeadLetter]] = []
    handled: set[int] = set()
    position = await log.begin_offset(DEAD_LETTERS, _PARTITION)
    end = await log.end_offset(DEAD_LETTERS, _PARTITION)
    reader = await log.open_reader(DEAD_LETTERS, {_PARTITION: position})
    try:
        while reader.position(_PARTITION) < end:
            for record in await reader.poll(wait_ms=_READ_WAIT_MS):
                mark = record.header(_MARK)
                if mark is not None:
                    handled.add(int(mark))
                    continue
                try:
                    letters.append((record, read_dead_letter(record)))
                except PoisonError as error:
                    click.echo(f"warning: {error}", err=True)
    finally:
        await reader.close()
    return [
        _Entry(offset=record.offset, timestamp_ms=record.timestamp_ms, letter=letter, put_back=record.offset in handled)
        for record, letter in letters
    ]


async def _put_back(options: _LogOptions, numbers: tuple[int, ...], again: bool) -> list[str]:
    async with _opened(options) as log:
        entries = await _entries(log)
        # All are looked at before any is written: a wrong number must not leave half of the work done.
        chosen = [_find(entries, number) for number in dict.fromkeys(numbers)]
        for entry in chosen:
            _check_can_go_back(entry, again)
        writer = await log.open_writer("dead-letters")
        lines: list[str] = []
        try:
            for entry in chosen:
                letter = entry.letter
                landed = await writer.append(letter.stream, letter.partition, [letter.record])
                # Killed between the two, the letter is listed again, and putting it back again has no further effect.
                await writer.append(DEAD_LETTERS, _PARTITION, [_mark(entry)])
                lines.append(f"{entry.offset} is now {letter.stream}/{letter.partition}@{landed.first_offset}")
        finally:
            await writer.close()
        return lines


def _find(entries: list[_Entry], number: int) -> _Entry:
    found = next((entry for entry in entries if entry.offset == number), None)
    if found is None:
        raise DeadLetterUnknownError(f"there is no dead letter {number}")
    return found


def _check_can_go_back(entry: _Entry, again: bool) -> None:
    letter = entry.letter
    if entry.put_back and not again:
        raise RefusedError(f"{entry.offset} was put back before; --again does it once more")
    if letter.webhook is not None:
        raise RefusedError(
            f"{entry.offset} came in by a webhook and never was a record: have the provider send it again"
        )
    if not letter.whole:
        raise RefusedError(f"{entry.offset} was too large to be kept whole and cannot be put back")
    if letter.stream in _FENCED:
        raise RefusedError(
            f"{entry.offset} is of {letter.stream}, which the router alone writes: mend the reader and reset its position"
        )


def _mark(entry: _Entry) -> NewRecord:
    origin = f"{entry.letter.stream}/{entry.letter.partition}"
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_type", b"centralino.dead-letter.put-back.v1"),
        ("ce_source", b"centralino/cli"),
        ("ce_id", f"put-back-{entry.offset}".encode()),
        (_MARK, b"%d" % entry.offset),
    )
    return NewRecord(key=origin, value=b"{}", headers=headers)


def _describe(entry: _Entry) -> dict[str, Any]:
    letter = entry.letter
    try:
        content: Any = json.loads(unpack(letter.record.value))
    except ValueError:
        content = letter.record.value.decode("utf-8", "backslashreplace")
    return {
        "number": entry.offset,
        "at": rfc3339(entry.timestamp_ms),
        "origin": letter.origin,
        "stream": letter.stream or None,
        "partition": letter.partition,
        "offset": letter.offset,
        "service": letter.service,
        "error": letter.error,
        "whole": letter.whole,
        "put_back": entry.put_back,
        "key": letter.record.key,
        "headers": {name: value.decode("utf-8", "backslashreplace") for name, value in letter.record.headers},
        "content": content,
    }
