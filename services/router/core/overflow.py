"""Overflow: where a contact goes instead of waiting in its queue, or instead of waiting there any longer. Decides, and changes nothing.

A queue's rules `closed`, `waiting` and `expected_wait` are looked at once, when a contact comes to the queue: the fact that brings it there
names the rule that held. Rules for those who have `waited` become due with the time, each once for a contact; the time counts from when it
last began to wait in this queue, and stands still while its contacts are kept back because it is closed. Called by `due` and by
whatever brings a contact into a queue.

A contact is due as before wherever it goes. It does not come back to a queue that it overflowed from: a rule that would have it so is
passed over.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from libs.common.events.pool import Overflow, QueueConfiguration
from libs.common.events.routing import ContactCancelled, ContactForwarded, ContactMoved, CustomerNotice, PoolFact
from services.router.core import policies
from services.router.core.calendars import is_open_at
from services.router.core.callbacks import CAUSE_CALLBACK, merge_callback, schedule_callback, settings_of
from services.router.core.entities import Contact
from services.router.core.expectation import expected_wait_ms
from services.router.core.model import PoolState
from services.router.core.overflow_times import may_go, overflow_due
from services.router.core.relaxation import relax_ms
from services.router.core.terms import WAITED

CAUSE_OVERFLOW: Final = "overflow"
# Whose doing the end of a contact is that overflows to it.
ROUTER: Final = "router"


def arrival_overflow(
    state: PoolState,
    queue: QueueConfiguration,
    channel: str,
    now_ms: int,
    left: Collection[str] = (),
    *,
    handle: str,
    passed: Collection[str] = (),
) -> int:
    """The rule of this queue, counted from 1, by which a contact that comes to it now goes on; 0: it stays.

    `left`, `passed`: the queues and pools that it does not come back to.
    """
    terms = state.index.terms
    for number, rule in enumerate(terms.overflows.get(queue.id, ()), 1):
        if (
            rule.when != WAITED
            and may_go(rule, queue.id, left, passed, terms, handle)
            and _holds(state, rule, queue, channel, now_ms)
        ):
            return number
    return 0


def _holds(state: PoolState, rule: Overflow, queue: QueueConfiguration, channel: str, now_ms: int) -> bool:
    if rule.when == "closed":
        # By its hours, not by the facts: those that follow from the time come after this.
        calendar = None if queue.hours is None else state.calendars.get(queue.hours)
        return calendar is not None and not is_open_at(calendar.spans, now_ms)
    if rule.when == "waiting":
        return state.index.lines.length(queue.id) >= rule.at_least
    if rule.when == "expected_wait":
        expected_ms = expected_wait_ms(state, queue.id, channel)
        return expected_ms is not None and expected_ms >= rule.at_least
    return False


def overflow(state: PoolState, contact: Contact, now_ms: int) -> PoolFact:
    """The next fact by which a contact that is due goes on. One that comes to its end is told before, where there is something to tell."""
    found = overflow_due(contact, state.index.terms, state.calendars)
    assert found is not None, "the contact is due"
    rule = found[1]
    if rule.to == "queue":
        return _moved(state, contact, rule, now_ms)
    if rule.to == "callback":
        return _called_back(state, contact, rule, now_ms)
    if rule.to == "pool":
        return _forwarded(state, contact, rule, now_ms)
    if rule.to == "end" and (contact.notified or not rule.text):
        return ContactCancelled(pool=state.pool, at_ms=now_ms, contact_id=contact.id, by=ROUTER, reason=CAUSE_OVERFLOW)
    return CustomerNotice(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        cause=CAUSE_OVERFLOW,
        texts=rule.text,
        notice=contact.notices + 1,
        when=rule.when,
        at_least=rule.at_least,
        ends=rule.to == "end",
    )


def _called_back(state: PoolState, contact: Contact, rule: Overflow, now_ms: int) -> PoolFact:
    """The customer is told first, by the words of the rule or of the queue, where there are some."""
    texts = rule.text or settings_of(state, contact.queue).texts
    if texts and not contact.notified:
        return CustomerNotice(
            pool=state.pool,
            at_ms=now_ms,
            contact_id=contact.id,
            cause=CAUSE_CALLBACK,
            texts=texts,
            when=rule.when,
            at_least=rule.at_least,
            notice=contact.notices + 1,
        )
    merged = merge_callback(state, contact, now_ms)
    if merged is not None:
        return merged
    scheduled = schedule_callback(state, contact, now_ms, cause=CAUSE_OVERFLOW)
    assert scheduled is not None, "a rule to a callback is for who has a number"
    return scheduled


def _moved(state: PoolState, contact: Contact, rule: Overflow, now_ms: int) -> ContactMoved:
    assert rule.target is not None, "a rule to a queue names it"
    queue = state.queues[rule.target]
    return moved_to(state, contact, queue, now_ms, cause=CAUSE_OVERFLOW, when=rule.when, at_least=rule.at_least)


def moved_to(
    state: PoolState,
    contact: Contact,
    queue: QueueConfiguration,
    now_ms: int,
    *,
    cause: str,
    when: str | None = None,
    at_least: int = 0,
) -> ContactMoved:
    """The fact that a waiting contact stands in another queue from now on, by whatever `cause`. `when`, `at_least`: the rule's."""
    skills, alternatives = policies.moved_needs(contact, state.queues.get(contact.queue), queue, None)
    return ContactMoved(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        queue=queue.id,
        cause=cause,
        skills=skills,
        alternatives=alternatives,
        offer_timeout_ms=policies.offer_timeout_ms(queue, state.channels.get(contact.channel)),
        relax_ms=relax_ms(state, queue, now_ms, 0),
        when=when,
        at_least=at_least,
        overflow=arrival_overflow(
            state,
            queue,
            contact.channel,
            now_ms,
            (*contact.left_queues, contact.queue),
            handle=contact.handle,
            passed=contact.passed,
        ),
    )


def _forwarded(state: PoolState, contact: Contact, rule: Overflow, now_ms: int) -> ContactForwarded:
    assert rule.target is not None, "a rule to a pool names it"
    return ContactForwarded(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        to_pool=rule.target,
        passed=(*contact.passed, state.pool),
        thread_id=contact.thread_id,
        channel=contact.channel,
        handle=contact.handle,
        priority=contact.priority,
        received_ms=contact.received_ms,
        due_ms=contact.due_ms,
        queue=rule.queue,
        skills=dict(sorted(_asked(contact, state.queues.get(contact.queue)).items())),
        any_of=tuple([dict(one) for one in contact.asked_any_of]),
        letter=contact.letter,
        notices=contact.notices,
        when=rule.when,
        at_least=rule.at_least,
    )


def _asked(contact: Contact, queue: QueueConfiguration | None) -> dict[str, int]:
    """What is asked for the contact whatever queue it stands in: what its rule or integration asked for, and what is beyond its queue's."""
    asked = policies.own_skills(contact.skills, queue)
    for skill, level in contact.asked:
        asked[skill] = max(level, asked.get(skill, 0))
    return asked
