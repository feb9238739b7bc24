"""Folding what becomes of contacts by their waiting: they are moved, their customers told. Called by `apply` alone, which checks pool and
time.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from libs.common.events.routing import ContactMoved, CustomerNotice
from services.router.core.apply_shared import alternatives_of, contact_of, rearrange
from services.router.core.model import PoolState
from services.router.core.terms import WAITED
from services.router.core.transitions import ContactState, IllegalFactError

_OVERFLOW: Final = "overflow"
_CALLBACK: Final = "callback"


def fold_move(state: PoolState, fact: ContactMoved) -> None:
    """The contact waits in another queue."""
    contact = contact_of(state, fact, None)
    if fact.queue == contact.queue:
        raise IllegalFactError(f"contact {contact.id} is moved to queue {fact.queue}, where it waits")
    if fact.cause == _OVERFLOW and fact.queue in contact.left_queues:
        raise IllegalFactError(f"contact {contact.id} goes back to queue {fact.queue} by overflow")
    at_ms = max(state.now_ms, fact.at_ms)
    moved = replace(
        contact,
        queue=fact.queue,
        skills=tuple(sorted(fact.skills.items())),
        alternatives=alternatives_of(fact.alternatives),
        offer_timeout_ms=fact.offer_timeout_ms,
        only_agent=None if fact.cause == _OVERFLOW else contact.only_agent,
        only_until_ms=0 if fact.cause == _OVERFLOW else contact.only_until_ms,
        relaxed=0,
        relax_ms=fact.relax_ms,
        relax_from_ms=at_ms,
        overflow=fact.overflow,
        overflow_from_ms=at_ms,
        overflowed_ms=0,
        # By no rule does it come back to where it was sent away from, so that contacts cannot go round.
        left_queues=(*contact.left_queues, contact.queue),
    )
    rearrange(state, contact, moved)


def fold_notice(state: PoolState, fact: CustomerNotice) -> None:
    """The customer is told. What was to be told by a rule of overflow is not told again."""
    if fact.cause not in {_OVERFLOW, _CALLBACK}:
        return
    contact = contact_of(state, fact, None)
    told = replace(contact, notices=fact.notice)
    if fact.cause == _CALLBACK:
        # By a rule of overflow the customer is told first, and the callback is scheduled then.
        told = replace(told, notified=contact.state is ContactState.QUEUED)
    elif fact.ends:
        told = replace(told, notified=True)
    elif fact.when == WAITED:
        told = replace(told, overflowed_ms=max(contact.overflowed_ms, fact.at_least))
    else:
        told = replace(told, overflow=0)
    rearrange(state, contact, told)
