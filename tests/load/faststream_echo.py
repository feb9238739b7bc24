"""What a common framework does with the same inputs: a FastStream subscriber that is handed each message and publishes it again.

`python -m tests.load.faststream_echo BOOTSTRAP TOPIC INPUTS` reads so many from partition 0 and publishes them to `TOPIC.echo` (both
exist). It prints messages a second and microseconds of processor time each. FastStream is in the dependency group `load` alone.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import uvloop


async def echo(bootstrap: str, topic: str, inputs: int) -> tuple[float, float]:
    """Messages a second and microseconds of processor time each, from the first message on."""
    from faststream.kafka import KafkaBroker, TopicPartition

    broker = KafkaBroker(bootstrap, logger=None)
    done = asyncio.Event()
    count = 0
    started_s = started_cpu_s = ended_s = ended_cpu_s = 0.0

    @broker.subscriber(partitions=[TopicPartition(topic, 0)], auto_offset_reset="earliest")  # type: ignore[untyped-decorator] # Only in `load`.
    @broker.publisher(f"{topic}.echo")  # type: ignore[untyped-decorator] # Only in `load`.
    async def copy(message: dict[str, Any]) -> dict[str, Any]:
        nonlocal count, started_s, started_cpu_s, ended_s, ended_cpu_s
        if not count:
            started_s, started_cpu_s = time.perf_counter(), time.process_time()
        count += 1
        if count == inputs:
            ended_s, ended_cpu_s = time.perf_counter(), time.process_time()
            done.set()
        return message

    async with broker:
        await broker.start()
        await done.wait()
    return inputs / (ended_s - started_s), (ended_cpu_s - started_cpu_s) / inputs * 1e6


if __name__ == "__main__":
    rate, each_us = uvloop.run(echo(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    print(f"{rate:.0f} {each_us:.1f}")
