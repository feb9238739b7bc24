"""The tables: contacts and agents as far as mails need them, addresses, planned mails, the outbox, and how far each stream was read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

from libs.common.outbox import outbox_table
from libs.common.store import positions_table

MIGRATIONS: Final = Path(__file__).parent
VERSION_TABLE: Final = "followup_version"

metadata: Final = sa.MetaData()

contacts: Final = sa.Table(
    "followup_contacts",
    metadata,
    sa.Column("contact_id", sa.String(80), primary_key=True),
    sa.Column("pool", sa.String(64), nullable=False),
    sa.Column("handle", sa.String(340), nullable=False),
    sa.Column("address", sa.String(340), nullable=True),
    sa.Column("name", sa.Text, nullable=True),
    sa.Column("subject", sa.Text, nullable=True),
    sa.Column("language", sa.String(16), nullable=True),
    sa.Column("automatic", sa.Boolean, nullable=False),
    sa.Column("email_message_id", sa.Text, nullable=True),
    sa.Column("email_references", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.String(200), nullable=False),
    # None while it is open, and an open one is never forgotten.
    sa.Column("resolved_ms", sa.BigInteger, nullable=True, index=True),
    # Where texts to its customer go. Empty: this was not noted when it came.
    sa.Column("thread_id", sa.String(80), nullable=False, server_default=""),
    sa.Column("account", sa.String(64), nullable=False, server_default=""),
    sa.Column("channel", sa.String(20), nullable=False, server_default=""),
    sa.Column("queue", sa.String(64), nullable=False, server_default=""),
)
# Which mail address belongs to a handle of another kind, from messages that carried both.
addresses: Final = sa.Table(
    "followup_addresses",
    metadata,
    sa.Column("handle", sa.String(340), primary_key=True),
    sa.Column("address", sa.String(340), nullable=False),
)
bounces: Final = sa.Table(
    "followup_bounces",
    metadata,
    sa.Column("address", sa.String(340), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
agents: Final = sa.Table(
    "followup_agents",
    metadata,
    sa.Column("agent_id", sa.String(64), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
)
mails: Final = sa.Table(
    "followup_mails",
    metadata,
    sa.Column("effect_id", sa.String(80), primary_key=True),
    sa.Column("contact_id", sa.String(80), nullable=False, index=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("address", sa.String(340), nullable=True),
    sa.Column("planned_ms", sa.BigInteger, nullable=False),
    sa.Column("due_ms", sa.BigInteger, nullable=True),
    sa.Column("announced", sa.Boolean, nullable=False),
    sa.Index("ix_followup_mails_address_planned", "address", "planned_ms"),
)
# Texts on the contact's own channel: `payload` is the message as it goes on the log.
texts: Final = sa.Table(
    "followup_texts",
    metadata,
    sa.Column("message_id", sa.String(80), primary_key=True),
    sa.Column("contact_id", sa.String(80), nullable=False, index=True),
    sa.Column("handle", sa.String(340), nullable=False),
    sa.Column("planned_ms", sa.BigInteger, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.String(200), nullable=False),
    sa.Column("published", sa.Boolean, nullable=False, index=True),
    sa.Index("ix_followup_texts_handle_planned", "handle", "planned_ms"),
)
# Who wants no automatic texts on a channel, since when; `stopped` False: who takes them again since then.
stops: Final = sa.Table(
    "followup_stops",
    metadata,
    sa.Column("channel", sa.String(20), primary_key=True),
    sa.Column("handle", sa.String(340), primary_key=True),
    sa.Column("stopped", sa.Boolean, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
outbox: Final = outbox_table(metadata, "followup_outbox")
positions: Final = positions_table(metadata, "followup_positions")
