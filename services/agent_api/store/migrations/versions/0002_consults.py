"""Who looks at a contact besides its agent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody looks at the contacts that are there."""
    op.add_column("agent_contacts", sa.Column("consults", sa.Text(), nullable=True))
    op.create_index("agent_contacts_consults", "agent_contacts", ["consults"])


def downgrade() -> None:
    """Forget who looks at what."""
    op.drop_index("agent_contacts_consults", "agent_contacts")
    op.drop_column("agent_contacts", "consults")
