"""Where a recording begins. A log that is whole begins with its first fact; one whose beginning is gone, with its oldest snapshot.

A snapshot is told as facts: the configuration and the presences that it holds. Contacts that were open then are not among what is
recorded. Reads the log and writes nothing; called by `recording`.
"""

from __future__ import annotations

from dataclasses import dataclass

from libs.common.events.pool import AgentConfiguration, Calendar
from libs.common.events.routing import PoolConfigured, PoolFact, PresenceChanged
from libs.common.log.port import EventLog
from libs.common.log.streams import ROUTING_EVENTS
from services.router.core.entities import Presence
from services.router.core.model import PoolState
from services.router.core.snapshot import restore
from services.router.recovery import RecoveryImpossibleError
from services.router.snapshot import read_snapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The offset and term to read on with, and what holds there."""

    offset: int
    term: int | None
    facts: tuple[PoolFact, ...]


async def find_start(log: EventLog, partition: int) -> Start:
    """The start of a partition's recording. Raises RecoveryImpossibleError where its beginning is gone and no snapshot helps."""
    begin = await log.begin_offset(ROUTING_EVENTS, partition)
    if begin == 0:
        return Start(offset=0, term=None, facts=())
    stored = await read_snapshots(log, partition)
    usable = [snapshot for snapshot in stored.snapshots if snapshot.manifest.next_output >= begin]
    if not usable:
        raise RecoveryImpossibleError(f"partition {partition} begins at {begin} and no snapshot reaches that far")
    oldest = usable[-1]
    facts = [fact for name, chunks in oldest.pools for fact in state_as_facts(restore(name, chunks))]
    return Start(offset=oldest.manifest.next_output, term=oldest.manifest.term, facts=tuple(facts))


def state_as_facts(state: PoolState) -> list[PoolFact]:
    """A pool's configuration and who is there, as the facts that would lead to them."""
    if state.version is None:
        return []
    agents = [agent for agent in state.agents.values() if not agent.removed]
    configured = PoolConfigured(
        pool=state.pool,
        at_ms=state.now_ms,
        version=state.version,
        queues=tuple(state.queues.values()),
        agents=tuple(
            AgentConfiguration(
                id=agent.id,
                name=agent.id,
                skills=agent.skills,
                capacity=agent.capacity,
                units=agent.units,
                shift=agent.shift,
            )
            for agent in agents
        ),
        channel_targets_ms=state.channel_targets_ms,
        channels=tuple(state.channels.values()),
        rules=state.rules,
        calendars=tuple(
            Calendar(id=calendar.id, spans=calendar.spans, until_ms=calendar.until_ms)
            for calendar in state.calendars.values()
        ),
    )
    presences = [
        PresenceChanged(pool=state.pool, at_ms=state.now_ms, agent_id=agent.id, status=agent.presence.value)
        for agent in agents
        if agent.presence is not Presence.OFFLINE
    ]
    return [configured, *presences]
