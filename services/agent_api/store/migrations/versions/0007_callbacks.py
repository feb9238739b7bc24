"""Contacts whose customers are called back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No contact that is there is a callback."""
    op.add_column("agent_contacts", sa.Column("callback", sa.Text(), nullable=True))
    op.add_column("agent_contacts", sa.Column("called_back", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Forget who is to be called back."""
    op.drop_column("agent_contacts", "called_back")
    op.drop_column("agent_contacts", "callback")
