"""Folding a contact's way apart from its offers. Called by `apply` alone, which checks pool and time."""

from __future__ import annotations

from msgspec.structs import replace

from libs.common.events.routing import ContactQueued, ContactRequeued, ContactResolved, MessageJoined, WrapUpStarted
from services.router.core.apply_shared import contact_of, release
from services.router.core.entities import Contact, WrapUp
from services.router.core.model import PoolState
from services.router.core.transitions import ContactState, IllegalFactError, next_state


def fold_queue(state: PoolState, fact: ContactQueued) -> None:
    """A contact waits."""
    known = state.contacts.get(fact.contact_id)
    queued = next_state(None if known is None else known.state, ContactQueued, fact.contact_id)
    if fact.thread_id in state.index.threads:
        raise IllegalFactError(f"thread {fact.thread_id} has an open contact")
    contact = Contact(
        id=fact.contact_id,
        thread_id=fact.thread_id,
        channel=fact.channel,
        queue=fact.queue,
        skills=tuple(sorted(fact.skills.items())),
        priority=fact.priority,
        received_ms=fact.received_ms,
        due_ms=fact.due_ms,
        sequence=state.arrivals + 1,
        offer_timeout_ms=fact.offer_timeout_ms,
        state=queued,
        alternatives=tuple([tuple(sorted(skills.items())) for skills in fact.alternatives]),
        only_agent=fact.preferred_agent,
        only_until_ms=fact.preferred_until_ms,
        handle=fact.handle,
    )
    state.arrivals += 1
    state.contacts[contact.id] = contact
    state.index.add_contact(contact)
    state.messages.add(fact.message_id, max(state.now_ms, fact.at_ms))


def fold_join(state: PoolState, fact: MessageJoined) -> None:
    """A message belongs to a contact that is there."""
    contact = state.contacts.get(fact.contact_id)
    next_state(None if contact is None else contact.state, MessageJoined, fact.contact_id)
    state.messages.add(fact.message_id, max(state.now_ms, fact.at_ms))


def fold_requeue(state: PoolState, fact: ContactRequeued) -> None:
    """An agent's contact waits again."""
    contact = contact_of(state, fact, fact.agent_id)
    release(state, contact, replace(contact, state=ContactState.QUEUED, agent_id=None), fact.at_ms)


def fold_wrap_up(state: PoolState, fact: WrapUpStarted) -> None:
    """The agent finishes up."""
    contact = contact_of(state, fact, fact.agent_id)
    wrap_up = WrapUp(fact.until_ms, fact.disposition, fact.summary, fact.follow_up)
    state.contacts[contact.id] = replace(contact, state=ContactState.WRAP_UP, wrap_up=wrap_up)
    state.index.start_wrap_up(contact, fact.until_ms)


def fold_resolve(state: PoolState, fact: ContactResolved) -> None:
    """The contact leaves the pool."""
    contact = contact_of(state, fact, fact.agent_id)
    release(state, contact, None, fact.at_ms)
    state.resolved.add(contact.id, max(state.now_ms, fact.at_ms))
