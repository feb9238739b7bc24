"""Explaining a contact: fold the log to each point where something was decided about it, and say why it was decided so.

Reads the log and writes nothing; deciding goes on beside it and pays nothing for it. Called by the command line and by the router's
HTTP edge. It must not decide: what was offered to whom stands on the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final, cast

import msgspec

from libs.common.errors import RefusedError
from libs.common.events.codec import decode_envelope, decode_event, type_of
from libs.common.events.routing import OfferMade, PoolFact
from libs.common.log.fence import Fence
from libs.common.log.port import EventLog, Record
from libs.common.log.streams import ROUTING_EVENTS, partition_of
from services.router.core.explain import OfferExplanation, WaitingExplanation, explain_offer, explain_waiting
from services.router.core.snapshot import restore
from services.router.core.transitions import ContactState
from services.router.origin import is_writer_started
from services.router.recovery import RecoveryImpossibleError
from services.router.routing_state import RoutingState
from services.router.snapshot import StoredSnapshot, read_snapshots

# A worker may share the loop: what is folded at a time must not hold it up.
_FOLD_RECORDS: Final = 100
_SCAN_RECORDS: Final = 500
_POLL_WAIT_MS: Final = 1000

# Not repeated in a history: what every fact has, and what the customer wrote or is called.
_HIDDEN: Final = frozenset({"type", "pool", "at_ms", "contact_id", "subject", "name", "handle", "handles", "reason"})

_WAITING: Final = frozenset({ContactState.QUEUED, ContactState.SCHEDULED})


class ContactUnknownError(RefusedError):
    """The log says nothing of such a contact."""


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fact about the contact: its type, where it stands, and its fields without the customer's words."""

    at_ms: int
    type: str
    input_offset: int
    output_offset: int
    details: dict[str, Any] = {}


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was decided about a contact, and why.

    `complete` is False where the log no longer holds its beginning. `waiting` is set while it waits for an agent; `state` is None
    once it has left the pool. `at_ms` is the time of the newest fact that was looked at.
    """

    contact_id: str
    pool: str | None
    partition: int
    complete: bool
    state: str | None
    at_ms: int
    history: tuple[HistoryEntry, ...]
    offers: tuple[OfferExplanation, ...]
    waiting: WaitingExplanation | None


async def explain_contact(log: EventLog, contact_id: str, partitions: Sequence[int]) -> Explanation:
    """Explain a contact that is in one of these partitions. One that was forwarded is followed to the pool where it is now, and back to
    where it came from: their histories are told as one.

    Raises ContactUnknownError, RecoveryImpossibleError where the log holds no state to begin with, PoisonError and LogUnavailableError.
    """
    found: list[Explanation] = []
    todo, seen = list(partitions), set[int]()
    while todo:
        partition = todo.pop(0)
        if partition in seen:
            continue
        seen.add(partition)
        told = await _explain_in(log, contact_id, partition)
        if told is not None:
            found.append(told)
            # It is in one place; what else there is of it, its facts say.
            todo = [partition_of(pool, log.partitions(ROUTING_EVENTS)) for one in found for pool in _linked_pools(one)]
    if not found:
        raise ContactUnknownError(f"contact {contact_id}: the log says nothing of it")
    return found[0] if len(found) == 1 else _together(found)


def _linked_pools(told: Explanation) -> list[str]:
    """The pools that forwarded it, and those that it was forwarded to."""
    pools: list[str] = []
    for entry in told.history:
        pools += entry.details.get("passed", ())
        pools += [entry.details["to_pool"]] if "to_pool" in entry.details else []
    return pools


def _together(found: Sequence[Explanation]) -> Explanation:
    """One explanation of several pools' ones: that of where it is, or was last, with the histories of all."""
    # Whoever hands it on adds itself to those that it has passed; the first had it from nobody.
    way = sorted(found, key=lambda told: len(told.history[0].details.get("passed", ())) if told.history else 0)
    here = next((told for told in reversed(way) if told.state is not None), way[-1])
    # In each pool the times are those of its own log; of one moment what came first in the contact's way comes first.
    return msgspec.structs.replace(
        here,
        complete=way[0].complete,
        history=tuple(sorted((entry for told in way for entry in told.history), key=lambda entry: entry.at_ms)),
        offers=tuple(sorted((offer for told in way for offer in told.offers), key=lambda offer: offer.at_ms)),
    )


async def _explain_in(log: EventLog, contact_id: str, partition: int) -> Explanation | None:
    end = await log.end_offset(ROUTING_EVENTS, partition)
    first = await _first_mention(log, contact_id, partition, end)
    start = await _starting_point(log, partition, end if first is None else first)
    if first is None and (start is None or not await _holds(start, contact_id)):
        return None
    return await _Telling(log, contact_id, partition, start).run(end)


