"""The first tables of the view, and the row that all its writers lock."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _create_agents() -> None:
    op.create_table(
        "agent_agents",
        sa.Column("agent_id", sa.Text(), primary_key=True),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("skills", sa.Text(), nullable=False),
        sa.Column("capacity", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("presence", sa.Text(), nullable=False),
        sa.Column("presence_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("agent_agents_pool", "agent_agents", ["pool", "agent_id"])


def _create_attachments() -> None:
    op.create_table(
        "agent_attachments",
        sa.Column("attachment_id", sa.Text(), primary_key=True),
        sa.Column("message_id", sa.Text(), primary_key=True),
    )
    op.create_index("agent_attachments_message", "agent_attachments", ["message_id"])


def _create_commands() -> None:
    op.create_table(
        "agent_commands",
        sa.Column("command_id", sa.Text(), primary_key=True),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
    )
    op.create_index("agent_commands_asked", "agent_commands", ["asked_ms"])


def _create_contacts() -> None:
    op.create_table(
        "agent_contacts",
        sa.Column("contact_id", sa.Text(), primary_key=True),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("offer_id", sa.Text(), nullable=True),
        sa.Column("offered_to", sa.Text(), nullable=True),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("skills", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("preview", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("queued_ms", sa.BigInteger(), nullable=False),
        sa.Column("assigned_ms", sa.BigInteger(), nullable=True),
        sa.Column("answered_ms", sa.BigInteger(), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("wrap_up_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("resolved_ms", sa.BigInteger(), nullable=True),
        sa.Column("disposition", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("transfers", sa.BigInteger(), nullable=False),
    )
    op.create_index("agent_contacts_agent", "agent_contacts", ["agent_id", "state"])
    op.create_index("agent_contacts_answered", "agent_contacts", ["pool", "queue", "answered_ms"])
    op.create_index("agent_contacts_customer", "agent_contacts", ["customer_id"])
    op.create_index("agent_contacts_offered", "agent_contacts", ["offered_to"])
    op.create_index("agent_contacts_order", "agent_contacts", ["received_ms", "contact_id"])
    op.create_index("agent_contacts_pool", "agent_contacts", ["pool", "state", "queue"])
    op.create_index("agent_contacts_received", "agent_contacts", ["pool", "received_ms"])


def _create_credentials() -> None:
    op.create_table(
        "agent_credentials",
        sa.Column("agent_id", sa.Text(), primary_key=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
    )


def _create_customers() -> None:
    op.create_table(
        "agent_customers",
        sa.Column("customer_id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
    )
    op.create_index("agent_customers_order", "agent_customers", ["last_seen_ms", "customer_id"])


def _create_frames() -> None:
    op.create_table(
        "agent_frames",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_index("agent_frames_at", "agent_frames", ["at_ms"])


def _create_handles() -> None:
    op.create_table(
        "agent_handles",
        sa.Column("handle", sa.Text(), primary_key=True),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("bounced", sa.Text(), nullable=True),
    )
    op.create_index("agent_handles_customer", "agent_handles", ["customer_id"])


def _create_messages() -> None:
    op.create_table(
        "agent_messages",
        sa.Column("message_id", sa.Text(), primary_key=True),
        sa.Column("contact_id", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("handles", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("attachments", sa.Text(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("email_message_id", sa.Text(), nullable=True),
        sa.Column("email_references", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("content_known", sa.Boolean(), nullable=False),
    )
    op.create_index("agent_messages_contact", "agent_messages", ["contact_id", "at_ms", "message_id"])
    op.create_index("agent_messages_provider", "agent_messages", ["account", "provider_id"])


def _create_notes() -> None:
    op.create_table(
        "agent_notes",
        sa.Column("note_id", sa.Text(), primary_key=True),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.Boolean(), nullable=False),
    )
    op.create_index("agent_notes_contact", "agent_notes", ["contact_id"])


def _create_offers() -> None:
    op.create_table(
        "agent_offers",
        sa.Column("offer_id", sa.Text(), primary_key=True),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
    )
    op.create_index("agent_offers_agent", "agent_offers", ["agent_id", "state"])
    op.create_index("agent_offers_contact", "agent_offers", ["contact_id"])


def _create_positions() -> None:
    op.create_table(
        "agent_positions",
        sa.Column("stream", sa.String(100), primary_key=True),
        sa.Column("partition", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=True),
    )


def _create_queues() -> None:
    op.create_table(
        "agent_queues",
        sa.Column("pool", sa.Text(), primary_key=True),
        sa.Column("queue", sa.Text(), primary_key=True),
        sa.Column("skills", sa.Text(), nullable=False),
        sa.Column("target_ms", sa.BigInteger(), nullable=True),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("offer_timeout_ms", sa.BigInteger(), nullable=False),
        sa.Column("wrap_up_ms", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.Column("announced_ms", sa.BigInteger(), nullable=False),
    )


def _create_receipts() -> None:
    op.create_table(
        "agent_receipts",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("provider_id", sa.Text(), primary_key=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )


def _create_stream_tickets() -> None:
    op.create_table(
        "agent_stream_tickets",
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
    )


def _create_throughput() -> None:
    op.create_table(
        "agent_throughput",
        sa.Column("minute_ms", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("pool", sa.Text(), primary_key=True),
        sa.Column("queue", sa.Text(), primary_key=True),
        sa.Column("channel", sa.Text(), primary_key=True),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("assigned", sa.BigInteger(), nullable=False),
        sa.Column("resolved", sa.BigInteger(), nullable=False),
    )


def _create_timeline() -> None:
    op.create_table(
        "agent_timeline",
        sa.Column("entry_id", sa.Text(), primary_key=True),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_index("agent_timeline_contact", "agent_timeline", ["contact_id", "at_ms", "entry_id"])


def _create_view_state() -> None:
    op.create_table(
        "agent_view_state",
        sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("frame_seq", sa.BigInteger(), nullable=False),
        sa.Column("pruned_seq", sa.BigInteger(), nullable=False),
    )


def upgrade() -> None:
    """Make every table; the view begins empty and is folded from the log."""
    for create in (
        _create_agents,
        _create_attachments,
        _create_commands,
        _create_contacts,
        _create_credentials,
        _create_customers,
        _create_frames,
        _create_handles,
        _create_messages,
        _create_notes,
        _create_offers,
        _create_positions,
        _create_queues,
        _create_receipts,
        _create_stream_tickets,
        _create_throughput,
        _create_timeline,
        _create_view_state,
    ):
        create()
    epoch = secrets.token_hex(6)
    state = sa.table(
        "agent_view_state", sa.column("id"), sa.column("epoch"), sa.column("frame_seq"), sa.column("pruned_seq")
    )
    op.bulk_insert(state, [{"id": 1, "epoch": epoch, "frame_seq": 0, "pruned_seq": 0}])


def downgrade() -> None:
    """Drop everything; it can be folded from the log again, except passwords."""
    op.drop_table("agent_view_state")
    op.drop_table("agent_timeline")
    op.drop_table("agent_throughput")
    op.drop_table("agent_stream_tickets")
    op.drop_table("agent_receipts")
    op.drop_table("agent_queues")
    op.drop_table("agent_positions")
    op.drop_table("agent_offers")
    op.drop_table("agent_notes")
    op.drop_table("agent_messages")
    op.drop_table("agent_handles")
    op.drop_table("agent_frames")
    op.drop_table("agent_customers")
    op.drop_table("agent_credentials")
    op.drop_table("agent_contacts")
    op.drop_table("agent_commands")
    op.drop_table("agent_attachments")
    op.drop_table("agent_agents")
