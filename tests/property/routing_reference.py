"""The routing rules once more, as plainly as they can be said: every contact is compared with every agent, nothing is kept at hand.

`next_fact` reads contacts, agents, offers and the time, never the index. The indexed core must agree with it fact by fact, the reason of
every offer included.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from msgspec.structs import replace

from libs.common.events.pool import ChannelConfiguration, Overflow, QueueConfiguration, Relaxation
from libs.common.events.routing import (
    CalendarTurned,
    CallbackDue,
    CallbackScheduled,
    ContactCancelled,
    ContactFlagged,
    ContactForwarded,
    ContactLapsed,
    ContactMerged,
    ContactMoved,
    ContactRelaxed,
    ContactRequeued,
    ContactResolved,
    ContactUnheld,
    CustomerNotice,
    OfferExpired,
    OfferMade,
    OfferReason,
    OfferWithdrawn,
    PoolFact,
    PresenceChanged,
    QueuePaced,
    WaitExpected,
)
from services.router.core.entities import Agent, CalendarState, Contact
from services.router.core.expectation import expected_wait_ms
from services.router.core.model import PoolState


def next_fact(state: PoolState, now_ms: int) -> PoolFact | None:
    """What settling must do next in this state at this time; None at the fixed point."""
    return (
        _next_due(state, now_ms)
        or _next_eviction(state, now_ms)
        or _next_move(state, now_ms)
        or _next_flag(state, now_ms)
        or _next_offer(state, now_ms)
        or _next_told(state, now_ms)
        or _next_paced(state, now_ms)
    )


def has_room(state: PoolState, agent: Agent, channel: str, *, apart: Contact | None = None) -> bool:
    """Whether every limit leaves room for one more; with `apart`, whether this offer, which the agent has, may stay with him."""
    hand = [c for c in state.contacts.values() if c.agent_id == agent.id and c is not apart and not c.frees_room]
    if sum(c.channel == channel for c in hand) >= agent.capacity.get(channel, 1):
        return False
    most = state.rules.offers_open_max
    if most and apart is None and sum(c.offer_id is not None for c in hand) >= most:
        return False
    mine = state.channels.get(channel, ChannelConfiguration(id=channel))
    used = mine.units
    for contact in hand:
        other = state.channels.get(contact.channel, ChannelConfiguration(id=contact.channel))
        if other.id in mine.interrupts or (apart is not None and channel in other.interrupts):
            continue
        if other.id in mine.excludes or channel in other.excludes:
            return False
        used += other.units
    return agent.units is None or mine.units == 0 or used <= agent.units


def has_skills(agent: Agent, contact: Contact) -> bool:
    return not agent.removed and any(
        all(agent.skills.get(skill, 0) >= level for skill, level in needed)
        for needed in (contact.alternatives or [contact.skills])
    )


def declined(agent: Agent, contact: Contact, now_ms: int) -> bool:
    return any(d.agent_id == agent.id and d.until_ms > now_ms for d in contact.declines)


def is_turned(state: PoolState, calendar_id: str | None) -> bool:
    """Whether a calendar is open by what the facts have said; one that is not there, and none, always is."""
    calendar = state.calendars.get(calendar_id or "")
    return calendar is None or calendar.open


def on_shift(state: PoolState, agent: Agent) -> bool:
    return is_turned(state, agent.shift)


def may_be_offered(state: PoolState, contact: Contact) -> bool:
    queue = state.queues.get(contact.queue)
    if queue is None or (queue.offer_when_closed and contact.callback is None):
        return True
    return is_turned(state, queue.hours)


def may_take(state: PoolState, agent: Agent, contact: Contact, now_ms: int) -> bool:
    return (
        agent.presence == "available"
        and not agent.removed
        and on_shift(state, agent)
        and may_be_offered(state, contact)
        and has_skills(agent, contact)
        and has_room(state, agent, contact.channel)
        and not declined(agent, contact, now_ms)
        and only_for(state, contact, now_ms) in (None, agent.id)
    )


def only_for(state: PoolState, contact: Contact, now_ms: int) -> str | None:
    """The agent whom the contact is kept for, as long as he could be offered it if he had room."""
    agent = state.agents.get(contact.only_agent or "")
    if agent is None or agent.presence != "available" or not on_shift(state, agent) or now_ms >= contact.only_until_ms:
        return None
    return agent.id if has_skills(agent, contact) and not declined(agent, contact, now_ms) else None


def _due_entries(state: PoolState) -> list[tuple[int, int, str, Contact | CalendarState]]:
    """All that is to happen at some time, with that time."""
    due: list[tuple[int, int, str, Contact | CalendarState]] = []
    for calendar in state.calendars.values():
        turn_ms = _turn_ms(calendar)
        if turn_ms is not None:
            due.append((turn_ms, 3, calendar.id, calendar))
    for contact in state.contacts.values():
        if contact.offer_id is not None:
            due.append((state.offers[contact.offer_id].expires_ms, 0, contact.offer_id, contact))
        if contact.state == "abandoned":
            due.append((contact.resumable_until_ms, 5, contact.id, contact))
        if contact.state == "queued" and contact.relax_ms and _steps_left(state, contact):
            due.append((contact.relax_ms, 6, contact.id, contact))
        rule = _overflow_of(state, contact)
        if contact.state == "queued" and rule is not None:
            due.append((_overflow_ms(state, contact, rule), 7, contact.id, contact))
        if contact.state == "scheduled" and contact.callback is not None:
            due.append((contact.callback.not_before_ms, 8, contact.id, contact))
        if contact.wrap_up is not None and contact.wrap_up.until_ms != 0:
            due.append((contact.wrap_up.until_ms, 1, contact.id, contact))
    return due


def _next_due(state: PoolState, now_ms: int) -> PoolFact | None:
    due = [entry for entry in _due_entries(state) if entry[0] <= now_ms]
    if not due:
        return None
    due_ms, kind, _, first = min(due, key=lambda entry: entry[:3])
    if isinstance(first, CalendarState):
        return CalendarTurned(pool=state.pool, at_ms=now_ms, calendar=first.id, open=not first.open, since_ms=due_ms)
    contact = first
    if kind == 8:
        return CallbackDue(pool=state.pool, at_ms=now_ms, contact_id=contact.id, cause="time")
    if kind == 6:
        return _relaxed(state, contact, now_ms)
    if kind == 7:
        return _overflowed(state, contact, now_ms)
    if kind == 1:
        return _resolved(state, contact, now_ms)
    if kind == 5:
        return ContactLapsed(pool=state.pool, at_ms=now_ms, contact_id=contact.id)
    agent_id, offer_id = _held(contact)
    count = 1 + sum(d.count for d in contact.declines if d.agent_id == agent_id)
    return OfferExpired(
        pool=state.pool,
        at_ms=now_ms,
        offer_id=offer_id,
        contact_id=contact.id,
        agent_id=agent_id,
        backoff_until_ms=now_ms + 60_000 * min(count, 10),
    )


def _steps_left(state: PoolState, contact: Contact) -> tuple[Relaxation, ...]:
    queue = state.queues.get(contact.queue)
    return () if queue is None else queue.relax[contact.relaxed :]


def _relaxed(state: PoolState, contact: Contact, now_ms: int) -> ContactRelaxed:
    """Each alternative with less of what is named, and the whole of the other queue's; those that ask for more than another go."""
    step, *later = _steps_left(state, contact)
    asked = []
    for one in contact.needs:
        kept = {skill: level for skill, level in one if skill not in step.drop}
        asked.append({skill: min(level, step.lower.get(skill, 5)) for skill, level in kept.items()})
    if step.widen in state.queues:
        other = state.queues[step.widen]
        for choice in other.any_of or ({},):
            whole: dict[str, int] = {}
            for skill, level in (*other.skills.items(), *choice.items()):
                whole[skill] = max(1, min(5, level), whole.get(skill, 0))
            asked.append(whole)
    least = [
        one
        for place, one in enumerate(asked)
        if not any(_asks_for_all(one, other) and (other != one or before < place) for before, other in enumerate(asked))
    ]
    least.sort(key=lambda one: sorted(one.items()))
    common = {skill: min(one[skill] for one in least) for skill in least[0] if all(skill in one for one in least)}
    next_ms = 0
    if later:
        queue = state.queues[contact.queue]
        calendar = None if queue.offer_when_closed else state.calendars.get(queue.hours or "")
        next_ms = _open_time_later(calendar, contact.relax_from_ms, later[0].after_ms)
    return ContactRelaxed(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        step=contact.relaxed + 1,
        skills=common,
        alternatives=tuple(least) if len(least) > 1 else (),
        relax_ms=next_ms,
    )