async def _first_mention(log: EventLog, contact_id: str, partition: int, end: int) -> int | None:
    """Where the first record about the contact stands. Looks at envelopes alone."""
    subject = contact_id.encode()
    async with aclosing(
        _records(log, partition, await log.begin_offset(ROUTING_EVENTS, partition), end, _SCAN_RECORDS)
    ) as records:
        async for record in records:
            if ("ce_subject", subject) in record.headers:
                return record.offset
    return None


async def _starting_point(log: EventLog, partition: int, before_offset: int) -> StoredSnapshot | None:
    """What to begin with: the newest snapshot before the offset, else the log's beginning (None), else the oldest snapshot."""
    begin = await log.begin_offset(ROUTING_EVENTS, partition)
    usable = [
        snapshot
        for snapshot in (await read_snapshots(log, partition)).snapshots
        if snapshot.manifest.next_output >= begin
    ]
    for snapshot in usable:
        if snapshot.manifest.next_output <= before_offset:
            return snapshot
    if begin == 0:
        return None
    if not usable:
        raise RecoveryImpossibleError(f"partition {partition} begins at {begin} and no snapshot reaches that far")
    return usable[-1]


async def _holds(start: StoredSnapshot, contact_id: str) -> bool:
    state = await _restore(start)
    return any(contact_id in pool.contacts for pool in state.values())


async def _restore(start: StoredSnapshot) -> dict[str, Any]:
    # A large pool takes seconds.
    return await asyncio.to_thread(lambda: {name: restore(name, chunks) for name, chunks in start.pools})


class _Telling:
    """One explanation on its way."""

    def __init__(self, log: EventLog, contact_id: str, partition: int, start: StoredSnapshot | None) -> None:
        self._log = log
        self._contact_id = contact_id
        self._partition = partition
        self._start = start
        self._state = RoutingState(partition=partition, partitions=log.partitions(ROUTING_EVENTS), configured=())
        self._pool: str | None = None
        self._complete = False
        self._history: list[HistoryEntry] = []
        self._offers: list[OfferExplanation] = []

    async def run(self, end: int) -> Explanation:
        manifest = None if self._start is None else self._start.manifest
        if self._start is not None:
            self._state.pools.update(await _restore(self._start))
        fence = Fence(None if manifest is None else manifest.term)
        first = 0 if manifest is None else manifest.next_output
        async with aclosing(_records(self._log, self._partition, first, end, _FOLD_RECORDS)) as records:
            async for record in records:
                if fence.admit(record) and not is_writer_started(record):
                    self._take(record, decode_event(record))
        return self._tell()

    def _take(self, record: Record, fact: PoolFact) -> None:
        if getattr(fact, "contact_id", None) == self._contact_id:
            self._pool = fact.pool
            held = fact.pool in self._state.pools and self._contact_id in self._state.pools[fact.pool].contacts
            self._complete = self._complete or (not self._history and not held)
            if isinstance(fact, OfferMade):
                self._offers.append(explain_offer(self._state.pools[fact.pool], fact))
            self._history.append(_entry(record, fact))
        self._state.fold(fact)

    def _tell(self) -> Explanation:
        pools = self._state.pools
        if self._pool is None:
            self._pool = next((name for name, pool in pools.items() if self._contact_id in pool.contacts), None)
        state = None if self._pool is None else pools[self._pool]
        contact = None if state is None else state.contacts.get(self._contact_id)
        waiting = None
        if state is not None and contact is not None and contact.state in _WAITING:
            waiting = explain_waiting(state, contact.id, state.now_ms)
        return Explanation(
            contact_id=self._contact_id,
            pool=self._pool,
            partition=self._partition,
            complete=self._complete,
            state=None if contact is None else contact.state.value,
            at_ms=0 if state is None else state.now_ms,
            history=tuple(self._history),
            offers=tuple(self._offers),
            waiting=waiting,
        )


def _entry(record: Record, fact: PoolFact) -> HistoryEntry:
    fields = cast("dict[str, Any]", msgspec.to_builtins(fact))
    return HistoryEntry(
        at_ms=fact.at_ms,
        type=type_of(fact),
        input_offset=decode_envelope(record).input_offset or 0,
        output_offset=record.offset,
        details={name: value for name, value in fields.items() if name not in _HIDDEN},
    )


async def _records(log: EventLog, partition: int, first: int, end: int, at_once: int) -> AsyncGenerator[Record, None]:
    """The facts' records from `first` to before `end`; others may run between one lot and the next."""
    if first >= end:
        return
    reader = await log.open_reader(ROUTING_EVENTS, {partition: first})
    try:
        while reader.position(partition) < end:
            for record in await reader.poll(max_records=at_once, wait_ms=_POLL_WAIT_MS):
                if record.offset < end:
                    yield record
            await asyncio.sleep(0)
    finally:
        await reader.close()
