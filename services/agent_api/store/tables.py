"""The tables of the view: what the agent API shows, folded from the log, and the few rows that only it writes.

Every table is prefixed `agent_`. Times are milliseconds since 1970 in UTC. JSON is kept as text, so that both databases hold the same
bytes. Only `view` and `queries` (through the routes) work with them; migrations create them.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from libs.common.store import positions_table

metadata = sa.MetaData()


# What a PostgreSQL index takes in one entry is limited (2,704 bytes); no id or handle in earnest is longer than these.
ID_CHARS_MAX = 200
HANDLE_CHARS_MAX = 500


def clean_text(value: str | None, chars_max: int | None) -> str | None:
    """The text as any database takes it, see `CleanText`."""
    if value is None:
        return None
    if chars_max is not None:
        value = value[:chars_max]
    if value.isascii() and "\x00" not in value:
        return value
    return value.replace("\x00", "").encode("utf-8", "ignore").decode()


class CleanText(sa.types.TypeDecorator[str]):
    """Text that any database takes: NUL characters, which PostgreSQL refuses, and halves of surrogate pairs are dropped.

    With `chars_max` longer text is cut off there: what an index holds must not be able to make a write impossible.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, chars_max: int | None = None) -> None:
        super().__init__()
        self.chars_max = chars_max

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """The text without what cannot be stored."""
        return clean_text(value, self.chars_max)

    def process_literal_param(self, value: str | None, dialect: sa.Dialect) -> str:
        """As for a bound parameter."""
        return self.process_bind_param(value, dialect) or ""


