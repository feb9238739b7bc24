"""Deciding what a new configuration of the pool does, and calendars that go further.

Queues and agents are replaced as a whole. Agents that stay keep their presence and what they have in hand; new ones start offline;
what those have who are gone is taken back in settling. Contacts keep what they were queued with (skills, due time, offer time-out), also
when their queue is gone.
"""

from __future__ import annotations

from msgspec.structs import replace

from libs.common.events.inputs import ConfigurePool, ExtendCalendars
from libs.common.events.pool import (
    AgentConfiguration,
    Calendar,
    CallbackConfiguration,
    ChannelConfiguration,
    Overflow,
    QueueConfiguration,
    Relaxation,
)
from libs.common.events.routing import CalendarsExtended, PoolConfigured, PoolFact
from services.router.core import limits, policies
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.strategies import known_strategy


def configure_pool(state: PoolState, event: ConfigurePool, now_ms: int) -> list[PoolFact]:
    """The version in force again changes nothing. Of two queues or agents with one id the later counts, in the first's place.

    Levels, capacities and units outside their bounds are moved to the nearest. In place of a strategy that this router does not know stands
    the default one, so that everybody can see by which one it goes.
    """
    if event.version == state.version:
        return []
    problem = find_problem(event)
    if problem is not None:
        return [refuse(event, RefusalReason.LIMIT_REACHED, problem, event.version, now_ms)]
    queues = {queue.id: queue for queue in event.queues}
    agents = {agent.id: agent for agent in event.agents}
    channels = {channel.id: channel for channel in event.channels}
    return [
        PoolConfigured(
            pool=state.pool,
            at_ms=now_ms,
            version=event.version,
            queues=tuple(_known(queue, event.pool) for queue in queues.values()),
            agents=tuple(_bounded(agent) for agent in agents.values()),
            channel_targets_ms=event.channel_targets_ms,
            channels=tuple(_bounded_channel(channel) for channel in channels.values()),
            rules=policies.bounded_rules(event.rules),
            calendars=tuple({calendar.id: _in_order(calendar) for calendar in event.calendars}.values()),
        )
    ]


def find_problem(event: ConfigurePool) -> str | None:
    """Why this configuration is refused: it has more of something than a pool may have. None: it is taken."""
    return _limit_problem(event) or _calendar_problem(event)


def _known(queue: QueueConfiguration, pool: str) -> QueueConfiguration:
    overflow = [rule for rule in queue.overflow if rule.to != "pool" or rule.target != pool]  # It is here already.
    relax = sorted(queue.relax, key=lambda step: step.after_ms)[: limits.RELAXATIONS_MAX]
    return replace(
        queue,
        strategy=known_strategy(queue.strategy),
        relax=tuple(_bounded_step(step) for step in relax),
        callback=_bounded_callback(queue.callback),
        overflow=tuple(_bounded_overflow(rule) for rule in overflow[: limits.OVERFLOWS_MAX]),
    )


def _bounded_callback(callback: CallbackConfiguration) -> CallbackConfiguration:
    return replace(
        callback,
        attempts=policies.bound(callback.attempts, 1, limits.CALLBACK_ATTEMPTS_MAX),
        retry_ms=policies.bound(callback.retry_ms, limits.MINUTE_MS, limits.CALLBACK_RETRY_MAX_MS),
    )


def _bounded_step(step: Relaxation) -> Relaxation:
    after_ms = policies.bound(step.after_ms, 0, limits.TARGET_MAX_MS)
    return replace(step, after_ms=after_ms, lower=policies.bounded_levels(step.lower))


def _bounded_overflow(rule: Overflow) -> Overflow:
    # At least one contact, or one millisecond: a contact that has not waited at all does not overflow for having waited.
    at_least = 0 if rule.when == "closed" else policies.bound(rule.at_least, 1, limits.TARGET_MAX_MS)
    text = {language: words[: limits.NOTICE_CHARS_MAX] for language, words in rule.text.items()}
    return replace(rule, at_least=at_least, text=text)


