"""Identifiers: what they look like, and how those that must come out the same twice are derived.

A message's and a contact's id follow from what the provider calls the message, so that a second delivery names the same
thing on any machine. Ids that only need to be new carry random bits.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b32encode
from typing import NewType

PoolId = NewType("PoolId", str)
QueueId = NewType("QueueId", str)
AgentId = NewType("AgentId", str)
AccountId = NewType("AccountId", str)
SkillId = NewType("SkillId", str)
ContactId = NewType("ContactId", str)
MessageId = NewType("MessageId", str)
ThreadId = NewType("ThreadId", str)
OfferId = NewType("OfferId", str)
CustomerId = NewType("CustomerId", str)
CommandId = NewType("CommandId", str)

_DERIVED_BYTES = 15  # 120 bits: 24 base-32 characters without padding.


def _derive(prefix: str, *parts: str) -> str:
    # Each part carries its length, so that no two different lists of parts read the same.
    digest = hashlib.sha256()
    for part in (prefix, *parts):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return f"{prefix}_{b32encode(digest.digest()[:_DERIVED_BYTES]).decode().lower()}"


def message_id(scope: str, provider_id: str) -> MessageId:
    """The id of an inbound message: `scope` is the account, or `rfc5322` where the provider id is unique in the world."""
    return MessageId(_derive("msg", scope, provider_id))


def contact_id(first_message: MessageId) -> ContactId:
    """The id of the contact that this message opens, where it opens one."""
    return ContactId(_derive("con", first_message))


def thread_id(account: str, handle: str) -> ThreadId:
    """The thread of one customer on one account."""
    return ThreadId(_derive("thr", account, handle))


def customer_id(handle: str) -> CustomerId:
    """The id of the card that is made when a handle is seen for the first time."""
    return CustomerId(_derive("cus", handle))


def command_id(principal: str, idempotency_key: str) -> CommandId:
    """The same for the same caller and `Idempotency-Key`, so that a retry is the same command."""
    return CommandId(_derive("cmd", principal, idempotency_key))


def outbound_id(command: str) -> MessageId:
    """The id of the message that a command sends: one command, one message."""
    return MessageId(_derive("msg", "outbound", command))


def attachment_id(*parts: str) -> str:
    """The id under which an attachment's bytes are kept: from their digest, or from the provider's reference to them."""
    return _derive("att", *parts)


def new_id(prefix: str) -> str:
    """A new random id, `prefix_` and 120 random bits."""
    return f"{prefix}_{b32encode(secrets.token_bytes(_DERIVED_BYTES)).decode().lower()}"


def automatic_text_id(kind: str, *about: str) -> MessageId:
    """The id of a text that nobody wrote by hand, such as `wait` about a contact: there is one, however often it is asked for."""
    return MessageId(_derive("msg", "automatic", kind, *about))


def mail_effect_id(kind: str, contact: str) -> str:
    """The id of a mail of this kind about a contact: there is one, however often it is asked for."""
    return _derive("fup", kind, contact)
