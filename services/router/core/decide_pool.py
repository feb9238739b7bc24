"""Deciding what a new configuration of the pool does.

Queues and agents are replaced as a whole. Agents that stay keep their presence and what they have in hand; new ones start offline;
what those have who are gone is taken back in settling. Contacts keep what they were queued with (skills, due time, offer time-out), also
when their queue is gone.
"""

from __future__ import annotations

from msgspec.structs import replace

from libs.common.events.inputs import ConfigurePool
from libs.common.events.pool import AgentConfiguration
from libs.common.events.routing import PoolConfigured, PoolFact
from services.router.core import limits, policies
from services.router.core.model import PoolState
from services.router.core.refusals import RefusalReason, refuse


def configure_pool(state: PoolState, event: ConfigurePool, now_ms: int) -> list[PoolFact]:
    """The version in force again changes nothing. Of two queues or agents with one id the later counts, in the first's place.

    Levels and capacities outside their bounds are moved to the nearest.
    """
    if event.version == state.version:
        return []
    problem = _limit_problem(event)
    if problem is not None:
        return [refuse(event, RefusalReason.LIMIT_REACHED, problem, event.version, now_ms)]
    queues = {queue.id: queue for queue in event.queues}
    agents = {agent.id: agent for agent in event.agents}
    return [
        PoolConfigured(
            pool=state.pool,
            at_ms=now_ms,
            version=event.version,
            queues=tuple(queues.values()),
            agents=tuple(_bounded(agent) for agent in agents.values()),
            channel_targets_ms=event.channel_targets_ms,
        )
    ]


def _bounded(agent: AgentConfiguration) -> AgentConfiguration:
    return replace(
        agent,
        skills=policies.bounded_levels(agent.skills),
        capacity={
            channel: policies.bound(places, 0, limits.CAPACITY_MAX) for channel, places in agent.capacity.items()
        },
    )


def _limit_problem(event: ConfigurePool) -> str | None:
    if len(event.queues) > limits.QUEUES_MAX:
        return f"A pool has at most {limits.QUEUES_MAX} queues."
    if len(event.agents) > limits.AGENTS_MAX:
        return f"A pool has at most {limits.AGENTS_MAX} agents."
    if len(event.channel_targets_ms) > limits.CHANNELS_MAX:
        return f"A pool has targets for at most {limits.CHANNELS_MAX} channels."
    skills: dict[str, None] = {}
    for agent in event.agents:
        if len(agent.skills) > limits.SKILLS_PER_AGENT_MAX:
            return f"An agent has at most {limits.SKILLS_PER_AGENT_MAX} skills."
        if len(agent.capacity) > limits.CHANNELS_MAX:
            return f"An agent's capacity names at most {limits.CHANNELS_MAX} channels."
        skills.update(dict.fromkeys(agent.skills))
    for queue in event.queues:
        if len(queue.skills) > limits.SKILLS_PER_CONTACT_MAX:
            return f"A queue asks for at most {limits.SKILLS_PER_CONTACT_MAX} skills."
    if len(skills) > limits.SKILLS_MAX:
        return f"The agents of a pool have at most {limits.SKILLS_MAX} different skills."
    return None
