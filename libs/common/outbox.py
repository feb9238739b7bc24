"""Things to be sent exactly once: a table that remembers what is due, what is under way and what became of it.

A row is added in the transaction that consumes the record which asks for it, so that neither is lost without the other. A row's
`effect_id` is its identity: added twice, it is there once. Whoever sends leases a row first; a lease that runs out (its holder
died) is taken by another. Its outcome stays `unreported` until it stands on the log, so that a crash between the two repeats only the
report, whose id does not change.

The one thing that no table can know is whether a mail server or provider took what was handed over when the process died in
the middle. `begin_delivery` is called right before the point of no return; what is found beyond it after a crash is sent again
(`UnknownOutcome.SEND_AGAIN`: losing is worse than twice) or given up (`UnknownOutcome.GIVE_UP`: twice is worse than losing).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.outbox_table import WAITING, OutboxState, OutboxStatements, outbox_table
from libs.common.plain_sql import LIST_MAX
from libs.common.store import insert_or_leave, store_errors, upsert
from libs.common.store_engine import StoreEngine


class UnknownOutcome(StrEnum):
    """What to do with a row whose sender died after the point of no return."""

    SEND_AGAIN = "send-again"
    GIVE_UP = "give-up"


__all__ = [
    "REASON_UNKNOWN",
    "Ending",
    "NewItem",
    "Outbox",
    "OutboxItem",
    "OutboxState",
    "Outcome",
    "UnknownOutcome",
    "outbox_table",
]

REASON_UNKNOWN: Final = "outcome-unknown"
# What a process that died had in hand is taken over after this time.
LEASE_MS: Final = 120_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """A row as its sender sees it. `attempts` counts this one; `progress` is what an earlier attempt noted."""

    effect_id: str
    payload: bytes
    correlation_id: str
    created_ms: int
    due_ms: int
    attempts: int
    progress: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """A row to be added. One that is over before it began (suppressed) has a final `state` and its reason in `detail`."""

    effect_id: str
    payload: bytes
    correlation_id: str
    due_ms: int
    now_ms: int
    state: OutboxState = OutboxState.DUE
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a leased row ends. `detail`: the provider's id of what was sent, or the reason."""

    item: OutboxItem
    state: OutboxState
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a row, to be put on the log. `detail`: the provider's id, or the reason."""

    effect_id: str
    payload: bytes
    correlation_id: str
    state: OutboxState
    detail: str
    at_ms: int


