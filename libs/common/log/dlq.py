"""Dead letters: records that cannot be decoded or handled are put aside on `dead.letters`, whole, and the rest goes on.

Only while they are few. A record that is broken on its own is rare and stands alone; many in a row, or a good part of all, mean that
this program is broken (a bad release, a wrong schema, a store whose tables are missing), and putting everything aside would turn
one bug into a stream of lost contacts. Then `put` raises and the process ends, with nothing skipped. The limits are counted by
offsets, so nobody has to report what went well, and in memory: a restart allows as much again, and an operator sees the restarts.

Called by every reader of a stream; `read_dead_letter` by whoever lists them or puts them back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from libs.common.errors import CentralinoError, PoisonError
from libs.common.log.port import Appended, Headers, NewRecord, Record
from libs.common.log.streams import DEAD_LETTERS

RATIO_MAX: Final = 0.05
RUN_MAX: Final = 20
WINDOW_RECORDS: Final = 1_000

_VALUE_BYTES_MAX: Final = 512 * 1024
_HEADER_BYTES_MAX: Final = 64 * 1024
_ERROR_CHARS_MAX: Final = 1_000

_ORIGIN_PREFIX: Final = "dlq_"
_ID: Final = "ce_id"


class DeadLettersExceededError(CentralinoError):
    """Too many records in a row, or too great a part of them, cannot be handled: the fault is in this program."""


class Appender(Protocol):
    """What dead letters are appended with: a `Publisher`."""

    async def append(
        self, stream: str, key: str, records: NewRecord | Sequence[NewRecord], partition: int | None = None
    ) -> Appended:
        """Append one batch. Raises LogUnavailableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record of `dead.letters`, read: where it comes from, who gave it up and why, and the record as it was.

    `whole` is False where something was cut off because it was too large; such a record cannot be put back. `webhook`: account and place
    of an item of a webhook that could not be made into a message; it was never a record, so that stream and offset say nothing.
    """

    stream: str
    partition: int
    offset: int
    service: str
    error: str
    whole: bool
    record: NewRecord
    webhook: str | None = None

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        return f"{self.stream}/{self.partition}@{self.offset}" if self.webhook is None else f"webhook {self.webhook}"


class DeadLetters:
    """Puts records aside for one service. `on_put` hears of each, for the metric."""

    def __init__(
        self,
        appender: Appender,
        service: str,
        *,
        ratio_max: float = RATIO_MAX,
        run_max: int = RUN_MAX,
        window_records: int = WINDOW_RECORDS,
        on_put: Callable[[Record], None] | None = None,
    ) -> None:
        self._appender: Final = appender
        self._service: Final = service
        self._run_max: Final = run_max
        self._window: Final = window_records
        self._count_max: Final = int(ratio_max * window_records)
        self._on_put: Final = on_put
        self._tallies: dict[tuple[str, int], _Tally] = {}

    async def put(self, record: Record, error: Exception) -> None:
        """Put a record aside; it is durable when this returns, and the caller goes on behind it.

        Raises DeadLettersExceededError, without putting it aside, when more than `run_max` records in a row or more than `ratio_max`
        of the newest `window_records` of its partition were put aside, and LogUnavailableError. The same record put aside again (its
        reader was killed before it stored its position) makes a second letter with the same `ce_id`.
        """
        tally = self._tallies.setdefault((record.stream, record.partition), _Tally())
        run, count = tally.look(record.offset, self._window)
        if run > self._run_max or count > self._count_max:
            place = f"{record.stream}/{record.partition}@{record.offset}"
            raise DeadLettersExceededError(
                f"{place}: {run} records in a row and {count} of the last {self._window} cannot be handled; the newest: {error}"
            ) from error
        await self.keep(record, error)
        tally.count(record.offset)

    async def keep(self, record: Record, error: Exception) -> None:
        """Put a record aside that is no fault of this program's, whatever their number: so that it can be put back later.

        Raises LogUnavailableError.
        """
        letter = make_dead_letter(record, self._service, error)
        await self._appender.append(DEAD_LETTERS, letter.key, letter)
        if self._on_put is not None:
            self._on_put(record)


class _Tally:
    """The offsets that were put aside in one partition, as far as they matter."""

    def __init__(self) -> None:
        self._offsets: deque[int] = deque()

    def look(self, offset: int, window: int) -> tuple[int, int]:
        """The length of the run, and the number within the window, with this offset as the newest."""
        while self._offsets and self._offsets[-1] >= offset:
            self._offsets.pop()  # Read again from an earlier position.
        while self._offsets and self._offsets[0] <= offset - window:
            self._offsets.popleft()
        run = 1
        for earlier in reversed(self._offsets):
            if earlier != offset - run:
                break
            run += 1
        return run, len(self._offsets) + 1

    def count(self, offset: int) -> None:
        self._offsets.append(offset)


def make_dead_letter(record: Record, service: str, error: Exception) -> NewRecord:
    """The record for `dead.letters`: the original value, key and headers, and where it comes from.

    Its `ce_id` follows from the service and the origin; the original one is kept as `dlq_ce_id`.
    """
    value = record.value[:_VALUE_BYTES_MAX]
    headers: list[tuple[str, bytes]] = []
    size = 0
    for name, content in record.headers:
        size += len(name) + len(content)
        if size <= _HEADER_BYTES_MAX:
            headers.append((_ORIGIN_PREFIX + name if name == _ID else name, content))
    origin = f"{record.stream}-{record.partition}-{record.offset}"
    headers += [
        (_ID, f"dead-{service}-{origin}".encode()),
        ("dlq_stream", record.stream.encode()),
        ("dlq_partition", b"%d" % record.partition),
        ("dlq_offset", b"%d" % record.offset),
        ("dlq_key", record.key.encode()[:_HEADER_BYTES_MAX]),
        ("dlq_service", service.encode()),
        ("dlq_error", f"{type(error).__name__}: {error}"[:_ERROR_CHARS_MAX].encode("utf-8", "replace")),
    ]
    if len(value) < len(record.value) or size > _HEADER_BYTES_MAX or len(record.key.encode()) > _HEADER_BYTES_MAX:
        headers.append(("dlq_cut_from_bytes", b"%d" % len(record.value)))
    return NewRecord(key=f"{record.stream}/{record.partition}", value=value, headers=tuple(headers))


def read_dead_letter(record: Record) -> DeadLetter:
    """What a record of `dead.letters` holds. Raises PoisonError where it is none."""
    found = {name: value for name, value in record.headers if name.startswith(_ORIGIN_PREFIX)}
    if "dlq_account" in found:
        return _read_webhook_item(record, found)
    try:
        return DeadLetter(
            stream=found["dlq_stream"].decode(),
            partition=int(found["dlq_partition"]),
            offset=int(found["dlq_offset"]),
            service=found["dlq_service"].decode(),
            error=found["dlq_error"].decode("utf-8", "replace"),
            whole="dlq_cut_from_bytes" not in found,
            record=NewRecord(
                key=found["dlq_key"].decode("utf-8", "replace"),
                value=record.value,
                headers=_original_headers(record.headers),
            ),
        )
    except (KeyError, ValueError) as error:
        place = f"{record.stream}/{record.partition}@{record.offset}"
        raise PoisonError(f"{place} is no dead letter: {error}") from error


def _read_webhook_item(record: Record, found: Mapping[str, bytes]) -> DeadLetter:
    words = {name: value.decode("utf-8", "replace") for name, value in found.items()}
    place = words.get("dlq_place", "")
    return DeadLetter(
        stream="",
        partition=0,
        offset=0,
        service=words.get("dlq_service", ""),
        error=words.get("dlq_error", ""),
        whole=True,
        record=NewRecord(key=record.key, value=record.value, headers=_original_headers(record.headers)),
        webhook=f"{words['dlq_account']}: {place}" if place else words["dlq_account"],
    )


def _original_headers(headers: Headers) -> Headers:
    renamed = _ORIGIN_PREFIX + _ID
    return tuple(
        (_ID if name == renamed else name, value)
        for name, value in headers
        if name == renamed or (name != _ID and not name.startswith(_ORIGIN_PREFIX))
    )
