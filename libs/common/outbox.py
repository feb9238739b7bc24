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
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.store import insert_or_leave, reading, store_errors, upsert


class OutboxState(StrEnum):
    """Where a row stands. `sent`, `failed` and `suppressed` are final."""

    DUE = "due"
    LEASED = "leased"
    DELIVERING = "delivering"
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


class UnknownOutcome(StrEnum):
    """What to do with a row whose sender died after the point of no return."""

    SEND_AGAIN = "send-again"
    GIVE_UP = "give-up"


REASON_UNKNOWN: Final = "outcome-unknown"
_WAITING: Final = (OutboxState.DUE, OutboxState.LEASED, OutboxState.DELIVERING)


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
class Outcome:
    """What became of a row, to be put on the log. `detail`: the provider's id, or the reason."""

    effect_id: str
    payload: bytes
    correlation_id: str
    state: OutboxState
    detail: str
    at_ms: int


def outbox_table(metadata: sa.MetaData, name: str) -> sa.Table:
    """The table of an outbox; its migration makes the same columns."""
    return sa.Table(
        name,
        metadata,
        sa.Column("effect_id", sa.String(80), primary_key=True),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("correlation_id", sa.String(200), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("holder", sa.String(80), nullable=True),
        sa.Column("progress", sa.Text, nullable=False, server_default=""),
        sa.Column("detail", sa.Text, nullable=False, server_default=""),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.Column("reported", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Index(f"ix_{name}_state_due", "state", "due_ms"),
        sa.Index(f"ix_{name}_reported", "reported", "changed_ms"),
    )


class Outbox:
    """The rows of one outbox table. `holder` names this process; `lease_ms` is how long a send may take at most."""

    def __init__(
        self, engine: AsyncEngine, table: sa.Table, *, holder: str, unknown: UnknownOutcome, lease_ms: int = 120_000
    ) -> None:
        self._engine = engine
        self._table = table
        self._holder = holder
        self._unknown = unknown
        self._lease_ms = lease_ms

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
        assert state not in _WAITING
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
        query = sa.select(sa.func.min(self._table.c.due_ms)).where(self._table.c.state.in_(_WAITING))
        with store_errors():
            async with reading(self._engine) as connection:
                due_ms: int | None = (await connection.execute(query)).scalar()
        return due_ms

    async def lease(self, *, now_ms: int, limit: int = 10) -> list[OutboxItem]:
        """Take up to `limit` rows that are due, for `lease_ms`. What died beyond the point of no return is settled first."""
        columns = self._table.c
        with store_errors():
            async with self._engine.begin() as connection:
                if self._unknown is UnknownOutcome.GIVE_UP:
                    await connection.execute(
                        sa.update(self._table)
                        .where(columns.state == OutboxState.DELIVERING, columns.due_ms <= now_ms)
                        .values(state=OutboxState.FAILED, detail=REASON_UNKNOWN, changed_ms=now_ms)
                    )
                chosen = (
                    sa.select(columns.effect_id)
                    .where(columns.state.in_(_WAITING), columns.due_ms <= now_ms)
                    .order_by(columns.due_ms, columns.effect_id)
                    .limit(limit)
                    .with_for_update(
                        skip_locked=True
                    )  # SQLite has no such clause and needs none: its writers take turns.
                )
                ids = (await connection.execute(chosen)).scalars().all()
                if not ids:
                    return []
                # While it is leased, `due_ms` is when the lease ends: one index serves both questions.
                taken = (
                    sa.update(self._table)
                    .where(columns.effect_id.in_(ids), columns.state.in_(_WAITING), columns.due_ms <= now_ms)
                    .values(
                        state=OutboxState.LEASED,
                        holder=self._holder,
                        attempts=columns.attempts + 1,
                        due_ms=now_ms + self._lease_ms,
                        changed_ms=now_ms,
                    )
                    .returning(
                        columns.effect_id,
                        columns.payload,
                        columns.correlation_id,
                        columns.created_ms,
                        columns.due_ms,
                        columns.attempts,
                        columns.progress,
                    )
                )
                rows = (await connection.execute(taken)).mappings().all()
        return sorted((OutboxItem(**row) for row in rows), key=lambda item: ids.index(item.effect_id))

    async def begin_delivery(self, item: OutboxItem, *, now_ms: int) -> bool:
        """Note that the point of no return is next. False when the lease was lost meanwhile: do not send."""
        return await self._change(item, now_ms, expected=(OutboxState.LEASED,), state=OutboxState.DELIVERING)

    async def note_progress(self, item: OutboxItem, progress: str, *, now_ms: int) -> bool:
        """Keep what the next attempt must know (which parts went out)."""
        return await self._change(item, now_ms, progress=progress)

    async def finish(self, item: OutboxItem, state: OutboxState, detail: str, *, now_ms: int) -> bool:
        """The row is over: sent (`detail`: provider's id), failed or suppressed (`detail`: reason). False when the lease was lost."""
        assert state not in _WAITING
        return await self._change(item, now_ms, state=state, detail=detail)

    async def postpone(self, item: OutboxItem, *, until_ms: int, reason: str, now_ms: int) -> bool:
        """Nothing went out; try again at `until_ms`."""
        return await self._change(item, now_ms, state=OutboxState.DUE, due_ms=until_ms, detail=reason, holder=None)

    async def unreported(self, *, limit: int = 100) -> list[Outcome]:
        """Finished rows that do not stand on the log yet, oldest first."""
        columns = self._table.c
        query = (
            sa.select(
                columns.effect_id,
                columns.payload,
                columns.correlation_id,
                columns.state,
                columns.detail,
                columns.changed_ms.label("at_ms"),
            )
            .where(columns.reported.is_(False), columns.state.not_in(_WAITING))
            .order_by(columns.changed_ms, columns.effect_id)
            .limit(limit)
        )
        with store_errors():
            async with reading(self._engine) as connection:
                rows = (await connection.execute(query)).mappings().all()
        return [Outcome(**{**row, "state": OutboxState(row["state"])}) for row in rows]

    async def mark_reported(self, effect_ids: Sequence[str]) -> None:
        """These outcomes stand on the log."""
        with store_errors():
            async with self._engine.begin() as connection:
                await connection.execute(
                    sa.update(self._table).where(self._table.c.effect_id.in_(effect_ids)).values(reported=True)
                )

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
