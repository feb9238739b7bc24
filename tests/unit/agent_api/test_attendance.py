"""Who is there, as the router is told."""

from __future__ import annotations

import asyncio

from libs.common.clock import VirtualClock
from libs.common.configuration.load import parse_configuration
from libs.common.events.codec import decode_event
from libs.common.events.inputs import AgentsSeen
from libs.common.log.memory import MemoryLog
from libs.common.log.publisher import Publisher
from libs.common.log.streams import ROUTING_INPUTS
from services.agent_api.attendance import EVERY_MS, Attendance, tell_attendance
from services.agent_api.hub import Hub, Subscription
from tests.support.waiting import eventually

CONFIGURATION = """\
pools: {care: {}, calm: {routing: {vanish_after: 0s}}}
queues: {a: {pool: care}, b: {pool: calm}}
agents: {anna: {name: A, pool: care}, bruno: {name: B, pool: care}, carla: {name: C, pool: calm}}
"""


async def told(clock: VirtualClock, log: MemoryLog, times: int) -> bool:
    """Whether the router was told so often; time passes with each look."""
    if await log.end_offset(ROUTING_INPUTS, 0) < times:
        clock.advance_ms(EVERY_MS // 15)
        return False
    return True


async def test_tells_of_open_streams_and_of_who_asked_and_of_nobody_too() -> None:
    # given two agents with a stream, of whom one closed it, and one who only asks now and then
    clock, log = VirtualClock(), MemoryLog(1)
    hub, attendance = Hub(), Attendance()
    publisher = Publisher(log, "test", clock=clock)
    await publisher.start()
    there = Subscription("anna", frozenset(), lambda code: None, own_pool="care")
    hub.add(there)
    hub.add(Subscription("carla", frozenset(), lambda code: None, own_pool="calm"))
    attendance.note("care", "bruno")
    attendance.note(None, "an administrator")
    telling = asyncio.create_task(
        tell_attendance(parse_configuration(CONFIGURATION), attendance, hub, publisher, clock)
    )
    try:
        # when time passes twice, and the stream ends in between
        await eventually(lambda: told(clock, log, 1))
        hub.remove(there)
        await eventually(lambda: told(clock, log, 2))
    finally:
        telling.cancel()
        await publisher.close()
    # then each time the pool that looks is told, also that nobody is there
    reader = await log.open_reader(ROUTING_INPUTS, {0: 0})
    records = await reader.poll()
    await reader.close()
    assert [decode_event(record) for record in records] == [
        AgentsSeen(pool="care", agents=("anna", "bruno")),
        AgentsSeen(pool="care", agents=()),
    ]