def _bounded_channel(channel: ChannelConfiguration) -> ChannelConfiguration:
    return replace(channel, units=policies.bound(channel.units, 0, limits.UNITS_MAX))


def extend_calendars(state: PoolState, event: ExtendCalendars, now_ms: int) -> list[PoolFact]:
    """Of the calendars in force those that become known for longer; nothing where another router was quicker."""
    longer: dict[str, Calendar] = {}
    for calendar in event.calendars:
        known = longer.get(calendar.id) or state.calendars.get(calendar.id)
        if known is None or calendar.until_ms <= known.until_ms or len(calendar.spans) > limits.CALENDAR_SPANS_MAX:
            continue
        longer[calendar.id] = _in_order(calendar)
    if not longer:
        return []
    return [CalendarsExtended(pool=state.pool, at_ms=now_ms, calendars=tuple(longer.values()))]


def _in_order(calendar: Calendar) -> Calendar:
    """The calendar with spans that are in order and apart; what is not even a span is left out."""
    spans: list[tuple[int, int]] = []
    for begin_ms, end_ms in sorted(calendar.spans):
        if spans and begin_ms <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end_ms))
        elif begin_ms < end_ms:
            spans.append((begin_ms, end_ms))
    return replace(calendar, spans=tuple(spans))


def _bounded(agent: AgentConfiguration) -> AgentConfiguration:
    return replace(
        agent,
        skills=policies.bounded_levels(agent.skills),
        capacity={
            channel: policies.bound(places, 0, limits.CAPACITY_MAX) for channel, places in agent.capacity.items()
        },
        units=None if agent.units is None else policies.bound(agent.units, 0, limits.UNITS_MAX),
    )


def _calendar_problem(event: ConfigurePool) -> str | None:
    if len(event.calendars) > limits.CALENDARS_MAX:
        return f"A pool has at most {limits.CALENDARS_MAX} calendars."
    if any(len(calendar.spans) > limits.CALENDAR_SPANS_MAX for calendar in event.calendars):
        return f"A calendar has at most {limits.CALENDAR_SPANS_MAX} spans."
    return None


def _limit_problem(event: ConfigurePool) -> str | None:
    if len(event.queues) > limits.QUEUES_MAX:
        return f"A pool has at most {limits.QUEUES_MAX} queues."
    if len(event.agents) > limits.AGENTS_MAX:
        return f"A pool has at most {limits.AGENTS_MAX} agents."
    if len(event.channel_targets_ms) > limits.CHANNELS_MAX:
        return f"A pool has targets for at most {limits.CHANNELS_MAX} channels."
    names = [name for channel in event.channels for name in (channel.id, *channel.excludes, *channel.interrupts)]
    if len(frozenset(names)) > limits.CHANNELS_MAX:
        return f"A pool's channels are at most {limits.CHANNELS_MAX}."
    skills: dict[str, None] = {}
    for agent in event.agents:
        if len(agent.skills) > limits.SKILLS_PER_AGENT_MAX:
            return f"An agent has at most {limits.SKILLS_PER_AGENT_MAX} skills."
        if len(agent.capacity) > limits.CHANNELS_MAX:
            return f"An agent's capacity names at most {limits.CHANNELS_MAX} channels."
        skills.update(dict.fromkeys(agent.skills))
    for queue in event.queues:
        if len(queue.any_of) > limits.ANY_OF_MAX:
            return f"A queue asks for any of at most {limits.ANY_OF_MAX} sets of skills."
        if max(map(len, (queue.skills, *queue.any_of))) > limits.SKILLS_PER_CONTACT_MAX:
            return f"A queue asks for at most {limits.SKILLS_PER_CONTACT_MAX} skills."
    if len(skills) > limits.SKILLS_MAX:
        return f"The agents of a pool have at most {limits.SKILLS_MAX} different skills."
    return None
