"""Cards."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "cards", sa.Column("id", sa.String(40), primary_key=True), sa.Column("name", sa.Text, nullable=False)
    )
