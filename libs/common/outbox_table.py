"""The table of an outbox, and what is asked of it again and again.

The statements are made once for each table, because to put one together costs more than to execute it. `outbox` uses them and says
what they are for; services take `outbox_table` from there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import sqlalchemy as sa


class OutboxState(StrEnum):
    """Where a row stands. `sent`, `failed` and `suppressed` are final."""

    DUE = "due"
    LEASED = "leased"
    DELIVERING = "delivering"
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


WAITING: Final = (OutboxState.DUE, OutboxState.LEASED, OutboxState.DELIVERING)


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


class OutboxStatements:
    """The statements of one table; their parameters are named in them."""

    def __init__(self, table: sa.Table) -> None:
        columns = table.c
        now_ms: sa.BindParameter[int] = sa.bindparam("now_ms")
        # One question for each state: for all at once, the database would look at every row that waits.
        self.next_due = sa.select(
            *(
                sa.select(sa.func.min(columns.due_ms)).where(columns.state == state).scalar_subquery()
                for state in WAITING
            )
        )
        self.due = (
            sa.select(
                columns.effect_id,
                columns.payload,
                columns.correlation_id,
                columns.state,
                columns.created_ms,
                columns.attempts,
                columns.progress,
            )
            .where(columns.state.in_(WAITING), columns.due_ms <= now_ms)
            .order_by(columns.due_ms, columns.effect_id)
            .limit(sa.bindparam("limit"))
            .with_for_update(skip_locked=True)  # SQLite has no such clause and needs none: its writers take turns.
        )
        self._change(table)
        self._report(table)

    def _change(self, table: sa.Table) -> None:
        columns = table.c
        these = columns.effect_id.in_(sa.bindparam("ids", expanding=True))
        now_ms: sa.BindParameter[int] = sa.bindparam("now_ms")
        self.give_up = (
            sa.update(table)
            .where(these, columns.state == OutboxState.DELIVERING)
            .values(state=OutboxState.FAILED, detail=sa.bindparam("reason"), changed_ms=now_ms)
        )
        self.take = (
            sa.update(table)
            .where(these)
            .values(
                state=OutboxState.LEASED,
                holder=sa.bindparam("as"),
                attempts=columns.attempts + 1,
                due_ms=sa.bindparam("until_ms"),
                changed_ms=now_ms,
            )
        )
        held = (columns.holder == sa.bindparam("as"), columns.attempts == sa.bindparam("nth"))
        self.begin = (
            sa.update(table)
            .where(these, *held, columns.state == OutboxState.LEASED)
            .values(state=OutboxState.DELIVERING, changed_ms=now_ms)
            .returning(columns.effect_id)
        )
        self.finish = (
            sa.update(table)
            .where(
                columns.effect_id == sa.bindparam("id"),
                *held,
                # Not IN, whose list of values cannot be executed for many rows at once.
                sa.or_(columns.state == OutboxState.LEASED, columns.state == OutboxState.DELIVERING),
            )
            .values(state=sa.bindparam("end"), detail=sa.bindparam("why"), changed_ms=now_ms)
        )

    def _report(self, table: sa.Table) -> None:
        columns = table.c
        these = columns.effect_id.in_(sa.bindparam("ids", expanding=True))
        finished = (
            sa.select(
                columns.effect_id,
                columns.payload,
                columns.correlation_id,
                columns.state,
                columns.detail,
                columns.changed_ms,
            )
            .where(columns.reported.is_(False), columns.state.not_in(WAITING))
            .order_by(columns.changed_ms, columns.effect_id)
        )
        self.unreported = finished.limit(sa.bindparam("limit"))
        self.unreported_among = finished.where(these)
        self.report = sa.update(table).where(these).values(reported=True)