def _is_possible(
    state: PoolState, rule: Overflow, queue: str, left: tuple[str, ...], passed: tuple[str, ...], handle: str
) -> bool:
    if rule.to == "callback":
        return handle.startswith("tel:+39")
    if rule.to == "queue":
        return rule.target in state.queues and rule.target not in (queue, *left)
    if rule.to == "pool":
        return rule.target not in (None, *passed)
    return rule.to in ("message", "end")


def _overflow_of(state: PoolState, contact: Contact) -> Overflow | None:
    """The rule by which the contact goes on next: the one that held when it came, else the first of those for who has waited."""
    if contact.callback is not None:
        return None
    rules = state.queues[contact.queue].overflow if contact.queue in state.queues else ()
    if 0 < contact.overflow <= len(rules):
        rule = rules[contact.overflow - 1]
        if rule.when != "waited" and _is_possible(
            state, rule, contact.queue, contact.left_queues, contact.passed, contact.handle
        ):
            return rule
    later = [rule for rule in rules if rule.when == "waited" and rule.at_least > contact.overflowed_ms]
    possible = [
        rule
        for rule in later
        if _is_possible(state, rule, contact.queue, contact.left_queues, contact.passed, contact.handle)
    ]
    return min(possible, key=lambda rule: rule.at_least, default=None)


