"""A customer's message as every channel adapter hands it over: the same shape whatever the provider sent."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Channel(StrEnum):
    """The channels that an account can be of."""

    EMAIL = "email"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    MESSENGER = "messenger"
    INSTAGRAM = "instagram"
    TELEGRAM = "telegram"
    WEBCHAT = "webchat"
    WEBFORM = "webform"
    VOICE = "voice"
    API = "api"


class Attachment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that came with a message or goes out with one. Its bytes are in the blob store under `id`.

    Where the provider sent only a reference, `remote` holds it, and the bytes arrive in the blob store later under the same id.
    """

    id: str
    name: str
    content_type: str
    size_bytes: int | None = None
    remote: str | None = None


class Letter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of a message goes with its contact into another pool: what readers of facts want to know, and nothing of what it says.

    `correlation_id`: that of the request by which the message came in, empty: not known.
    """

    message_id: str
    account: str
    handles: tuple[str, ...] = ()
    name: str | None = None
    subject: str | None = None
    language: str | None = None
    email_message_id: str | None = None
    email_references: tuple[str, ...] = ()
    automatic: bool = False
    correlation_id: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One utterance of a customer.

    `handle` is the customer's address on this channel as a URI; `handles` are all addresses known from the message, this one
    included (a form may give a phone and a mail address). `occurred_ms` is the provider's time of the event where it gives one,
    `received_ms` is when ingest took it. `text` is never None: a message without text has an empty one.
    """

    id: str
    thread_id: str
    account: str
    channel: str
    provider_id: str
    handle: str
    received_ms: int
    occurred_ms: int | None = None
    handles: tuple[str, ...] = ()
    name: str | None = None
    subject: str | None = None
    text: str = ""
    language: str | None = None
    attachments: tuple[Attachment, ...] = ()
    attributes: dict[str, str] = {}
    # E-mail alone: what a reply's headers need, and whether a machine wrote it (RFC 3834), so that no answer loops.
    email_message_id: str | None = None
    email_references: tuple[str, ...] = ()
    automatic: bool = False
