"""The order in which a batch is made: words before the fact that needs them, nothing of a deposed writer."""

from __future__ import annotations

import asyncio

from libs.common.clock import VirtualClock
from libs.common.events.codec import encode_record
from libs.common.events.routing import WriterStarted
from libs.common.log.memory import MemoryLog
from libs.common.log.port import Record
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS
from libs.common.store import Position
from libs.common.testing.builders import a_contact_queued
from services.agent_api.tailer import Alarm, Lane
from services.agent_api.view import Advance


def a_record(
    stream: str,
    offset: int,
    *,
    partition: int = 0,
    term: int | None = None,
    cause: int | None = None,
    written_ms: int = 0,
) -> Record:
    event = a_contact_queued() if cause is not None else WriterStarted(writer_id="w")
    new = encode_record(
        event, key="care", event_id="e", source="s", time_ms=0, correlation_id="c", term=term, input_offset=cause
    )
    return Record(
        stream=stream,
        partition=partition,
        offset=offset,
        timestamp_ms=written_ms,
        key=new.key,
        value=new.value,
        headers=new.headers,
    )


async def a_lane(stream: str, next_offset: int = 0, term: int | None = None) -> Lane:
    log = MemoryLog(partitions=2)
    reader = await log.open_reader(stream, {0: 0, 1: 0})
    position = Position(next_offset=next_offset, term=term)
    return Lane(stream, reader, {0: position, 1: position})


async def test_a_fact_waits_for_the_input_that_it_comes_from() -> None:
    # given facts of the inputs 0 and 1, of which only the first was read
    inputs, events = await a_lane(ROUTING_INPUTS), await a_lane(ROUTING_EVENTS)
    inputs.pending = [a_record(ROUTING_INPUTS, 0)]
    events.pending = [
        a_record(ROUTING_EVENTS, 0),
        a_record(ROUTING_EVENTS, 1, term=0, cause=0),
        a_record(ROUTING_EVENTS, 2, term=0, cause=1),
        a_record(ROUTING_EVENTS, 3, term=0, cause=0),
    ]

    # when
    inputs.take(inputs)
    taken, advances = events.take(inputs)

    # then what waits holds up its own partition
    assert [record.offset for record in taken] == [0, 1]
    assert advances == {(ROUTING_EVENTS, 0): Advance(from_offset=0, next_offset=2, term=0)}

    # when the input has come
    inputs.pending = [a_record(ROUTING_INPUTS, 1)]
    inputs.take(inputs)
    taken, advances = events.take(inputs)

    # then
    assert [record.offset for record in taken] == [2, 3]
    assert advances == {(ROUTING_EVENTS, 0): Advance(from_offset=2, next_offset=4, term=0)}
    assert events.pending == []


async def test_what_pools_say_is_read_in_the_order_in_which_it_was_written() -> None:
    # given a fact whose input was not read yet, and what another partition wrote before and after it
    inputs, events = await a_lane(ROUTING_INPUTS), await a_lane(ROUTING_EVENTS, term=None)
    events.pending = [
        a_record(ROUTING_EVENTS, 0, written_ms=1),
        a_record(ROUTING_EVENTS, 1, term=0, cause=0, written_ms=5),
        a_record(ROUTING_EVENTS, 0, partition=1, written_ms=3),
        a_record(ROUTING_EVENTS, 1, partition=1, written_ms=7),
    ]
    # when / then: what is older does not wait
    taken, _ = events.take(inputs)
    assert [record.timestamp_ms for record in taken] == [1, 3]
    # and what is newer may be about a contact that was handed over by it
    inputs.pending = [a_record(ROUTING_INPUTS, 0)]
    inputs.take(inputs)
    taken, _ = events.take(inputs)
    assert [record.timestamp_ms for record in taken] == [5, 7]
    assert events.pending == []


async def test_what_a_deposed_writer_writes_moves_the_position_and_nothing_else() -> None:
    # given a partition that was taken over at offset 3
    inputs, events = await a_lane(ROUTING_INPUTS, next_offset=9), await a_lane(ROUTING_EVENTS, next_offset=2, term=0)
    events.pending = [
        a_record(ROUTING_EVENTS, 2, term=0, cause=1),
        a_record(ROUTING_EVENTS, 3),
        a_record(ROUTING_EVENTS, 4, term=0, cause=2),
        a_record(ROUTING_EVENTS, 5, term=3, cause=2),
    ]

    # when
    taken, advances = events.take(inputs)

    # then
    assert [record.offset for record in taken] == [2, 3, 5]
    assert advances == {(ROUTING_EVENTS, 0): Advance(from_offset=2, next_offset=6, term=3)}


async def test_the_earliest_time_counts() -> None:
    # given an alarm that is to ring at two times
    clock = VirtualClock()
    alarm = Alarm(clock)
    alarm.ring_in(500)
    alarm.ring_in(20)
    alarm.ring_in(100)

    # when
    waiting = asyncio.create_task(alarm.wait())
    await asyncio.sleep(0)
    clock.advance_ms(20)

    # then
    await asyncio.wait_for(waiting, 5)
    alarm.stop()


async def test_what_rings_at_once_makes_the_rest_unnecessary() -> None:
    # given
    clock = VirtualClock()
    alarm = Alarm(clock)
    alarm.ring_in(20)
    alarm.ring()
    await asyncio.wait_for(alarm.wait(), 5)

    # when
    waiting = asyncio.create_task(alarm.wait())
    await asyncio.sleep(0)
    clock.advance_ms(1_000)
    for _ in range(10):
        await asyncio.sleep(0)

    # then it does not ring a second time
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
