"""Contacts that are served by the call for another one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No contact that is there was merged into another one."""
    op.add_column("agent_contacts", sa.Column("merged_into", sa.Text(), nullable=True))
    op.create_index("agent_contacts_merged", "agent_contacts", ["merged_into"])


def downgrade() -> None:
    """Forget it."""
    op.drop_index("agent_contacts_merged", "agent_contacts")
    op.drop_column("agent_contacts", "merged_into")