class Outbox:
    """The rows of one outbox table. `holder` names this process; `lease_ms` is how long a send may take at most."""

    def __init__(
        self, engine: StoreEngine, table: sa.Table, *, holder: str, unknown: UnknownOutcome, lease_ms: int = LEASE_MS
    ) -> None:
        self._engine = engine
        self._table = table
        self._statements = OutboxStatements(table)
        self._holder = holder
        self._unknown = unknown
        self._lease_ms = lease_ms
        self.given_up: list[str] = []
        """Effects whose outcome will never be known, since somebody last emptied this list."""

    async def add(
        self,
        connection: AsyncConnection,
        *,
        effect_id: str,
        payload: bytes,
        correlation_id: str,
        due_ms: int,
        now_ms: int,
    ) -> bool:
        """Put a row in, in the caller's transaction. False when the effect is already there, in whatever state."""
        return await self._insert(
            connection,
            effect_id=effect_id,
            payload=payload,
            correlation_id=correlation_id,
            state=OutboxState.DUE,
            created_ms=now_ms,
            due_ms=due_ms,
            changed_ms=now_ms,
        )

    async def add_final(
        self,
        connection: AsyncConnection,
        *,
        effect_id: str,
        payload: bytes,
        correlation_id: str,
        state: OutboxState,
        detail: str,
        now_ms: int,
    ) -> bool:
        """Put in a row that is over before it began (suppressed), in the caller's transaction; it is reported like any other."""
        assert state not in WAITING
        return await self._insert(
            connection,
            effect_id=effect_id,
            payload=payload,
            correlation_id=correlation_id,
            state=state,
            created_ms=now_ms,
            due_ms=now_ms,
            detail=detail,
            changed_ms=now_ms,
        )

    async def add_all(self, connection: AsyncConnection, items: Sequence[NewItem]) -> None:
        """Put rows in, in the caller's transaction; those whose effect is already there, in whatever state, are left as they are."""
        rows = [
            {
                "effect_id": item.effect_id,
                "payload": item.payload,
                "correlation_id": item.correlation_id,
                "state": item.state,
                "created_ms": item.now_ms,
                "due_ms": item.due_ms,
                "detail": item.detail,
                "changed_ms": item.now_ms,
            }
            for item in items
        ]
        if rows:
            await connection.execute(insert_or_leave(connection, self._table, "effect_id"), rows)

    async def next_due_ms(self) -> int | None:
        """When there is something to do next: a row falls due, or a lease may be taken over. None when nothing waits."""
        with store_errors():
            async with self._engine.read_plain() as session:
                (row,) = await session.fetch(self._statements.next_due)
        return min((due_ms for due_ms in row if due_ms is not None), default=None)

    async def lease(self, *, now_ms: int, limit: int = 10) -> list[OutboxItem]:
        """Take up to `limit` rows that are due, for `lease_ms`. What died beyond the point of no return is settled first."""
        statements = self._statements
        # While it is leased, `due_ms` is when the lease ends: one index serves both questions.
        until_ms = now_ms + self._lease_ms
        items: list[OutboxItem] = []
        lost: list[str] = []
        with store_errors():
            async with self._engine.write_plain() as session:
                for effect_id, payload, correlation_id, state, created_ms, attempts, progress in await session.fetch(
                    statements.due, now_ms, limit
                ):
                    if state == OutboxState.DELIVERING and self._unknown is UnknownOutcome.GIVE_UP:
                        lost.append(effect_id)
                        continue
                    items.append(
                        OutboxItem(
                            effect_id=effect_id,
                            payload=payload,
                            correlation_id=correlation_id,
                            created_ms=created_ms,
                            due_ms=until_ms,
                            attempts=attempts + 1,
                            progress=progress,
                        )
                    )
                await session.execute_many(statements.give_up, [(REASON_UNKNOWN, now_ms, effect) for effect in lost])
                taken = [(self._holder, item.attempts, until_ms, now_ms, item.effect_id) for item in items]
                await session.execute_many(statements.take, taken)
        self.given_up += lost
        return items

    async def begin_delivery(self, item: OutboxItem, *, now_ms: int) -> bool:
        """Note that the point of no return is next. False when the lease was lost meanwhile: do not send."""
        return item.effect_id in await self.begin_deliveries([item], now_ms=now_ms)

    async def begin_deliveries(self, items: Sequence[OutboxItem], *, now_ms: int) -> set[str]:
        """Note that the point of no return is next for all of these; the effects of those whose leases still hold."""
        begun: set[str] = set()
        with store_errors():
            async with self._engine.write_plain() as session:
                for item in items:
                    held = (now_ms, item.effect_id, self._holder, item.attempts)
                    if await session.fetch(self._statements.begin, *held):
                        begun.add(item.effect_id)
        return begun

    async def finish_all(self, endings: Sequence[Ending], *, now_ms: int) -> None:
        """All of these are over, but for those whose lease was lost meanwhile: they are somebody else's to finish."""
        assert not any(ending.state in WAITING for ending in endings)
        rows = [
            (ending.state, ending.detail, now_ms, ending.item.effect_id, self._holder, ending.item.attempts)
            for ending in endings
        ]
        with store_errors():
            async with self._engine.write_plain() as session:
                await session.execute_many(self._statements.finish, rows)

    async def note_progress(self, item: OutboxItem, progress: str, *, now_ms: int) -> bool:
        """Keep what the next attempt must know (which parts went out)."""
        return await self._change(item, now_ms, progress=progress)

    async def finish(self, item: OutboxItem, state: OutboxState, detail: str, *, now_ms: int) -> bool:
        """The row is over: sent (`detail`: provider's id), failed or suppressed (`detail`: reason). False when the lease was lost."""
        assert state not in WAITING
        return await self._change(item, now_ms, state=state, detail=detail)

    async def postpone(self, item: OutboxItem, *, until_ms: int, reason: str, now_ms: int) -> bool:
        """Nothing went out; try again at `until_ms`."""
        return await self._change(item, now_ms, state=OutboxState.DUE, due_ms=until_ms, detail=reason, holder=None)

    async def unreported(self, among: Sequence[str] | None = None, *, limit: int = 100) -> list[Outcome]:
        """Finished rows that do not stand on the log yet, oldest first: `among` these, or up to `limit` of all.

        All of them are found by looking at everything that waits, too.
        """
        statements = self._statements
        with store_errors():
            async with self._engine.read_plain() as session:
                if among is None:
                    rows = list(await session.fetch(statements.unreported, limit))
                else:
                    rows = []
                    for start in range(0, len(among), LIST_MAX):
                        rows += await session.fetch_in(statements.unreported_among, among[start : start + LIST_MAX])
        return [
            Outcome(
                effect_id=effect_id,
                payload=payload,
                correlation_id=correlation_id,
                state=OutboxState(state),
                detail=detail,
                at_ms=at_ms,
            )
            for effect_id, payload, correlation_id, state, detail, at_ms in rows
        ]

    async def mark_reported(self, effect_ids: Sequence[str]) -> None:
        """These outcomes stand on the log."""
        with store_errors():
            async with self._engine.write_plain() as session:
                await session.execute_many(self._statements.report, [(effect_id,) for effect_id in effect_ids])

    async def prune(self, *, before_ms: int) -> int:
        """Forget reported rows that were last touched before; keep them at least as long as the log keeps what asked for them."""
        columns = self._table.c
        with store_errors():
            async with self._engine.begin() as connection:
                result = await connection.execute(
                    sa.delete(self._table).where(columns.reported.is_(True), columns.changed_ms < before_ms)
                )
        return result.rowcount

    async def _insert(self, connection: AsyncConnection, **values: Any) -> bool:
        result = await connection.execute(upsert(connection, self._table, values, key=("effect_id",)))
        return result.rowcount == 1

    async def _change(
        self,
        item: OutboxItem,
        now_ms: int,
        *,
        expected: tuple[OutboxState, ...] = (OutboxState.LEASED, OutboxState.DELIVERING),
        **values: Any,
    ) -> bool:
        columns = self._table.c
        with store_errors():
            async with self._engine.begin() as connection:
                result = await connection.execute(
                    sa.update(self._table)
                    .where(
                        columns.effect_id == item.effect_id,
                        columns.holder == self._holder,
                        columns.attempts == item.attempts,
                        columns.state.in_(expected),
                    )
                    .values(changed_ms=now_ms, **values)
                )
        return result.rowcount == 1
