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
        "followup_contacts",
        sa.Column("contact_id", sa.String(80), primary_key=True),
        sa.Column("pool", sa.String(64), nullable=False),
        sa.Column("handle", sa.String(340), nullable=False),
        sa.Column("address", sa.String(340), nullable=True),
        sa.Column("name", sa.Text, nullable=True),
        sa.Column("subject", sa.Text, nullable=True),
        sa.Column("language", sa.String(16), nullable=True),
        sa.Column("automatic", sa.Boolean, nullable=False),
        sa.Column("email_message_id", sa.Text, nullable=True),
        sa.Column("email_references", sa.Text, nullable=False),
        sa.Column("correlation_id", sa.String(200), nullable=False),
        sa.Column("resolved_ms", sa.BigInteger, nullable=True),
    )
    op.create_index("ix_followup_contacts_resolved_ms", "followup_contacts", ["resolved_ms"])
    op.create_table(
        "followup_addresses",
        sa.Column("handle", sa.String(340), primary_key=True),
        sa.Column("address", sa.String(340), nullable=False),
    )
    op.create_table(
        "followup_bounces",
        sa.Column("address", sa.String(340), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "followup_agents",
        sa.Column("agent_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.create_table(
        "followup_mails",
        sa.Column("effect_id", sa.String(80), primary_key=True),
        sa.Column("contact_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("address", sa.String(340), nullable=True),
        sa.Column("planned_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=True),
        sa.Column("announced", sa.Boolean, nullable=False),
    )
    op.create_index("ix_followup_mails_contact_id", "followup_mails", ["contact_id"])
    op.create_index("ix_followup_mails_address_planned", "followup_mails", ["address", "planned_ms"])
    op.create_table(
        "followup_outbox",
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
    op.create_index("ix_followup_outbox_state_due", "followup_outbox", ["state", "due_ms"])
    op.create_index("ix_followup_outbox_reported", "followup_outbox", ["reported", "changed_ms"])
    op.create_table(
        "followup_positions",
        sa.Column("stream", sa.String(100), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("term", sa.BigInteger, nullable=True),
    )
