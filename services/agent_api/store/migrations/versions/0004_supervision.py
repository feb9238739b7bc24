"""What supervisors and agents need to see: flags, alternatives, units, queues to take from, contacts that ended without an answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing of it is known of the rows that are there; agents and queues get theirs with the next configuration of their pool."""
    op.add_column("agent_contacts", sa.Column("alternatives", sa.Text(), nullable=True))
    op.add_column("agent_contacts", sa.Column("flag", sa.Text(), nullable=True))
    op.add_column("agent_agents", sa.Column("units", sa.BigInteger(), nullable=True))
    op.add_column("agent_agents", sa.Column("unit_costs", sa.Text(), nullable=True))
    op.add_column("agent_queues", sa.Column("pull", sa.Boolean(), nullable=False, server_default=sa.false()))
    for counter in ("abandoned", "cancelled"):
        op.add_column("agent_throughput", sa.Column(counter, sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Forget it."""
    for counter in ("cancelled", "abandoned"):
        op.drop_column("agent_throughput", counter)
    op.drop_column("agent_queues", "pull")
    op.drop_column("agent_agents", "unit_costs")
    op.drop_column("agent_agents", "units")
    op.drop_column("agent_contacts", "flag")
    op.drop_column("agent_contacts", "alternatives")