def _overflow_ms(state: PoolState, contact: Contact, rule: Overflow) -> int:
    if rule.when != "waited":
        return contact.overflow_from_ms
    queue = state.queues[contact.queue]
    calendar = None if queue.offer_when_closed else state.calendars.get(queue.hours or "")
    return _open_time_later(calendar, contact.overflow_from_ms, rule.at_least)


def held_rule(
    state: PoolState,
    queue: QueueConfiguration,
    channel: str,
    now_ms: int,
    left: tuple[str, ...] = (),
    passed: tuple[str, ...] = (),
    handle: str = "",
) -> int:
    """The number of the first rule that holds for a contact that comes to this queue now."""
    calendar = state.calendars.get(queue.hours or "")
    waiting = sum(contact.state == "queued" and contact.queue == queue.id for contact in state.contacts.values())
    for number, rule in enumerate(queue.overflow, 1):
        closed = calendar is not None and not any(begin <= now_ms < end for begin, end in calendar.spans)
        expected_ms = expected_wait_ms(state, queue.id, channel)
        long = expected_ms is not None and expected_ms >= rule.at_least
        holds = {"closed": closed, "waiting": waiting >= rule.at_least, "expected_wait": long}
        if holds.get(rule.when) and _is_possible(state, rule, queue.id, left, passed, handle):
            return number
    return 0


def _overflowed(state: PoolState, contact: Contact, now_ms: int) -> PoolFact:
    rule = _overflow_of(state, contact)
    assert rule is not None
    if rule.to == "queue":
        moved = _moved(state, contact, rule.target or "", "overflow", now_ms)
        return replace(moved, when=rule.when, at_least=rule.at_least)
    if rule.to == "callback":
        return _called_back(state, contact, rule, now_ms)
    if rule.to == "pool":
        return _forwarded(state, contact, rule, now_ms)
    if rule.to == "end" and (contact.notified or rule.text == {}):
        return ContactCancelled(pool=state.pool, at_ms=now_ms, contact_id=contact.id, by="router", reason="overflow")
    return CustomerNotice(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        cause="overflow",
        texts=rule.text,
        notice=contact.notices + 1,
        when=rule.when,
        at_least=rule.at_least,
        ends=rule.to == "end",
    )


