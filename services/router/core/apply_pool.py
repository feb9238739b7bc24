"""Folding the configuration, calendars and presences. Called by `apply` alone, which checks pool and time."""

from __future__ import annotations

from msgspec.structs import replace

from libs.common.events.routing import (
    CalendarsExtended,
    CalendarTurned,
    DrainLifted,
    PoolConfigured,
    PresenceChanged,
    PresenceConfirmed,
    QueueDrained,
)
from services.router.core.apply_shared import agent_of, drop_removed, is_gone
from services.router.core.entities import Agent, CalendarState, Presence
from services.router.core.model import PoolState, moves_of, rebuild_index
from services.router.core.moving import moving_now
from services.router.core.overflow_times import push_overflow
from services.router.core.transitions import IllegalFactError


def fold_configure(state: PoolState, fact: PoolConfigured) -> None:
    """Queues and agents are replaced as a whole."""
    at_ms = max(state.now_ms, fact.at_ms)
    agents: dict[str, Agent] = {}
    for configured in fact.agents:
        known = state.agents.get(configured.id)
        agents[configured.id] = Agent(
            id=configured.id,
            skills=configured.skills,
            capacity=configured.capacity,
            presence=Presence.OFFLINE if known is None else known.presence,
            idle_since_ms=at_ms if known is None else known.idle_since_ms,
            units=configured.units,
            last_offer=0 if known is None else known.last_offer,
            missed=0 if known is None else known.missed,
            shift=configured.shift,
            # Before the pool looked for who has vanished, nobody took note of who was there.
            seen_ms=known.seen_ms if known is not None and state.rules.vanish_after_ms else at_ms,
        )
    for agent in state.agents.values():
        if agent.id not in agents and not is_gone(state, agent):
            agents[agent.id] = replace(agent, removed=True)
    state.version = fact.version
    state.queues = {queue.id: queue for queue in fact.queues}
    # A queue that is no more is drained no more, and what was drained to it is worked off.
    state.drains = {
        queue: to if to in state.queues else None for queue, to in state.drains.items() if queue in state.queues
    }
    state.channels = {channel.id: channel for channel in fact.channels}
    targets = {channel.id: channel.target_ms for channel in fact.channels if channel.target_ms is not None}
    state.channel_targets_ms = {**fact.channel_targets_ms, **targets}
    state.rules = fact.rules
    state.calendars = {
        calendar.id: CalendarState(
            id=calendar.id,
            spans=calendar.spans,
            until_ms=calendar.until_ms,
            open=calendar.id in state.calendars and state.calendars[calendar.id].open,
            counted_ms=at_ms,
        )
        for calendar in fact.calendars
    }
    state.agents = agents
    state.now_ms = at_ms
    rebuild_index(state)


def fold_extend_calendars(state: PoolState, fact: CalendarsExtended) -> None:
    """Calendars are known for longer."""
    for calendar in fact.calendars:
        if calendar.id not in state.calendars:
            raise IllegalFactError(f"calendar {calendar.id} is not there")
    at_ms = max(state.now_ms, fact.at_ms)
    for calendar in fact.calendars:
        known = state.calendars[calendar.id]
        extended = replace(known, spans=calendar.spans, until_ms=calendar.until_ms, counted_ms=at_ms)
        state.calendars[calendar.id] = extended
        state.index.add_calendar(extended)
        # The time that contacts have waited by it is over at another moment now.
        for contact_id in state.index.waiting.gated(calendar.id):
            push_overflow(state.index.timers, state.contacts[contact_id], state.index.terms, state.calendars)


def fold_turn_calendar(state: PoolState, fact: CalendarTurned) -> None:
    """A calendar opens or closes."""
    calendar = state.calendars.get(fact.calendar)
    if calendar is None or calendar.open == fact.open:
        raise IllegalFactError(f"calendar {fact.calendar} is not there or was turned already")
    turned = replace(calendar, open=fact.open, counted_ms=fact.since_ms)
    state.calendars[turned.id] = turned
    _show_turned(state, turned)


def _show_turned(state: PoolState, calendar: CalendarState) -> None:
    """In the index: queues may be offered by the calendar or not, agents are on their shifts or not."""
    index = state.index
    if calendar.open:
        del index.closed[calendar.id]
    else:
        index.closed[calendar.id] = None
    for key in index.waiting.turn(calendar.id, is_open=calendar.open):
        if calendar.open:
            index.dirty_classes[key] = None
        else:
            index.dirty_classes.pop(key, None)
    for agent_id in index.shifts.get(calendar.id, ()):
        index.place_agent(state.agents[agent_id], index.rooms)
    index.add_calendar(calendar)


def fold_drain(state: PoolState, fact: QueueDrained) -> None:
    """A queue runs empty."""
    target = fact.to_queue
    if fact.queue not in state.queues or (target is not None and target not in state.queues):
        raise IllegalFactError(f"queue {fact.queue} or {target} is not there")
    if target == fact.queue or (target is not None and target in state.drains):
        raise IllegalFactError(f"queue {fact.queue} is drained to {target}, which is drained itself")
    if fact.queue in [to for queue, to in state.drains.items() if queue != fact.queue]:
        raise IllegalFactError(f"queue {fact.queue} takes what another is drained of")
    state.drains[fact.queue] = target
    _move_anew(state)


def fold_lift_drain(state: PoolState, fact: DrainLifted) -> None:
    """A queue takes contacts again."""
    if fact.queue not in state.drains:
        raise IllegalFactError(f"queue {fact.queue} is not drained")
    del state.drains[fact.queue]
    _move_anew(state)


def _move_anew(state: PoolState) -> None:
    index = state.index
    index.moving = moving_now(moves_of(state), index.waiting.by_contact, state.contacts)


def fold_change_presence(state: PoolState, fact: PresenceChanged) -> None:
    """An agent's presence, and his place among the idle."""
    before = agent_of(state, fact.agent_id)
    try:
        presence = Presence(fact.status)
    except ValueError:
        raise IllegalFactError(f"presence {fact.status} is unknown") from None
    comes = presence is Presence.AVAILABLE and before.presence is not Presence.AVAILABLE
    idle_since_ms = max(state.now_ms, fact.at_ms) if comes else before.idle_since_ms
    after = replace(before, presence=presence, idle_since_ms=idle_since_ms, missed=0)
    state.agents[after.id] = after
    state.index.change_presence(before, after)
    drop_removed(state, after)


def fold_confirm_presence(state: PoolState, fact: PresenceConfirmed) -> None:
    """Agents are there."""
    at_ms = max(state.now_ms, fact.at_ms)
    watch = state.index.watch
    for agent_id in tuple(watch.seen_ms) if fact.everybody else fact.agents:
        note_seen(state, agent_id, at_ms)
    state.heard_ms = at_ms
    # Whoever was not heard of for too long may have to go offline.
    for agent_id in watch.silent(at_ms - state.rules.vanish_after_ms):
        state.index.evictions.flag(agent_id)


def note_seen(state: PoolState, agent_id: str, at_ms: int) -> None:
    """The agent was heard of, if he is there still. Nothing is noted while the pool does not look for who has vanished."""
    agent = state.agents.get(agent_id)
    if agent is None or not state.rules.vanish_after_ms or agent.seen_ms >= at_ms:
        return
    seen = replace(agent, seen_ms=at_ms)
    state.agents[agent_id] = seen
    state.index.see_agent(seen)
