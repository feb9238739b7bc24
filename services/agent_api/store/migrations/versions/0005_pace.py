"""How fast queues move on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NEW = ("step_us", "patience_us", "opens_ms")


def upgrade() -> None:
    """Of the queues that are there nothing is known yet."""
    for name in _NEW:
        op.add_column("agent_queues", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Forget how fast they move on."""
    for name in reversed(_NEW):
        op.drop_column("agent_queues", name)
