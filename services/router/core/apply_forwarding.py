"""Folding what goes to other pools and what comes back of it: contacts, messages of their threads, and the word that they are over.

What another pool is to be told waits in the outbox until it is known to stand in that pool's inputs, so that no crash loses it; that pool
takes each of it once. Called by `apply` alone, which checks pool and time, and by the folds of contacts that end.
"""

from __future__ import annotations

from typing import Final

from libs.common.events.inputs import ContactHandedOver, CustomerLeft, ForwardedContactEnded, MessageHandedOver
from libs.common.events.message import Letter
from libs.common.events.routing import (
    ContactForwarded,
    ContactQueued,
    ForwardEnded,
    HandoversDelivered,
    LeavingForwarded,
    MessageForwarded,
)
from services.router.core import limits
from services.router.core.apply_shared import contact_of, release
from services.router.core.entities import Contact, Forwarding
from services.router.core.model import PoolState
from services.router.core.transitions import IllegalFactError

_FIELDS: Final = frozenset(ContactHandedOver.__struct_fields__)
_MESSAGE_FIELDS: Final = frozenset(MessageHandedOver.__struct_fields__)


def letter_of(fact: ContactQueued) -> Letter | None:
    """What of a contact's message would go with it into another pool."""
    if not fact.message_id:
        return None
    return Letter(
        message_id=fact.message_id,
        account=fact.account,
        handles=fact.handles,
        name=fact.name,
        subject=fact.subject,
        language=fact.language,
        email_message_id=fact.email_message_id,
        email_references=fact.email_references,
        automatic=fact.automatic,
        correlation_id=fact.correlation_id,
    )


def fold_forward(state: PoolState, fact: ContactForwarded) -> None:
    """The contact leaves the pool, which remembers where it went."""
    contact = contact_of(state, fact, None)
    release(state, contact, None, fact.at_ms)
    state.requests.forget(contact.id)
    forget_forwarded(state, contact.thread_id)
    if len(state.forwarded) >= limits.FORWARDED_MAX:
        forget_forwarded(state, next(iter(state.forwarded)))
    state.forwarded[contact.thread_id] = Forwarding(contact.id, fact.to_pool, fact.queue)
    state.forwarded_threads[contact.id] = contact.thread_id
    fields = {name: getattr(fact, name) for name in _FIELDS if name != "pool"}
    state.outbox[contact.id] = ContactHandedOver(pool=fact.to_pool, **fields)


def forget_forwarded(state: PoolState, thread_id: str) -> None:
    """Messages of this thread are the pool's own again."""
    forwarding = state.forwarded.pop(thread_id, None)
    if forwarding is not None:
        del state.forwarded_threads[forwarding.contact_id]


def fold_forward_message(state: PoolState, fact: MessageForwarded) -> None:
    """A message follows its contact."""
    fields = {name: getattr(fact, name) for name in _MESSAGE_FIELDS if name != "pool"}
    state.outbox[fact.message_id] = MessageHandedOver(pool=fact.to_pool, **fields)
    state.messages.add(fact.message_id, max(state.now_ms, fact.at_ms))


def fold_forward_leaving(state: PoolState, fact: LeavingForwarded) -> None:
    """That its customer left follows a contact."""
    # Who left may want no call afterwards: neither is to stand for the other while both wait to be told.
    key = f"declined:{fact.contact_id}" if fact.declines_callback else f"left:{fact.contact_id}"
    state.outbox[key] = CustomerLeft(
        pool=fact.to_pool,
        contact_id=fact.contact_id,
        declines_callback=fact.declines_callback,
        correlation_id=fact.correlation_id,
    )


def fold_forward_end(state: PoolState, fact: ForwardEnded) -> None:
    """A contact that was forwarded is over."""
    if state.forwarded_threads.get(fact.contact_id) != fact.thread_id:
        raise IllegalFactError(f"contact {fact.contact_id} is not forwarded")
    forget_forwarded(state, fact.thread_id)


def fold_deliver(state: PoolState, fact: HandoversDelivered) -> None:
    """Other pools have what was for them."""
    for handover_id in fact.ids:
        if handover_id not in state.outbox:
            raise IllegalFactError(f"{handover_id} is not in the outbox")
    for handover_id in fact.ids:
        del state.outbox[handover_id]


def end_contact(state: PoolState, contact: Contact, at_ms: int) -> None:
    """The contact leaves the pool for good. Those that forwarded it are to know."""
    release(state, contact, None, at_ms)
    state.requests.forget(contact.id)
    state.resolved.add(contact.id, max(state.now_ms, at_ms))
    for pool in contact.passed:
        ended = ForwardedContactEnded(pool=pool, contact_id=contact.id, thread_id=contact.thread_id)
        state.outbox[f"ended:{contact.id}:{pool}"] = ended
