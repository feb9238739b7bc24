"""Builders of events for tests: every field has a plain value, a test names the ones that it is about.

Times begin at `START_MS`. Nothing here is used outside of tests, the simulation and the demo.
"""

from __future__ import annotations

from typing import Any, Final

from libs.common import ids
from libs.common.events import followup, inputs, outbound, pool, routing
from libs.common.events.message import Attachment, Message

START_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
POOL: Final = "care"
QUEUE: Final = "orders"
ACCOUNT: Final = "support-mail"
AGENT: Final = "anna"
HANDLE: Final = "mailto:luca@example.com"


def an_attachment(**fields: Any) -> Attachment:
    """A small picture."""
    name = fields.get("name", "receipt.png")
    plain = {"id": ids.attachment_id(name), "name": name, "content_type": "image/png", "size_bytes": 1200}
    return Attachment(**{**plain, **fields})


def a_message(number: int = 1, **fields: Any) -> Message:
    """A customer's e-mail; another `number` is another message of another customer, one second later."""
    account = fields.get("account", ACCOUNT)
    handle = fields.get("handle", HANDLE if number == 1 else f"mailto:customer{number}@example.com")
    provider_id = fields.get("provider_id", f"provider-{number}")
    plain = {
        "id": ids.message_id(account, provider_id),
        "thread_id": ids.thread_id(account, handle),
        "account": account,
        "channel": "email",
        "provider_id": provider_id,
        "handle": handle,
        "received_ms": START_MS + number * 1000,
        "handles": (handle,),
        "name": "Luca",
        "subject": "Where is my order?",
        "text": "It was due on Monday.",
    }
    return Message(**{**plain, **fields})


def a_contact_received(number: int = 1, *, message: Message | None = None, **fields: Any) -> inputs.ContactReceived:
    """A classified message; without `message`, `a_message(number)`."""
    message = a_message(number) if message is None else message
    plain = {
        "pool": POOL,
        "message": message,
        "contact_id": ids.contact_id(ids.MessageId(message.id)),
        "queue": QUEUE,
    }
    return inputs.ContactReceived(**{**plain, **fields})


def a_set_presence(agent: str = AGENT, status: str = "available", **fields: Any) -> inputs.SetPresence:
    """The agent changes their own presence."""
    plain = {**_command("presence", agent, status), "target_agent_id": agent, "status": status}
    return inputs.SetPresence(**{**plain, **fields})


def an_accept(offer_id: str, agent: str = AGENT, **fields: Any) -> inputs.AcceptOffer:
    """The agent takes the offer."""
    return inputs.AcceptOffer(**{**_command("accept", agent, offer_id), "offer_id": offer_id, **fields})


def a_reject(offer_id: str, agent: str = AGENT, **fields: Any) -> inputs.RejectOffer:
    """The agent declines the offer."""
    return inputs.RejectOffer(**{**_command("reject", agent, offer_id), "offer_id": offer_id, **fields})


def a_resolve(contact_id: str, agent: str = AGENT, **fields: Any) -> inputs.ResolveContact:
    """The agent is done with the contact."""
    plain = {**_command("resolve", agent, contact_id), "contact_id": contact_id, "disposition": "answered"}
    return inputs.ResolveContact(**{**plain, **fields})


def a_finish_wrap_up(contact_id: str, agent: str = AGENT, **fields: Any) -> inputs.FinishWrapUp:
    """The agent ends the wrap-up early."""
    return inputs.FinishWrapUp(**{**_command("wrap-up", agent, contact_id), "contact_id": contact_id, **fields})


def an_add_note(contact_id: str, agent: str = AGENT, **fields: Any) -> inputs.AddNote:
    """The agent writes an internal note."""
    plain = {
        **_command("note", agent, contact_id),
        "contact_id": contact_id,
        "note_id": "note_1",
        "text": "Called back.",
    }
    return inputs.AddNote(**{**plain, **fields})


def a_time_advanced(now_ms: int, **fields: Any) -> inputs.TimeAdvanced:
    """The time is now `now_ms`."""
    return inputs.TimeAdvanced(**{"pool": POOL, "now_ms": now_ms, **fields})


def a_queue(queue_id: str = QUEUE, **fields: Any) -> pool.QueueConfiguration:
    """A queue with a target of a minute and no skills."""
    return pool.QueueConfiguration(**{"id": queue_id, "target_ms": 60_000, **fields})


def an_agent(agent_id: str = AGENT, **fields: Any) -> pool.AgentConfiguration:
    """An agent with room for one contact per channel."""
    return pool.AgentConfiguration(**{"id": agent_id, "name": agent_id.capitalize(), **fields})


