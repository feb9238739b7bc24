"""What stands on a log, read from the outside: for tests that check the whole history after the fact."""

from __future__ import annotations

from typing import Any

from libs.common.events.codec import decode_event
from libs.common.log.fence import Fence
from libs.common.log.port import EventLog, Record
from libs.common.log.streams import ROUTING_EVENTS


async def read_records(log: EventLog, stream: str) -> list[Record]:
    """Every record of a stream, partition by partition, in order."""
    records: list[Record] = []
    for partition in range(log.partitions(stream)):
        end = await log.end_offset(stream, partition)
        reader = await log.open_reader(stream, {partition: await log.begin_offset(stream, partition)})
        while reader.position(partition) < end:
            records += await reader.poll(max_records=1000, wait_ms=1000)
        await reader.close()
    return records


async def read_stream(log: EventLog, stream: str) -> list[Any]:
    """Every event of a stream."""
    return [decode_event(record) for record in await read_records(log, stream)]


async def admitted_facts(log: EventLog, stream: str = ROUTING_EVENTS) -> list[Any]:
    """The facts that count: without what deposed writers wrote."""
    fences: dict[int, Fence] = {}
    return [
        decode_event(record)
        for record in await read_records(log, stream)
        if fences.setdefault(record.partition, Fence(None)).admit(record)
    ]