def _called_back(state: PoolState, contact: Contact, rule: Overflow, now_ms: int) -> PoolFact:
    queue = state.queues[contact.queue]
    texts = rule.text or queue.callback.texts
    if texts and not contact.notified:
        return CustomerNotice(
            pool=state.pool,
            at_ms=now_ms,
            contact_id=contact.id,
            cause="callback",
            texts=texts,
            when=rule.when,
            at_least=rule.at_least,
            notice=contact.notices + 1,
        )
    joinable = {"queued", "offered", "scheduled", "active", "held"}
    called = [
        c for c in state.contacts.values() if c.callback and c.callback.handle == contact.handle and c.state in joinable
    ]
    if called:
        into = min(called, key=lambda one: one.id)
        return ContactMerged(
            pool=state.pool,
            at_ms=now_ms,
            contact_id=contact.id,
            into_contact_id=into.id,
            due_ms=min(contact.due_ms, into.due_ms),
        )
    return CallbackScheduled(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        handle=contact.handle,
        not_before_ms=now_ms,
        channel="voice",
        offer_timeout_ms=_timeout_ms(state, queue, "voice"),
        cause="overflow",
    )


def _timeout_ms(state: PoolState, queue: QueueConfiguration, channel_id: str) -> int:
    channel = state.channels.get(channel_id)
    timeout_ms = queue.offer_timeout_ms
    if timeout_ms is None:
        timeout_ms = 20_000 if channel is None or channel.offer_timeout_ms is None else channel.offer_timeout_ms
    return max(1_000, timeout_ms)


def _moved(state: PoolState, contact: Contact, target: str, cause: str, now_ms: int) -> ContactMoved:
    """It asks for what the new queue asks for, and for what went beyond its old queue or was asked for from the beginning."""
    queue = state.queues[target]
    own = _own(state, contact)
    base = _highest(_highest(queue.skills, own), dict(contact.asked))
    ways = [
        _highest(_highest(base, mine), theirs)
        for mine in queue.any_of or ({},)
        for theirs in [dict(one) for one in contact.asked_any_of] or [{}]
    ]
    least = [
        one
        for place, one in enumerate(ways)
        if not any(_asks_for_all(one, other) and (other != one or before < place) for before, other in enumerate(ways))
    ]
    least.sort(key=lambda one: sorted(one.items()))
    relax_ms = 0
    if queue.relax:
        calendar = None if queue.offer_when_closed else state.calendars.get(queue.hours or "")
        relax_ms = _open_time_later(calendar, now_ms, queue.relax[0].after_ms)
    return ContactMoved(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        queue=queue.id,
        cause=cause,
        skills=least[0] if len(least) == 1 else base,
        alternatives=tuple(least) if len(least) > 1 else (),
        offer_timeout_ms=_timeout_ms(state, queue, contact.channel),
        relax_ms=relax_ms,
        overflow=held_rule(
            state,
            queue,
            contact.channel,
            now_ms,
            (*contact.left_queues, contact.queue),
            contact.passed,
            contact.handle,
        ),
    )


def _forwarded(state: PoolState, contact: Contact, rule: Overflow, now_ms: int) -> ContactForwarded:
    return ContactForwarded(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        to_pool=rule.target or "",
        passed=(*contact.passed, state.pool),
        thread_id=contact.thread_id,
        channel=contact.channel,
        handle=contact.handle,
        priority=contact.priority,
        received_ms=contact.received_ms,
        due_ms=contact.due_ms,
        queue=rule.queue,
        skills=_highest(_own(state, contact), dict(contact.asked)),
        any_of=tuple(dict(one) for one in contact.asked_any_of),
        letter=contact.letter,
        notices=contact.notices,
        when=rule.when,
        at_least=rule.at_least,
    )


def _own(state: PoolState, contact: Contact) -> dict[str, int]:
    """What goes beyond what its queue asks of everybody."""
    old = state.queues[contact.queue].skills if contact.queue in state.queues else {}
    return {skill: level for skill, level in contact.skills if skill not in old or level > max(1, min(5, old[skill]))}


