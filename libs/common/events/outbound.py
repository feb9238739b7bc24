"""`outbound.messages`: what is to go out on a contact's own channel. `delivery.events`: what became of it."""

from __future__ import annotations

import msgspec

from libs.common.events.message import Attachment


class ReplyRequested(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="centralino.reply.requested.v1"
):
    """A message to the customer, an agent's or an automatic one (`agent_id` is then empty). `message_id` is also the effect's id: it is
    sent once.

    `handle` is the customer's address on the account's channel. The e-mail fields make the reply part of the customer's own mail thread.
    """

    message_id: str
    contact_id: str
    thread_id: str
    pool: str
    account: str
    channel: str
    handle: str
    agent_id: str
    requested_ms: int
    text: str
    name: str | None = None
    subject: str | None = None
    attachments: tuple[Attachment, ...] = ()
    email_in_reply_to: str | None = None
    email_references: tuple[str, ...] = ()
    command_id: str | None = None
    automatic: bool = False


AnyOutbound = ReplyRequested


class Delivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every delivery event has: the outbound message it is about and the time."""

    message_id: str
    at_ms: int


class MessageSent(Delivery, frozen=True, kw_only=True, tag="centralino.message.sent.v1"):
    """The provider or mail server took the message."""

    contact_id: str
    thread_id: str
    provider_id: str | None = None


class MessageDelivered(Delivery, frozen=True, kw_only=True, tag="centralino.message.delivered.v1"):
    """The provider says that the customer's device has it. `message_id` is ours where known, else empty with `provider_id`."""

    provider_id: str
    account: str


class MessageRead(Delivery, frozen=True, kw_only=True, tag="centralino.message.read.v1"):
    """The provider says that the customer saw it."""

    provider_id: str
    account: str


class MessageFailed(Delivery, frozen=True, kw_only=True, tag="centralino.message.failed.v1"):
    """It did not go out (`contact_id` known) or the provider reported a failure later. `reason` is for the agent, in plain words."""

    reason: str
    contact_id: str | None = None
    thread_id: str | None = None
    provider_id: str | None = None
    account: str | None = None


class AddressBounced(Delivery, frozen=True, kw_only=True, tag="centralino.address.bounced.v1"):
    """Mail to this handle came back. `permanent`: nothing more is sent there. `message_id` may be empty."""

    handle: str
    permanent: bool
    reason: str


class TextsStopped(Delivery, frozen=True, kw_only=True, tag="centralino.texts.stopped.v1"):
    """The customer wants no automatic texts on this channel any more, by a stop word; `message_id` is the message's."""

    handle: str
    channel: str


class TextsResumed(Delivery, frozen=True, kw_only=True, tag="centralino.texts.resumed.v1"):
    """The customer takes automatic texts on this channel again; `message_id` is the message's."""

    handle: str
    channel: str


AnyDelivery = (
    MessageSent | MessageDelivered | MessageRead | MessageFailed | AddressBounced | TextsStopped | TextsResumed
)
