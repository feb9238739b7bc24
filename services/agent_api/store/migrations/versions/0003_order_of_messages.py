"""Where the log has a message: what came first of two that a provider dates to the same second."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Messages that are there keep the order that they had."""
    op.add_column("agent_messages", sa.Column("entry_id", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE agent_messages SET entry_id = message_id")
    op.drop_index("agent_messages_contact", "agent_messages")
    op.create_index("agent_messages_contact", "agent_messages", ["contact_id", "at_ms", "entry_id"])


def downgrade() -> None:
    """Go by the ids again."""
    op.drop_index("agent_messages_contact", "agent_messages")
    op.create_index("agent_messages_contact", "agent_messages", ["contact_id", "at_ms", "message_id"])
    op.drop_column("agent_messages", "entry_id")
