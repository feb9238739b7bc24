"""Folds what becomes of contacts that go from pool to pool. No I/O. Called by `view_routing`.

The pools' facts have no common order: those of the pool that has a contact now may be read before those of the one that forwarded it. What
an earlier pool says late is written into the history and changes nothing else; it fills in what is not known.
"""

from __future__ import annotations

from typing import Any, Final

from libs.common.events import routing
from services.agent_api.store.rows import ContactRow
from services.agent_api.store.workset import Workset
from services.agent_api.view_frames import TIMELINE_TYPES, count, note_down, preview_of, tell_update, touch_queue
from services.agent_api.view_messages import attach

_BLANKS: Final = ("channel", "account", "thread_id", "handle", "subject", "language")
# Their folds bear with the contact being elsewhere, or it is not the contact that they are about.
_ANYWHERE: Final = (routing.ContactQueued, routing.NoteAdded)


def is_late(rows: Workset, fact: routing.PoolFact) -> bool:
    """Whether a fact is about a contact that another pool has by now."""
    contact_id = getattr(fact, "contact_id", None)
    contact = None if contact_id is None else rows.contacts.get(contact_id)
    return contact is not None and contact.pool != fact.pool and not isinstance(fact, _ANYWHERE)


def note_late(rows: Workset, fact: Any, entry_id: str) -> None:
    """A fact of a pool that has forwarded its contact since."""
    entry_type = str(type(fact).__struct_config__.tag).removeprefix("centralino.").removesuffix(".v1")
    if entry_type in TIMELINE_TYPES:
        about, _, what = entry_type.partition(".")
        agent_id = getattr(fact, "agent_id", None)
        note_down(rows, entry_id, fact.contact_id, f"{about}.{what}", at_ms=fact.at_ms, agent_id=agent_id)


def is_elsewhere(rows: Workset, fact: routing.ContactQueued) -> bool:
    """Whether the contact that waits by this fact is known already: it came from another pool, or has gone to one."""
    known = rows.contacts.get(fact.contact_id)
    return known is not None and (known.pool != fact.pool or bool(fact.passed))


def queue_elsewhere(rows: Workset, fact: routing.ContactQueued, entry_id: str) -> None:
    """A known contact waits in another pool, or waited in one before it went on."""
    contact = rows.contacts.change(fact.contact_id)
    _fill_in(rows, contact, fact)
    note_down(
        rows,
        entry_id,
        contact.contact_id,
        "contact.queued",
        at_ms=fact.at_ms,
        queue=fact.queue,
        queue_asked=fact.queue_asked,
        pool=fact.pool,
    )
    if contact.pool not in (fact.pool, *fact.passed):
        return  # It has gone further than to the pool of this fact.
    contact.pool = fact.pool
    contact.queue = fact.queue
    contact.state = "queued"
    contact.priority = fact.priority
    contact.skills = dict(fact.skills)
    contact.alternatives = list(fact.alternatives) or None
    contact.due_ms = fact.due_ms
    contact.queued_ms = fact.at_ms
    count(rows, contact, "received", at_ms=fact.at_ms)
    touch_queue(rows, contact)
    tell_update(rows, contact, "queued", at_ms=fact.at_ms)


def _fill_in(rows: Workset, contact: ContactRow, fact: routing.ContactQueued) -> None:
    for name in _BLANKS:
        if not getattr(contact, name):
            setattr(contact, name, getattr(fact, name))
    if fact.message_id:
        message = attach(rows, fact.message_id, fact.contact_id)
        if message is not None and not contact.preview:
            contact.preview = preview_of(message)
    if not fact.passed:
        contact.received_ms = fact.received_ms
