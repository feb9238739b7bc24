"""Rows as the public contract shows them: plain dictionaries, the same in answers and in frames.

Called by routes, by the stream and by the folding code. It reads nothing and decides nothing.
"""

from __future__ import annotations

from typing import Any, Final

from libs.common.clock import rfc3339
from services.agent_api.store.rows import (
    AgentRow,
    ContactRow,
    CustomerRow,
    MessageRow,
    NoteRow,
    OfferRow,
    QueueRow,
    TimelineRow,
)

LIGHTS: Final = {
    "queued": "red",
    "scheduled": "red",
    "offered": "red",
    "active": "yellow",
    "held": "yellow",
    "wrap_up": "yellow",
    "resolved": "green",
    "abandoned": "green",
    "cancelled": "green",
    "merged": "green",
}


def time_or_none(time_ms: int | None) -> str | None:
    """A time as the contract writes it."""
    return None if time_ms is None else rfc3339(time_ms)


def contact_body(contact: ContactRow, customer: CustomerRow | None) -> dict[str, Any]:
    """A contact with its customer's id, name and the handle that it came from."""
    name = None if customer is None else customer.name
    return {
        "id": contact.contact_id,
        "state": contact.state,
        "light": LIGHTS[contact.state],
        "pool": contact.pool,
        "queue": contact.queue,
        "channel": contact.channel,
        "account": contact.account,
        "customer": {"id": contact.customer_id, "name": name, "handle": contact.handle},
        "agent": contact.agent_id,
        "priority": contact.priority,
        "skills": contact.skills,
        "alternatives": contact.alternatives or [],
        "flag": contact.flag,
        "subject": contact.subject,
        "preview": contact.preview,
        "language": contact.language,
        "received_at": rfc3339(contact.received_ms),
        "due_at": rfc3339(contact.due_ms),
        "queued_at": rfc3339(contact.queued_ms),
        "assigned_at": time_or_none(contact.assigned_ms),
        "wrap_up_until": time_or_none(contact.wrap_up_until_ms),
        "resolved_at": time_or_none(contact.resolved_ms),
        "disposition": contact.disposition,
        "summary": contact.summary,
        "transfers": contact.transfers,
        "consults": contact.consults or [],
        "callback": callback_body(contact),
        "merged_into": contact.merged_into,
        "resumable_until": time_or_none(contact.resumable_until_ms),
        "tags": [],
        "satisfaction": None,
    }


def callback_body(contact: ContactRow) -> dict[str, Any] | None:
    """Where and from when on the customer of a contact is to be called, and how often that failed; None where that is not so."""
    callback = contact.callback
    if callback is None:
        return None
    return {
        "handle": callback["handle"],
        "not_before": rfc3339(callback["not_before_ms"]),
        "attempts": callback["attempts"],
    }


def offer_body(offer: OfferRow, contact: dict[str, Any]) -> dict[str, Any]:
    """An open offer with the contact that is offered, the agent who may take it, and why it is this agent."""
    return {
        "id": offer.offer_id,
        "agent": offer.agent_id,
        "contact": contact,
        "expires_at": rfc3339(offer.expires_ms),
        "reason": offer.reason,
    }


def message_body(message: MessageRow) -> dict[str, Any]:
    """A message. `text` is null where its content could not be read."""
    return {
        "id": message.message_id,
        "contact_id": message.contact_id,
        "direction": message.direction,
        "at": rfc3339(message.at_ms),
        "handle": message.handle,
        "name": message.name,
        "agent": message.agent_id,
        "subject": message.subject,
        "text": message.text if message.content_known else None,
        "language": message.language,
        "status": message.status,
        "failure": message.failure,
        "automatic": message.automatic,
        "attachments": [
            {
                "id": item["id"],
                "name": item["name"],
                "content_type": item["content_type"],
                "size_bytes": item.get("size_bytes"),
                "url": f"/v1/attachments/{item['id']}",
            }
            for item in message.attachments
        ],
    }


def note_body(note: NoteRow) -> dict[str, Any]:
    """A note."""
    return {
        "id": note.note_id,
        "contact_id": note.contact_id,
        "agent": note.agent_id,
        "at": rfc3339(note.at_ms),
        "text": note.text,
    }


def drain_body(queue: QueueRow) -> dict[str, Any]:
    """Whether a queue is let run empty, and into which one."""
    return {"pool": queue.pool, "id": queue.queue, "drained": queue.drained, "draining_to": queue.draining_to}


def presence_body(agent: AgentRow) -> dict[str, Any]:
    """An agent's presence and since when it is so."""
    return {"agent": agent.agent_id, "presence": agent.presence, "since": rfc3339(agent.presence_ms)}


def timeline_body(entry: TimelineRow) -> dict[str, Any]:
    """An entry of a contact's history."""
    return {
        "id": entry.entry_id,
        "at": rfc3339(entry.at_ms),
        "type": entry.type,
        "agent": entry.agent_id,
        "data": entry.body,
    }
