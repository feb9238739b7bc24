"""The tables of ingest: webhook tokens, replies on their way out, media on their way in, and how far each stream was read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

from libs.common.outbox import outbox_table
from libs.common.store import positions_table

MIGRATIONS: Final = Path(__file__).parent
VERSION_TABLE: Final = "ingest_version"

metadata: Final = sa.MetaData()

webhook_tokens: Final = sa.Table(
    "ingest_webhook_tokens",
    metadata,
    sa.Column("account", sa.String(64), primary_key=True),
    sa.Column("token", sa.String(200), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("expires_ms", sa.BigInteger, nullable=False, index=True),
)
sends: Final = outbox_table(metadata, "ingest_sends")
media: Final = outbox_table(metadata, "ingest_media")
positions: Final = positions_table(metadata, "ingest_positions")
