"""Which queues are let run empty."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No queue is drained."""
    op.add_column("agent_queues", sa.Column("drained", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("agent_queues", sa.Column("draining_to", sa.Text(), nullable=True))


def downgrade() -> None:
    """Forget which queues are drained."""
    op.drop_column("agent_queues", "draining_to")
    op.drop_column("agent_queues", "drained")
