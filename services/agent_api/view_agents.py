"""Folds what the router says about agents and queues themselves. No I/O. Called by `view_routing`."""

from __future__ import annotations

from libs.common.events import routing
from services.agent_api.presentation import drain_body, presence_body
from services.agent_api.store.rows import AgentRow, QueueRow
from services.agent_api.store.workset import Workset
from services.agent_api.view_frames import finish_command, tell


def configure_pool(rows: Workset, fact: routing.PoolConfigured, _entry_id: str) -> None:
    """The pool has these queues and agents now. What is not named any more stays as a row, because contacts name it."""
    named_queues = {queue.id for queue in fact.queues}
    for row in list(rows.queues.present()):
        if row.pool == fact.pool and row.queue not in named_queues:
            gone = rows.queues.change((row.pool, row.queue))
            gone.active = False
            gone.drained = False
            gone.draining_to = None
    for queue in fact.queues:
        known = rows.queues.get((fact.pool, queue.id))
        rows.queues.put(
            QueueRow(
                pool=fact.pool,
                queue=queue.id,
                skills=dict(queue.skills),
                target_ms=queue.target_ms,
                priority=queue.priority,
                offer_timeout_ms=queue.offer_timeout_ms or 0,
                wrap_up_ms=queue.wrap_up_ms or 0,
                pull=queue.pull,
                changed=True if known is None else known.changed,
                announced_ms=0 if known is None else known.announced_ms,
                step_us=None if known is None else known.step_us,
                patience_us=None if known is None else known.patience_us,
                opens_ms=None if known is None else known.opens_ms,
                drained=known is not None and known.drained,
                draining_to=None if known is None or known.draining_to not in named_queues else known.draining_to,
            )
        )
    named_agents = {agent.id for agent in fact.agents}
    for agent_row in list(rows.agents.present()):
        # An agent that another pool has taken over is that pool's to configure.
        if agent_row.pool == fact.pool and agent_row.agent_id not in named_agents:
            rows.agents.change(agent_row.agent_id).active = False
    costs = {
        channel.id: [channel.units, 0 if channel.hold_frees_room else channel.units]
        for channel in fact.channels
        if channel.units
    }
    for agent in fact.agents:
        known_agent = rows.agents.get(agent.id)
        rows.agents.put(
            AgentRow(
                agent_id=agent.id,
                pool=fact.pool,
                name=agent.name,
                role=agent.role,
                skills=dict(agent.skills),
                capacity=dict(agent.capacity),
                units=agent.units,
                unit_costs=None if agent.units is None else costs,
                presence="offline" if known_agent is None else known_agent.presence,
                presence_ms=fact.at_ms if known_agent is None else known_agent.presence_ms,
            )
        )


def drain_queue(rows: Workset, fact: routing.QueueDrained, _entry_id: str) -> None:
    """The queue is let run empty."""
    _show_drain(rows, fact, "drain-queue", drained=True, to=fact.to_queue)


def lift_drain(rows: Workset, fact: routing.DrainLifted, _entry_id: str) -> None:
    """The queue takes contacts again."""
    _show_drain(rows, fact, "lift-drain", drained=False, to=None)


def _show_drain(
    rows: Workset, fact: routing.QueueDrained | routing.DrainLifted, kind: str, *, drained: bool, to: str | None
) -> None:
    key = (fact.pool, fact.queue)
    if rows.queues.get(key) is None:
        rows.queues.put(QueueRow(pool=fact.pool, queue=fact.queue))
    queue = rows.queues.change(key)
    queue.drained = drained
    queue.draining_to = to
    rows.touched_queues.add(key)
    finish_command(rows, fact.command_id, kind, drain_body(queue), at_ms=fact.at_ms)


def change_presence(rows: Workset, fact: routing.PresenceChanged, _entry_id: str) -> None:
    """The agent's presence is another one."""
    known = rows.agents.get(fact.agent_id)
    agent = (
        rows.agents.put(AgentRow(agent_id=fact.agent_id, pool=fact.pool, name=fact.agent_id))
        if known is None
        else rows.agents.change(fact.agent_id)
    )
    agent.presence = fact.status
    agent.presence_ms = fact.at_ms
    body = presence_body(agent)
    finish_command(rows, fact.command_id, "set-presence", body, at_ms=fact.at_ms)
    tell(rows, "presence.changed", body, pool=fact.pool, agent_id=fact.agent_id, at_ms=fact.at_ms)
