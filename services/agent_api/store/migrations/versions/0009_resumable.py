"""Until when abandoned contacts come back to their places."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of those that are abandoned already it is not known."""
    op.add_column("agent_contacts", sa.Column("resumable_until_ms", sa.BigInteger(), nullable=True))
    op.create_index("agent_contacts_resumable", "agent_contacts", ["resumable_until_ms"])


def downgrade() -> None:
    """Forget it."""
    op.drop_index("agent_contacts_resumable", "agent_contacts")
    op.drop_column("agent_contacts", "resumable_until_ms")
