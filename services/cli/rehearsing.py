"""What `simulate` and `staffing` share: times as options, reading a recording from a log, a bar while it lasts, files that are written."""

from __future__ import annotations

import asyncio
import datetime
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from libs.common.errors import RefusedError
from libs.common.settings import CommonSettings
from services.cli.surroundings import check_log_exists, read_settings

if TYPE_CHECKING:
    from services.router.simulator.recording import Recording


class TimeOption(click.ParamType[int]):
    """A day (its beginning in UTC) or an RFC 3339 time, as milliseconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The milliseconds. A time without a zone is one in UTC."""
        if isinstance(value, int):
            return value
        try:
            moment = datetime.datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-03-02 or 2026-03-02T09:00:00Z", param, ctx)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return round(moment.timestamp() * 1000)


time_option = TimeOption()


def read_from_log(
    settings_type: type[CommonSettings],
    log_url: str | None,
    data: Path | None,
    pool: str | None,
    window: tuple[int | None, int | None],
) -> Recording:
    """What the log holds of the pool, of the only one where none is named. Raises RefusedError for what cannot be."""
    from_ms, to_ms = window
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise RefusedError("--from must be before --to")
    settings = read_settings(settings_type, {"log": log_url, "data": data})
    check_log_exists(settings.log)
    return asyncio.run(_read(settings, pool, from_ms, to_ms))


async def _read(settings: CommonSettings, pool: str | None, from_ms: int | None, to_ms: int | None) -> Recording:
    from libs.common.log.open import open_log
    from services.router.simulator.recording import NothingRecordedError, read_recording, recorded_pools

    log = open_log(settings.log, settings.partitions, settings.retention_days)
    try:
        await log.connect()
        if pool is None:
            pools = await recorded_pools(log)
            if not pools:
                raise NothingRecordedError("the log holds no contacts")
            if len(pools) > 1:
                raise RefusedError(f"--pool: name one of {', '.join(pools)}")
            pool = pools[0]
        return await read_recording(log, pool, from_ms=from_ms, to_ms=to_ms)
    finally:
        await log.close()


@contextmanager
def progress_bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal; gives the function that moves it on."""
    stream = sys.stderr
    with click.progressbar(length=length, label=label, file=stream, hidden=not stream.isatty()) as bar:

        def advance(steps: int) -> None:
            bar.update(steps)

        yield advance


def by_share(advance: Callable[[int], None], steps: int) -> Callable[[float], None]:
    """From the share that is done to so many of `steps` that a bar is moved on by."""
    told = 0

    def progress(share: float) -> None:
        nonlocal told
        reached = int(share * steps)
        if reached > told:
            advance(reached - told)
            told = reached

    return progress


def write_text(path: Path, option: str, text: str) -> None:
    """Write a file and say so. Raises RefusedError, with the option's name, where that cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"{option}: {path} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {path}", err=True)