class JsonText(sa.types.TypeDecorator[Any]):
    """A value of plain lists, dicts, strings and numbers, written as JSON text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: sa.Dialect) -> str | None:
        """The JSON text."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        """The value back."""
        return None if value is None else msgspec.json.decode(value)


def _text(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[str]:
    return sa.Column(
        name, CleanText(ID_CHARS_MAX) if key else CleanText(), primary_key=key, nullable=optional and not key
    )


def _id(name: str, *, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, CleanText(ID_CHARS_MAX), nullable=optional)


def _handle(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, CleanText(HANDLE_CHARS_MAX), primary_key=key, nullable=optional and not key)


def _ms(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=optional and not key, autoincrement=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _json(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, JsonText, nullable=optional)


positions = positions_table(metadata, "agent_positions")

# One row. Every transaction that writes the view locks it first, so frames get their numbers in the order in which they become visible.
# `epoch` is new for every new database: a cursor of another one is recognised.
view_state = sa.Table(
    "agent_view_state",
    metadata,
    _ms("id", key=True),
    _text("epoch"),
    _ms("frame_seq"),
    _ms("pruned_seq"),
)

queues = sa.Table(
    "agent_queues",
    metadata,
    _text("pool", key=True),
    _text("queue", key=True),
    _json("skills"),
    _ms("target_ms", optional=True),
    _ms("priority"),
    _ms("offer_timeout_ms"),
    _ms("wrap_up_ms"),
    # Whether agents may take a waiting contact by name.
    _flag("pull"),
    _flag("active"),
    # Whether it changed since supervisors were last told, and when that was.
    _flag("changed"),
    _ms("announced_ms"),
    # What the router said last of how fast it moves on.
    _ms("step_us", optional=True),
    _ms("patience_us", optional=True),
    _ms("opens_ms", optional=True),
    _flag("drained"),
    _id("draining_to", optional=True),
)

agents = sa.Table(
    "agent_agents",
    metadata,
    _text("agent_id", key=True),
    _id("pool"),
    _text("name"),
    _text("role"),
    _json("skills"),
    _json("capacity"),
    # How much all contacts together may use (NULL: not counted), and what one of each channel uses: at hand, and held.
    _ms("units", optional=True),
    _json("unit_costs", optional=True),
    _flag("active"),
    _text("presence"),
    _ms("presence_ms"),
    sa.Index("agent_agents_pool", "pool", "agent_id"),
)

contacts = sa.Table(
    "agent_contacts",
    metadata,
    _text("contact_id", key=True),
    _id("pool"),
    _id("queue"),
    _id("channel"),
    _id("account"),
    _id("thread_id"),
    _handle("handle"),
    _id("customer_id", optional=True),
    _id("state"),
    _id("agent_id", optional=True),
    _id("offer_id", optional=True),
    _id("offered_to", optional=True),
    _ms("priority"),
    _json("skills"),
    _text("subject", optional=True),
    _text("preview"),
    _text("language", optional=True),
    _ms("received_ms"),
    _ms("due_ms"),
    _ms("queued_ms"),
    _ms("assigned_ms", optional=True),
    # The first assignment, which later ones do not change: what reports call answered.
    _ms("answered_ms", optional=True),
    _id("answered_by", optional=True),
    _ms("wrap_up_until_ms", optional=True),
    _ms("resolved_ms", optional=True),
    _text("disposition", optional=True),
    _text("summary", optional=True),
    _ms("transfers"),
    _json("consults", optional=True),
    _json("alternatives", optional=True),
    # Why somebody should look at it, see `ContactRow`.
    _json("flag", optional=True),
    _json("callback", optional=True),
    _flag("called_back"),
    _id("merged_into", optional=True),
    _ms("resumable_until_ms", optional=True),
    sa.Index("agent_contacts_order", "received_ms", "contact_id"),
    sa.Index("agent_contacts_pool", "pool", "state", "queue"),
    sa.Index("agent_contacts_agent", "agent_id", "state"),
    sa.Index("agent_contacts_offered", "offered_to"),
    sa.Index("agent_contacts_customer", "customer_id"),
    sa.Index("agent_contacts_answered", "pool", "queue", "answered_ms"),
    sa.Index("agent_contacts_received", "pool", "received_ms"),
    sa.Index("agent_contacts_consults", "consults"),
    sa.Index("agent_contacts_merged", "merged_into"),
    sa.Index("agent_contacts_resumable", "resumable_until_ms"),
)

offers = sa.Table(
    "agent_offers",
    metadata,
    _text("offer_id", key=True),
    _id("contact_id"),
    _id("agent_id"),
    _id("pool"),
    _id("state"),
    _ms("made_ms"),
    _ms("expires_ms"),
    _json("reason"),
    _ms("closed_ms", optional=True),
    sa.Index("agent_offers_agent", "agent_id", "state"),
    sa.Index("agent_offers_contact", "contact_id"),
)

messages = sa.Table(
    "agent_messages",
    metadata,
    _text("message_id", key=True),
    _id("contact_id", optional=True),
    _text("direction"),
    _id("thread_id"),
    _id("account"),
    _id("channel"),
    _handle("handle"),
    _json("handles"),
    _text("name", optional=True),
    _id("agent_id", optional=True),
    _ms("at_ms"),
    # Where the log has it: providers tell the time in whole seconds, the log tells what came first within one.
    _text("entry_id"),
    _text("subject", optional=True),
    _text("text"),
    _text("language", optional=True),
    _json("attributes"),
    _json("attachments"),
    _flag("automatic"),
    _text("email_message_id", optional=True),
    _json("email_references"),
    # Outbound alone: how far it came, and what the provider calls it.
    _text("status"),
    _text("failure", optional=True),
    _handle("provider_id", optional=True),
    # False while (or because) the record with the content was not read: the facts know of the message, its text is not there.
    _flag("content_known"),
    sa.Index("agent_messages_contact", "contact_id", "at_ms", "entry_id"),
    sa.Index("agent_messages_provider", "account", "provider_id"),
)

attachments = sa.Table(
    "agent_attachments",
    metadata,
    _text("attachment_id", key=True),
    _text("message_id", key=True),
    sa.Index("agent_attachments_message", "message_id"),
)

# What a provider said about a message that it names by its own id, before we knew which of ours that is.
receipts = sa.Table(
    "agent_receipts",
    metadata,
    _text("account", key=True),
    _handle("provider_id", key=True),
    _text("status"),
    _text("failure", optional=True),
    _ms("at_ms"),
)

notes = sa.Table(
    "agent_notes",
    metadata,
    _text("note_id", key=True),
    _id("contact_id"),
    _id("agent_id"),
    _text("text"),
    _ms("at_ms"),
    _flag("added"),
    sa.Index("agent_notes_contact", "contact_id"),
)

customers = sa.Table(
    "agent_customers",
    metadata,
    _text("customer_id", key=True),
    _text("name", optional=True),
    _json("attributes"),
    _ms("first_seen_ms"),
    _ms("last_seen_ms"),
    # Name and handles in lower case, one a line: what a search looks through.
    _text("search"),
    sa.Index("agent_customers_order", "last_seen_ms", "customer_id"),
)

handles = sa.Table(
    "agent_handles",
    metadata,
    _handle("handle", key=True),
    _id("customer_id"),
    _ms("first_seen_ms"),
    _text("bounced", optional=True),
    sa.Index("agent_handles_customer", "customer_id"),
)

# `entry_id` is the place of the record on the log, so that reading it again writes the same row.
timeline = sa.Table(
    "agent_timeline",
    metadata,
    _text("entry_id", key=True),
    _id("contact_id"),
    _ms("at_ms"),
    _text("type"),
    _id("agent_id", optional=True),
    _json("body"),
    sa.Index("agent_timeline_contact", "contact_id", "at_ms", "entry_id"),
)

# `body` is the whole frame as it goes out. It is for the agent `agent_id` (where there is one) and the pool's supervisors.
frames = sa.Table(
    "agent_frames",
    metadata,
    _ms("seq", key=True),
    _id("pool"),
    _id("agent_id", optional=True),
    _text("type"),
    _ms("at_ms"),
    _text("body"),
    sa.Index("agent_frames_at", "at_ms"),
)

commands = sa.Table(
    "agent_commands",
    metadata,
    _text("command_id", key=True),
    _text("principal"),
    _text("kind"),
    # Of what was asked, to tell a retry from a different wish under the same key. NULL where only the log knows of the command.
    _text("digest", optional=True),
    _id("state"),
    _text("reason", optional=True),
    _text("detail", optional=True),
    _json("answer", optional=True),
    _ms("asked_ms"),
    _ms("decided_ms", optional=True),
    sa.Index("agent_commands_asked", "asked_ms"),
)

throughput = sa.Table(
    "agent_throughput",
    metadata,
    _ms("minute_ms", key=True),
    _text("pool", key=True),
    _text("queue", key=True),
    _text("channel", key=True),
    _ms("received"),
    _ms("assigned"),
    _ms("resolved"),
    _ms("abandoned"),
    _ms("cancelled"),
)

credentials = sa.Table(
    "agent_credentials",
    metadata,
    _text("agent_id", key=True),
    _text("password_hash"),
    _ms("changed_ms"),
)

# A ticket opens one stream once. Its digest is kept, not itself.
stream_tickets = sa.Table(
    "agent_stream_tickets",
    metadata,
    _text("digest", key=True),
    _id("agent_id"),
    _text("role"),
    _ms("expires_ms"),
)
