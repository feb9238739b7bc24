"""Customers who want no automatic texts.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nobody has said so yet."""
    op.create_table(
        "followup_stops",
        sa.Column("channel", sa.String(20), primary_key=True),
        sa.Column("handle", sa.String(340), primary_key=True),
        sa.Column("stopped", sa.Boolean, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Forget who has."""
    op.drop_table("followup_stops")
