"""A log whose beginning is gone begins with its oldest snapshot, told as facts."""

from __future__ import annotations

from libs.common.events.pool import AgentConfiguration, QueueConfiguration
from libs.common.log.memory import MemoryLog
from libs.common.testing.builders import POOL
from services.router.core.model import new_state
from services.router.core.step import apply, check
from services.router.simulator.recorded_start import find_start, state_as_facts
from tests.unit.router.pool import Pool


def test_a_pool_comes_out_of_its_facts_as_it_was() -> None:
    # given a pool with one agent who is there, one on a break and one who never came, and a contact in hand
    agents = (
        AgentConfiguration(id="anna", name="Anna", skills={"orders": 3}, capacity={"email": 2}, units=4),
        AgentConfiguration(id="bruno", name="Bruno"),
        AgentConfiguration(id="carla", name="Carla"),
    )
    pool = Pool(queues=(QueueConfiguration(id="orders", target_ms=30_000, strategy="longest_idle"),), agents=agents)
    pool.presence("anna")
    pool.presence("bruno", "break")
    pool.active("anna")

    # when
    again = new_state(POOL)
    for fact in state_as_facts(pool.state):
        apply(again, fact)

    # then who is there and what is configured is the same; what was in hand is not told
    check(again)
    assert again.queues == pool.state.queues
    assert again.rules == pool.state.rules
    told = [(agent.id, agent.presence, agent.skills, agent.capacity, agent.units) for agent in again.agents.values()]
    assert told == [
        (agent.id, agent.presence, agent.skills, agent.capacity, agent.units) for agent in pool.state.agents.values()
    ]
    assert again.contacts == {}


def test_a_pool_of_which_nothing_was_heard_has_no_facts() -> None:
    assert state_as_facts(new_state(POOL)) == []


async def test_a_whole_log_begins_with_its_first_fact() -> None:
    log = MemoryLog(2)
    await log.connect()

    start = await find_start(log, 0)

    assert (start.offset, start.term, start.facts) == (0, None, ())