def a_configure_pool(*, version: str = "v1", **fields: Any) -> inputs.ConfigurePool:
    """The pool with one queue and one agent."""
    plain = {"pool": POOL, "version": version, "queues": (a_queue(),), "agents": (an_agent(),)}
    return inputs.ConfigurePool(**{**plain, **fields})


def a_contact_queued(number: int = 1, *, message: Message | None = None, **fields: Any) -> routing.ContactQueued:
    """The fact that follows `a_contact_received` of the same arguments."""
    message = a_message(number) if message is None else message
    plain = {
        "pool": POOL,
        "at_ms": message.received_ms,
        "contact_id": ids.contact_id(ids.MessageId(message.id)),
        "message_id": message.id,
        "thread_id": message.thread_id,
        "account": message.account,
        "channel": message.channel,
        "handle": message.handle,
        "queue": QUEUE,
        "skills": {},
        "priority": 0,
        "received_ms": message.received_ms,
        "due_ms": message.received_ms + 60_000,
        "offer_timeout_ms": 20_000,
        "handles": message.handles,
        "name": message.name,
        "subject": message.subject,
        "language": message.language,
        "email_message_id": message.email_message_id,
        "email_references": message.email_references,
        "automatic": message.automatic,
    }
    return routing.ContactQueued(**{**plain, **fields})


def an_offer_made(contact_id: str, agent: str = AGENT, *, at_ms: int = START_MS, **fields: Any) -> routing.OfferMade:
    """The contact is offered for 20 s."""
    plain = {
        "pool": POOL,
        "at_ms": at_ms,
        "offer_id": f"off_{contact_id}",
        "contact_id": contact_id,
        "agent_id": agent,
        "expires_ms": at_ms + 20_000,
        "reason": routing.OfferReason(rank=1, waited_ms=0, strategy="longest-idle", candidates=1),
    }
    return routing.OfferMade(**{**plain, **fields})


def a_contact_assigned(contact_id: str, agent: str = AGENT, **fields: Any) -> routing.ContactAssigned:
    """The agent has the contact, by the offer of `an_offer_made`."""
    plain = {
        "pool": POOL,
        "at_ms": START_MS,
        "contact_id": contact_id,
        "agent_id": agent,
        "offer_id": f"off_{contact_id}",
    }
    return routing.ContactAssigned(**{**plain, **fields})


def a_contact_resolved(contact_id: str, agent: str = AGENT, **fields: Any) -> routing.ContactResolved:
    """The contact is done and the customer may be asked."""
    plain = {
        "pool": POOL,
        "at_ms": START_MS,
        "contact_id": contact_id,
        "agent_id": agent,
        "queue": QUEUE,
        "channel": "email",
        "disposition": "answered",
    }
    return routing.ContactResolved(**{**plain, **fields})


def a_reply_requested(contact_id: str, *, message: Message | None = None, **fields: Any) -> outbound.ReplyRequested:
    """The agent's answer to `message` (`a_message()`)."""
    message = a_message() if message is None else message
    plain = {
        "message_id": ids.outbound_id(f"reply-{contact_id}"),
        "contact_id": contact_id,
        "thread_id": message.thread_id,
        "pool": POOL,
        "account": message.account,
        "channel": message.channel,
        "handle": message.handle,
        "agent_id": AGENT,
        "requested_ms": START_MS,
        "text": "It is on its way.",
        "subject": message.subject,
    }
    return outbound.ReplyRequested(**{**plain, **fields})


def a_bounce(handle: str = HANDLE, **fields: Any) -> outbound.AddressBounced:
    """Mail to this handle came back for good."""
    plain = {"message_id": "", "at_ms": START_MS, "handle": handle, "permanent": True, "reason": "no such mailbox"}
    return outbound.AddressBounced(**{**plain, **fields})


def a_follow_up_sent(contact_id: str, **fields: Any) -> followup.FollowUpSent:
    """The mail that asks afterwards went out."""
    plain = {
        "effect_id": f"eff_{contact_id}",
        "contact_id": contact_id,
        "kind": followup.MailKind.FOLLOW_UP.value,
        "at_ms": START_MS,
        "email_message_id": f"<eff_{contact_id}@shop.example>",
    }
    return followup.FollowUpSent(**{**plain, **fields})


def _command(kind: str, agent: str, subject: str) -> dict[str, Any]:
    return {"pool": POOL, "command_id": ids.command_id(agent, f"{kind} {subject}"), "agent_id": agent}
