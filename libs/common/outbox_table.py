"""The table of an outbox, and what is asked of it again and again.

`outbox` uses the statements and says what they are for; services take `outbox_table` from there.
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
    """The statements of one table, for plain sessions. Their values are in the order in which they stand in the text."""

    def __init__(self, table: sa.Table) -> None:
        def of_table(statement: str) -> str:
            return statement.replace("OUTBOX", table.name)

        self.next_due = of_table(_NEXT_DUE)
        self.due = of_table(_DUE)
        self.give_up = of_table(_GIVE_UP)
        self.take = of_table(_TAKE)
        self.begin = of_table(_BEGIN)
        self.finish = of_table(_FINISH)
        self.unreported = of_table(_UNREPORTED)
        self.unreported_among = of_table(_UNREPORTED_AMONG)
        self.report = of_table(_REPORT)


# One question for each state: for all at once, the database would look at every row that waits.
_NEXT_DUE: Final = """
    SELECT (SELECT min(due_ms) FROM OUTBOX WHERE state = 'due'),
        (SELECT min(due_ms) FROM OUTBOX WHERE state = 'leased'),
        (SELECT min(due_ms) FROM OUTBOX WHERE state = 'delivering')"""
_DUE: Final = """
    SELECT effect_id, payload, correlation_id, state, created_ms, attempts, progress FROM OUTBOX
    WHERE state IN ('due', 'leased', 'delivering') AND due_ms <= ?
    ORDER BY due_ms, effect_id LIMIT ? FOR UPDATE SKIP LOCKED"""
_GIVE_UP: Final = "UPDATE OUTBOX SET state = 'failed', detail = ?, changed_ms = ? WHERE effect_id = ?"
_TAKE: Final = (
    "UPDATE OUTBOX SET state = 'leased', holder = ?, attempts = ?, due_ms = ?, changed_ms = ? WHERE effect_id = ?"
)
_BEGIN: Final = """
    UPDATE OUTBOX SET state = 'delivering', changed_ms = ?
    WHERE effect_id = ? AND holder = ? AND attempts = ? AND state = 'leased' RETURNING effect_id"""
_FINISH: Final = """
    UPDATE OUTBOX SET state = ?, detail = ?, changed_ms = ?
    WHERE effect_id = ? AND holder = ? AND attempts = ? AND state IN ('leased', 'delivering')"""
_OUTCOMES: Final = "SELECT effect_id, payload, correlation_id, state, detail, changed_ms FROM OUTBOX WHERE "
_FINISHED: Final = "NOT reported AND state IN ('sent', 'failed', 'suppressed') ORDER BY changed_ms, effect_id"
_UNREPORTED: Final = _OUTCOMES + _FINISHED + " LIMIT ?"
_UNREPORTED_AMONG: Final = _OUTCOMES + "effect_id IN ? AND " + _FINISHED
_REPORT: Final = "UPDATE OUTBOX SET reported = TRUE WHERE effect_id = ?"
