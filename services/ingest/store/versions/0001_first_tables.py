"""The first tables.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ingest_webhook_tokens",
        sa.Column("account", sa.String(64), primary_key=True),
        sa.Column("token", sa.String(200), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_ingest_webhook_tokens_expires_ms", "ingest_webhook_tokens", ["expires_ms"])
    for name in ("ingest_sends", "ingest_media"):
        op.create_table(
            name,
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
        )
        op.create_index(f"ix_{name}_state_due", name, ["state", "due_ms"])
        op.create_index(f"ix_{name}_reported", name, ["reported", "changed_ms"])
    op.create_table(
        "ingest_positions",
        sa.Column("stream", sa.String(100), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("term", sa.BigInteger, nullable=True),
    )
