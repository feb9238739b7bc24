"""What the time brings by itself: offers run out, wrap-ups end, back-offs are over, calendars turn.

Decides, and changes no more than the index's marks. Called by settling; the facts' own makers also by the `decide` modules.
"""

from __future__ import annotations

import heapq
from typing import Final

from libs.common.events.routing import (
    CalendarTurned,
    CallbackDue,
    ContactLapsed,
    ContactResolved,
    OfferExpired,
    OfferWithdrawn,
    PoolFact,
)
from services.router.core import limits, policies, timer_kinds
from services.router.core.entities import Contact
from services.router.core.model import PoolState
from services.router.core.overflow import overflow
from services.router.core.relaxation import relax
from services.router.core.timers import first_timer
from services.router.core.transitions import ContactState

CAUSE_TIME: Final = "time"
CAUSE_PRESENCE: Final = "presence"
CAUSE_SUPERVISOR: Final = "supervisor"
CAUSE_LEFT: Final = "customer-left"


def next_due(state: PoolState, now_ms: int) -> PoolFact | None:
    """The next fact that the time brings; restrictions that are over bring none and are only noted in the index."""
    while True:
        timer = first_timer(state)
        if timer is None or timer[0] > now_ms:
            return None
        due_ms, kind, of_id = timer
        if kind == timer_kinds.OFFER:
            offer = state.offers[of_id]
            return expire_offer(state, offer.contact_id, now_ms)
        if kind == timer_kinds.CALENDAR:
            is_open = not state.calendars[of_id].open
            return CalendarTurned(pool=state.pool, at_ms=now_ms, calendar=of_id, open=is_open, since_ms=due_ms)
        if kind == timer_kinds.WRAP_UP:
            return end_wrap_up(state.contacts[of_id], state.pool, now_ms)
        if kind == timer_kinds.ABANDONED:
            return ContactLapsed(pool=state.pool, at_ms=now_ms, contact_id=of_id)
        if kind == timer_kinds.CALLBACK:
            return CallbackDue(pool=state.pool, at_ms=now_ms, contact_id=of_id, cause=CAUSE_TIME)
        if kind == timer_kinds.RELAX:
            return relax(state, state.contacts[of_id], now_ms)
        if kind == timer_kinds.OVERFLOW:
            return overflow(state, state.contacts[of_id], now_ms)
        heapq.heappop(state.index.timers)
        state.index.end_restriction(state.contacts[of_id], timer)


def expire_offer(state: PoolState, contact_id: str, now_ms: int) -> OfferExpired:
    """The contact's open offer was not answered in time."""
    contact = state.contacts[contact_id]
    assert contact.offer_id is not None, "an offered contact has its offer"
    assert contact.agent_id is not None, "an offer is to an agent"
    return OfferExpired(
        pool=state.pool,
        at_ms=now_ms,
        offer_id=contact.offer_id,
        contact_id=contact.id,
        agent_id=contact.agent_id,
        backoff_until_ms=backoff_until_ms(contact, contact.agent_id, now_ms),
    )


def withdraw_offer(state: PoolState, contact: Contact, cause: str, now_ms: int) -> OfferWithdrawn:
    """The contact's open offer is taken back."""
    assert contact.offer_id is not None, "an offered contact has its offer"
    assert contact.agent_id is not None, "an offer is to an agent"
    return OfferWithdrawn(
        pool=state.pool,
        at_ms=now_ms,
        offer_id=contact.offer_id,
        contact_id=contact.id,
        agent_id=contact.agent_id,
        cause=cause,
        backoff_until_ms=now_ms + limits.PAUSE_MS if cause == CAUSE_PRESENCE else 0,
    )


def withdraw_open_offer(state: PoolState, contact: Contact, cause: str, now_ms: int) -> list[PoolFact]:
    """What comes before a fact that is about a waiting contact: it is offered to nobody."""
    return [withdraw_offer(state, contact, cause, now_ms)] if contact.state is ContactState.OFFERED else []


def backoff_until_ms(contact: Contact, agent_id: str, now_ms: int) -> int:
    """Until when an agent who declines this contact now is left alone with it."""
    earlier = sum(decline.count for decline in contact.declines if decline.agent_id == agent_id)
    return now_ms + policies.backoff_ms(earlier + 1)


def end_wrap_up(contact: Contact, pool: str, now_ms: int, command_id: str | None = None) -> ContactResolved:
    """A contact in wrap-up is done, with what its agent said when the conversation ended."""
    assert contact.wrap_up is not None, "the contact is in wrap-up"
    assert contact.agent_id is not None, "a wrap-up is an agent's"
    return ContactResolved(
        pool=pool,
        at_ms=now_ms,
        command_id=command_id,
        contact_id=contact.id,
        agent_id=contact.agent_id,
        queue=contact.queue,
        channel=contact.channel,
        disposition=contact.wrap_up.disposition,
        summary=contact.wrap_up.summary,
        follow_up=contact.wrap_up.follow_up,
    )
