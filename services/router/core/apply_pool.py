"""Folding the configuration and presences. Called by `apply` alone, which checks pool and time."""

from __future__ import annotations

from msgspec.structs import replace

from libs.common.events.routing import PoolConfigured, PresenceChanged
from services.router.core.apply_shared import agent_of, drop_removed, is_gone
from services.router.core.entities import Agent, Presence
from services.router.core.model import PoolState, rebuild_index
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
        )
    for agent in state.agents.values():
        if agent.id not in agents and not is_gone(state, agent):
            agents[agent.id] = replace(agent, removed=True)
    state.version = fact.version
    state.queues = {queue.id: queue for queue in fact.queues}
    state.channels = {channel.id: channel for channel in fact.channels}
    targets = {channel.id: channel.target_ms for channel in fact.channels if channel.target_ms is not None}
    state.channel_targets_ms = {**fact.channel_targets_ms, **targets}
    state.rules = fact.rules
    state.agents = agents
    state.now_ms = at_ms
    rebuild_index(state)


def fold_change_presence(state: PoolState, fact: PresenceChanged) -> None:
    """An agent's presence, and his place among the idle."""
    before = agent_of(state, fact.agent_id)
    try:
        presence = Presence(fact.status)
    except ValueError:
        raise IllegalFactError(f"presence {fact.status} is unknown") from None
    comes = presence is Presence.AVAILABLE and before.presence is not Presence.AVAILABLE
    idle_since_ms = max(state.now_ms, fact.at_ms) if comes else before.idle_since_ms
    after = replace(before, presence=presence, idle_since_ms=idle_since_ms)
    state.agents[after.id] = after
    state.index.change_presence(before, after)
    drop_removed(state, after)
