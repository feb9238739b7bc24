"""Settling: what follows from the state and the time alone, up to a fixed point.

First what is due, then what agents must give back, then who must wait in another queue, then what somebody must be told, then offers, then
how long those will wait who came and were offered to nobody, and how fast queues move on. Each fact is applied before the next is found,
so that settling may stop after any fact and go on later, in another process too.
"""

from __future__ import annotations

from libs.common.events.routing import PoolFact
from services.router.core import limits
from services.router.core.apply import apply
from services.router.core.drains import next_move
from services.router.core.due import next_due
from services.router.core.evictions import next_eviction, next_flag
from services.router.core.expectation import next_paced, tell_waits
from services.router.core.matching import Matcher
from services.router.core.model import PoolState


def settle(state: PoolState, now_ms: int, limit: int = limits.SETTLE_FACTS_MAX) -> list[PoolFact]:
    """Apply and return what is due at `now_ms` and the offers that follow, at most `limit` facts; none when all is settled.

    When it returns `limit` facts there may be more: call it again with the same time. A time before the state's own counts as that.
    """
    now_ms = max(state.now_ms, now_ms)
    index = state.index
    if now_ms < index.now_ms:
        index.set_back(now_ms, state.contacts)
    facts: list[PoolFact] = []
    _put_right(state, now_ms, facts, limit)
    while len(facts) < limit and (index.dirty_agents or index.dirty_classes):
        _offer(state, now_ms, facts, limit)
        if index.evictions:  # What was offered last leaves no room for what was offered before.
            _put_right(state, now_ms, facts, limit)
    if len(facts) < limit and (index.lines.untold or index.lines.repaced):
        _say_waits(state, now_ms, facts, limit)
    return facts


def _put_right(state: PoolState, now_ms: int, facts: list[PoolFact], limit: int) -> None:
    """Apply and add what comes before any offer."""
    index, timers = state.index, state.index.timers
    while len(facts) < limit:
        fact = next_due(state, now_ms) if timers and timers[0][0] <= now_ms else None
        if fact is None:
            index.now_ms = now_ms
            # What is given back may be overdue for something else: that comes before anything else is given back.
            fact = next_eviction(state, now_ms)
        if fact is None:
            fact = next_move(state, now_ms)
        if fact is None:
            break
        apply(state, fact)
        facts.append(fact)
    while index.unflagged and len(facts) < limit:
        fact = next_flag(state, now_ms)
        apply(state, fact)
        facts.append(fact)


def _offer(state: PoolState, now_ms: int, facts: list[PoolFact], limit: int) -> None:
    """Apply and add offers, until there is none or something has to be put right."""
    matcher = Matcher(state, now_ms)
    while len(facts) < limit:
        offer = matcher.next_offer()
        if offer is None:
            return
        apply(state, offer)
        facts.append(offer)
        if state.index.evictions:
            return


def _say_waits(state: PoolState, now_ms: int, facts: list[PoolFact], limit: int) -> None:
    """Apply and add what is to be said of those who wait."""
    for told in tell_waits(state, now_ms, limit - len(facts)):
        apply(state, told)
        facts.append(told)
    while len(facts) < limit:
        paced = next_paced(state, now_ms)
        if paced is None:
            return
        apply(state, paced)
        facts.append(paced)
