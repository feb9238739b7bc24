"""When a waiting contact goes on by a rule of its queue: worked out of the contact, the rules and the calendars in force, so that a new
configuration is true of contacts that wait already. Pure; kept by `index` as a timer, asked by `timers` and `overflow`.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from typing import Final

from libs.common.events.pool import Overflow
from services.router.core import policies, timer_kinds
from services.router.core.entities import CalendarState, Contact
from services.router.core.terms import WAITED, Terms

# What a rule may do with a contact besides moving it to another queue.
_EFFECTS: Final = frozenset({"message", "end"})


def may_go(
    rule: Overflow, queue: str, left: Collection[str], passed: Collection[str], terms: Terms, handle: str
) -> bool:
    """Whether a contact of this queue may go on by its rule. `left`, `passed`: the queues and pools that it does not come back to.
    `handle`: where it came from; only a number can be called back.
    """
    if rule.to == "callback":
        return policies.can_be_called(handle)
    if rule.to == "pool":
        return rule.target is not None and rule.target not in passed
    if rule.to == "queue":
        return rule.target in terms.strategy_by_queue and rule.target != queue and rule.target not in left
    return rule.to in _EFFECTS


def overflow_due(contact: Contact, terms: Terms, calendars: Mapping[str, CalendarState]) -> tuple[int, Overflow] | None:
    """When a waiting contact is to go on by a rule of its queue, and by which; None: by none, as one whose customer is called back."""
    if contact.callback is not None:
        return None
    if contact.overflow:
        rule = _pending(contact, terms)
        if rule is not None:
            return contact.overflow_from_ms, rule
    for rule in terms.waited.get(contact.queue, ()):
        if rule.at_least > contact.overflowed_ms and _may_go(contact, rule, terms):
            gate = terms.gates.get(contact.queue)
            calendar = None if gate is None else calendars.get(gate)
            # Contacts of an older version do not say when they began to wait.
            from_ms = contact.overflow_from_ms or contact.received_ms
            return policies.due_ms(calendar, from_ms, rule.at_least), rule
    return None


def _pending(contact: Contact, terms: Terms) -> Overflow | None:
    """The rule that the contact was to go on by when it came; None where the configuration has changed and it cannot."""
    rules = terms.overflows.get(contact.queue, ())
    if contact.overflow > len(rules):
        return None
    rule = rules[contact.overflow - 1]
    return rule if rule.when != WAITED and _may_go(contact, rule, terms) else None


def push_overflow(
    timers: list[tuple[int, int, str]], contact: Contact, terms: Terms, calendars: Mapping[str, CalendarState]
) -> None:
    """Put the time at which a waiting contact goes on, if it does, into the index's heap."""
    found = overflow_due(contact, terms, calendars)
    if found is not None:
        heapq.heappush(timers, (found[0], timer_kinds.OVERFLOW, contact.id))


def _may_go(contact: Contact, rule: Overflow, terms: Terms) -> bool:
    return may_go(rule, contact.queue, contact.left_queues, contact.passed, terms, contact.handle)
