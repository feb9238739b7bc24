"""Texts that customers are told on the contact's own channel.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NEW = (("thread_id", 80), ("account", 64), ("channel", 20), ("queue", 64))


def upgrade() -> None:
    """Make the table; of the contacts that are there it is not known where texts would go, so that they get none."""
    for name, length in _NEW:
        op.add_column("followup_contacts", sa.Column(name, sa.String(length), nullable=False, server_default=""))
    op.create_table(
        "followup_texts",
        sa.Column("message_id", sa.String(80), primary_key=True),
        sa.Column("contact_id", sa.String(80), nullable=False),
        sa.Column("handle", sa.String(340), nullable=False),
        sa.Column("planned_ms", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("correlation_id", sa.String(200), nullable=False),
        sa.Column("published", sa.Boolean, nullable=False),
    )
    op.create_index("ix_followup_texts_contact_id", "followup_texts", ["contact_id"])
    op.create_index("ix_followup_texts_handle_planned", "followup_texts", ["handle", "planned_ms"])
    op.create_index("ix_followup_texts_published", "followup_texts", ["published"])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("followup_texts")
    for name, _ in reversed(_NEW):
        op.drop_column("followup_contacts", name)