def _highest(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    together = dict(one) | dict(other)
    return {skill: max(1, min(5, max(one.get(skill, 0), other.get(skill, 0)))) for skill in sorted(together)}


def _asks_for_all(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(one.get(skill, 0) >= level for skill, level in other.items())


def _open_time_later(calendar: CalendarState | None, from_ms: int, duration_ms: int) -> int:
    """The moment at which so much open time has passed: by trying the ends of all spans, and what is in between."""
    if calendar is None:
        return from_ms + duration_ms
    left_ms = duration_ms
    for begin_ms, end_ms in calendar.spans:
        length_ms = max(0, end_ms - max(begin_ms, from_ms))
        if length_ms and left_ms <= length_ms:
            return max(begin_ms, from_ms) + left_ms
        left_ms -= length_ms
    return max(from_ms, calendar.until_ms) + left_ms


def _turn_ms(calendar: CalendarState) -> int | None:
    """The first moment, among the one to count from and the ends of all spans, at which the spans say otherwise than the facts."""
    moments = [calendar.counted_ms, *(moment for span in calendar.spans for moment in span)]
    for moment in sorted(moments):
        said = any(begin <= moment < end for begin, end in calendar.spans)
        if moment >= calendar.counted_ms and said != calendar.open:
            return moment
    return None


def _resolved(state: PoolState, contact: Contact, now_ms: int) -> ContactResolved:
    assert contact.wrap_up is not None
    assert contact.agent_id is not None
    return ContactResolved(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        agent_id=contact.agent_id,
        queue=contact.queue,
        channel=contact.channel,
        disposition=contact.wrap_up.disposition,
        summary=contact.wrap_up.summary,
        follow_up=contact.wrap_up.follow_up,
    )


def _held(contact: Contact) -> tuple[str, str]:
    assert contact.agent_id is not None
    assert contact.offer_id is not None
    return contact.agent_id, contact.offer_id


def _next_eviction(state: PoolState, now_ms: int) -> PoolFact | None:
    for agent_id in sorted(state.agents):
        agent = state.agents[agent_id]
        if agent.removed and agent.presence != "offline":
            return PresenceChanged(
                pool=state.pool, at_ms=now_ms, agent_id=agent_id, status="offline", cause="configuration"
            )
        if _has_vanished(state, agent):
            return PresenceChanged(pool=state.pool, at_ms=now_ms, agent_id=agent_id, status="offline", cause="vanished")
        missed = agent.missed >= state.rules.not_responding_after > 0
        if missed and agent.presence == "available":
            return PresenceChanged(
                pool=state.pool, at_ms=now_ms, agent_id=agent_id, status="not_responding", cause="not-responding"
            )
        held = sorted((c for c in state.contacts.values() if c.agent_id == agent_id), key=lambda c: c.rank)
        for contact in held:
            fact = _given_back(state, agent, contact, now_ms)
            if fact is not None:
                return fact
        for contact in reversed(held):
            if contact.offer_id and not has_room(state, agent, contact.channel, apart=contact):
                return _withdrawn(state, contact, "capacity", now_ms)
        for contact in held:
            if contact.awaited and (not contact.frees_room or has_room(state, agent, contact.channel, apart=contact)):
                return ContactUnheld(
                    pool=state.pool, at_ms=now_ms, contact_id=contact.id, agent_id=agent_id, cause="customer"
                )
    return None


def _has_vanished(state: PoolState, agent: Agent) -> bool:
    silence_ms = state.rules.vanish_after_ms
    return (
        silence_ms > 0
        and agent.presence in {"available", "not_responding"}
        and state.heard_ms - agent.seen_ms >= silence_ms
    )


def _given_back(state: PoolState, agent: Agent, contact: Contact, now_ms: int) -> PoolFact | None:
    if contact.offer_id is not None:
        if agent.removed:
            return _withdrawn(state, contact, "configuration", now_ms)
        if agent.presence != "available":
            return _withdrawn(state, contact, "presence", now_ms)
        named = contact.only_agent == agent.id and contact.only_until_ms == 0
        return None if named or has_skills(agent, contact) else _withdrawn(state, contact, "configuration", now_ms)
    if agent.presence != "offline":
        return None
    if contact.wrap_up is not None:
        return _resolved(state, contact, now_ms)
    silence_ms = state.rules.vanish_after_ms
    vanished = silence_ms > 0 and state.heard_ms - agent.seen_ms >= silence_ms
    cause = "agent-removed" if agent.removed else "vanished" if vanished else "sign-out"
    return ContactRequeued(pool=state.pool, at_ms=now_ms, contact_id=contact.id, agent_id=agent.id, cause=cause)


def _withdrawn(state: PoolState, contact: Contact, cause: str, now_ms: int) -> OfferWithdrawn:
    agent_id, offer_id = _held(contact)
    return OfferWithdrawn(
        pool=state.pool,
        at_ms=now_ms,
        offer_id=offer_id,
        contact_id=contact.id,
        agent_id=agent_id,
        cause=cause,
        backoff_until_ms=now_ms + 5_000 if cause == "presence" else 0,
    )


def _next_move(state: PoolState, now_ms: int) -> ContactMoved | None:
    """Of the contacts that wait in a queue that is drained to another, the first."""
    waiting = [c for c in state.contacts.values() if c.state == "queued" and state.drains.get(c.queue) is not None]
    if not waiting:
        return None
    contact = min(waiting, key=lambda c: c.rank)
    return _moved(state, contact, state.drains[contact.queue] or "", "drain", now_ms)


def _next_flag(state: PoolState, now_ms: int) -> ContactFlagged | None:
    for contact_id in sorted(state.contacts):
        contact = state.contacts[contact_id]
        agents = len({decline.agent_id for decline in contact.declines if decline.count})
        if contact.state == "queued" and not contact.flagged and agents >= state.rules.flag_after_declines > 0:
            return ContactFlagged(
                pool=state.pool, at_ms=now_ms, contact_id=contact_id, reason="declined", agents=agents
            )
    return None


def _next_offer(state: PoolState, now_ms: int) -> OfferMade | None:
    waiting = sorted((c for c in state.contacts.values() if c.state == "queued"), key=lambda c: c.rank)
    for contact in waiting:
        takers = [agent for agent in state.agents.values() if may_take(state, agent, contact, now_ms)]
        if takers:
            return _offered(state, waiting, contact, takers, now_ms)
    return None


def _next_told(state: PoolState, now_ms: int) -> WaitExpected | None:
    """The first arrival of those who wait and were told nothing yet."""
    untold = [contact for contact in state.contacts.values() if contact.state == "queued" and contact.untold]
    if not untold:
        return None
    contact = min(untold, key=lambda c: c.sequence)
    mine = [c for c in state.contacts.values() if c.state == "queued" and c.queue == contact.queue]
    position = sum(c.rank <= contact.rank for c in mine)
    return WaitExpected(
        pool=state.pool,
        at_ms=now_ms,
        contact_id=contact.id,
        position=position,
        expected_wait_ms=_expected(state, contact.queue, position),
    )


def _expected(state: PoolState, queue_id: str, position: int) -> int | None:
    """Until as many as `position` have come to agents or have gone, at the queue's measured pace with the agents there are."""
    found = _pace(state, queue_id)
    if found is None:
        return None
    step, stay, opens_ms = found
    closed_ms = max(0, opens_ms - state.now_ms)
    if stay is None:
        return closed_ms + position * step // 1000
    waits, ahead = 0, 0
    while ahead < position and stay:
        # Beyond the sixteenth as many as are an eighth of those before them count as the one in their middle.
        alike = min(max(1, ahead // 8), position - ahead)
        waits += alike * 2 * step * stay // (2 * stay + (2 * ahead + alike - 1) * step)
        ahead += alike
    return closed_ms + waits // 1000


def _pace(state: PoolState, queue_id: str) -> tuple[int, int | None, int] | None:
    queue = state.queues.get(queue_id)
    pace = state.paces.get(queue_id)
    if queue is None or pace is None or pace.served < 2.5 * 65536:
        return None
    asked = [_highest(queue.skills, one) for one in queue.any_of or ({},)]
    agents = sum(
        agent.presence == "available"
        and not agent.removed
        and on_shift(state, agent)
        and any(all(agent.skills.get(s, 0) >= level for s, level in needed.items()) for needed in asked)
        for agent in state.agents.values()
    )
    opens_ms = 0
    if queue.hours is not None and not queue.offer_when_closed and not is_turned(state, queue.hours):
        calendar = state.calendars[queue.hours]
        begins = [max(begin, calendar.counted_ms) for begin, end in calendar.spans if end > calendar.counted_ms]
        if not begins:
            return None
        opens_ms = min(begins)
    if agents == 0:
        return None
    step = pace.duty_ms * 1000 * 65536 // (pace.served * agents)
    return step, pace.waited_ms * 1000 * 65536 // pace.left if pace.left else None, opens_ms


def _next_paced(state: PoolState, now_ms: int) -> QueuePaced | None:
    """The first queue by name of which something else is true than was said, by more than an eighth (a quarter of the patience)."""
    for queue_id, said in sorted(state.paces.items()):
        step, stay, opens_ms = _pace(state, queue_id) or (None, None, 0)
        far = [
            (now is None) != (then is None) or (now is not None and then is not None and abs(now - then) > then / parts)
            for now, then, parts in ((step, said.said_step_us, 8), (stay, said.said_patience_us, 4))
        ]
        if any(far) or opens_ms != said.said_opens_ms:
            return QueuePaced(
                pool=state.pool, at_ms=now_ms, queue=queue_id, step_us=step, patience_us=stay, opens_ms=opens_ms
            )
    return None


def _in_hand(state: PoolState, agent: Agent) -> list[Contact]:
    return [contact for contact in state.contacts.values() if contact.agent_id == agent.id and not contact.frees_room]


def _share(state: PoolState, agent: Agent) -> Fraction:
    """The share of the agent's capacity in use, to the millionth below."""
    hand = _in_hand(state, agent)
    if agent.units is not None:
        used = sum(state.channels[c.channel].units for c in hand if c.channel in state.channels)
        return Fraction(used * 1_000_000 // max(1, agent.units), 1_000_000)
    millionths = 0
    for channel in {contact.channel for contact in hand}:
        count = sum(contact.channel == channel for contact in hand)
        millionths += count * 1_000_000 // max(1, agent.capacity.get(channel, 1))
    return Fraction(millionths, 1_000_000)


PLACES: dict[str, Callable[[PoolState, Agent], tuple[int | Fraction, ...]]] = {
    "longest_idle": lambda state, agent: (len(_in_hand(state, agent)), agent.idle_since_ms),
    "least_loaded": lambda state, agent: (_share(state, agent), agent.idle_since_ms),
    "round_robin": lambda state, agent: (agent.last_offer,),
    "most_skilled": lambda state, agent: (-len(agent.skills), len(_in_hand(state, agent)), agent.idle_since_ms),
    "least_skilled": lambda state, agent: (len(agent.skills), len(_in_hand(state, agent)), agent.idle_since_ms),
}


def strategy_of(state: PoolState, contact: Contact) -> str:
    """That of its queue, or of the pool's first one where its own is gone."""
    queue = state.queues.get(contact.queue) or next(iter(state.queues.values()), None)
    return queue.strategy if queue is not None and queue.strategy in PLACES else "longest_idle"


def _offered(state: PoolState, waiting: list[Contact], contact: Contact, takers: list[Agent], now_ms: int) -> OfferMade:
    strategy = strategy_of(state, contact)

    def place(agent: Agent) -> tuple[int | Fraction | str, ...]:
        return (*PLACES[strategy](state, agent), agent.id)

    chosen = min(takers, key=place)
    mine = [c.id for c in waiting if may_take(state, chosen, c, now_ms)]
    apart = sorted((d.agent_id, d.count) for d in contact.declines if d.until_ms > now_ms)[:5]
    left_out = {agent_id: "declined" if count else "barred" for agent_id, count in apart}
    present = [a for a in state.agents.values() if a.presence == "available" and not a.removed]
    kept = only_for(state, contact, now_ms) is not None
    present = [] if kept else present
    for agent in sorted((a for a in present if place(a) < place(chosen)), key=place):
        if len(left_out) < 5 and agent.id not in left_out:
            passed_over = "no-room" if on_shift(state, agent) else "off-shift"
            left_out[agent.id] = passed_over if has_skills(agent, contact) else "skill"
    number = state.offers_made + 1
    return OfferMade(
        pool=state.pool,
        at_ms=now_ms,
        offer_id=f"off_{contact.id.removeprefix('con_')}_{number}",
        contact_id=contact.id,
        agent_id=chosen.id,
        expires_ms=now_ms + contact.offer_timeout_ms,
        reason=OfferReason(
            rank=mine.index(contact.id) + 1,
            waited_ms=now_ms - contact.received_ms,
            strategy="preferred_agent" if kept else strategy,
            candidates=len(takers),
            left_out=left_out,
        ),
    )
