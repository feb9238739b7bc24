"""How many inputs a second one partition's worker decides, on each log, beside a bare loop that reads, copies and appends on Kafka.

`python -m tests.load.router_throughput [memory] [sqlite] [kafka] [--inputs N]`. Not a test: what is worth keeping is the ratio of worker
to bare loop within one run, which is printed last. The inputs are whole lives of contacts (message, accept, resolve), decided
beforehand by the core alone, so that every log is given the same. Each contact asks for a skill that one agent has, so that whom
it is offered to does not depend on the logs' times.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from libs.common import ids
from libs.common.clock import SystemClock
from libs.common.configuration.models import Agent, Configuration, Pool, Queue
from libs.common.events.codec import encode_record
from libs.common.events.inputs import AcceptOffer, AnyInput, ContactReceived, ResolveContact, SetPresence
from libs.common.events.message import Message
from libs.common.events.routing import ContactAssigned, OfferMade
from libs.common.lifecycle import tune_garbage_collector
from libs.common.log.kafka import KafkaLog
from libs.common.log.kafka_connection import KafkaConnection
from libs.common.log.memory import MemoryLog
from libs.common.log.port import EventLog, NewRecord
from libs.common.log.sqlite import SqliteLog
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS
from services.router.core.step import new_state, step
from services.router.pools import configured_pools, pool_configuration
from services.router.tenure import Partition, begin_tenure
from tests.parts.kafka import obtain_kafka
from tests.support.routing import DeadLetterBox, Notes, a_settings

POOL: Final = "care"
SKILLS: Final = tuple(f"skill{number}" for number in range(20))
AGENTS: Final = 1000
RUNS: Final = 3
_BATCH: Final = 400


def a_configuration() -> Configuration:
    """A pool of many agents with four skills each."""
    return Configuration(
        pools={POOL: Pool()},
        queues={f"queue{n}": Queue(pool=POOL, offer_timeout_ms=3_600_000, target_ms=60_000) for n in range(10)},
        agents={
            f"agent{number}": Agent(
                name=f"Agent {number}",
                pool=POOL,
                skills={
                    f"own{number}": 3,
                    **{SKILLS[(number % 50 + offset) % 20]: 1 + (number + offset) % 5 for offset in (0, 3, 7)},
                },
                capacity={"email": 3},
            )
            for number in range(AGENTS)
        },
    )


def make_inputs(configuration: Configuration, count: int) -> tuple[list[AnyInput], int]:
    """The lives of contacts as inputs, and how many facts follow from them."""
    state = new_state(POOL)
    now_ms = SystemClock().now_ms()
    inputs: list[AnyInput] = []
    facts_count = 0
    answers: deque[AnyInput] = deque()
    resolves: deque[AnyInput] = deque()

    def give(event: AnyInput) -> None:
        nonlocal facts_count
        inputs.append(event)
        facts = step(state, event, now_ms)
        facts_count += len(facts)
        for fact in facts:
            if isinstance(fact, OfferMade):
                command = f"accept-{fact.offer_id}"
                answers.append(
                    AcceptOffer(pool=POOL, command_id=command, agent_id=fact.agent_id, offer_id=fact.offer_id)
                )
            elif isinstance(fact, ContactAssigned):
                command = f"resolve-{fact.contact_id}"
                resolves.append(
                    ResolveContact(pool=POOL, command_id=command, agent_id=fact.agent_id, contact_id=fact.contact_id)
                )

    give(pool_configuration(configuration, POOL))
    for agent in configuration.agents:
        give(
            SetPresence(pool=POOL, command_id=f"in-{agent}", agent_id=agent, target_agent_id=agent, status="available")
        )
    number = 0
    while len(inputs) < count:
        number += 1
        give(_a_message(number, now_ms))
        if answers:
            give(answers.popleft())
        if len(resolves) > 500:
            give(resolves.popleft())
    return inputs, facts_count


def _a_message(number: int, now_ms: int) -> ContactReceived:
    message_id = ids.message_id("support-mail", f"provider-{number}")
    return ContactReceived(
        pool=POOL,
        contact_id=ids.contact_id(message_id),
        queue=f"queue{number % 10}",
        skills={f"own{number % AGENTS}": 1 + number % 3},
        message=Message(
            id=message_id,
            thread_id=ids.thread_id("support-mail", f"mailto:{number}@example.com"),
            account="support-mail",
            channel="email",
            provider_id=f"provider-{number}",
            handle=f"mailto:{number}@example.com",
            received_ms=now_ms,
            name="Luca Rossi",
            subject="Where is my order?",
            text="It was due on Monday, and nobody answers the phone. " * 3,
        ),
    )


def encode_inputs(inputs: Sequence[AnyInput]) -> list[NewRecord]:
    """The inputs as records."""
    now_ms = SystemClock().now_ms()
    return [
        encode_record(
            event, key=POOL, event_id=f"{number}", source="load", time_ms=now_ms, correlation_id=f"corr-{number}"
        )
        for number, event in enumerate(inputs)
    ]


async def preload(log: EventLog, records: Sequence[NewRecord]) -> None:
    """Put the inputs on the log."""
    writer = await log.open_writer("load")
    for start in range(0, len(records), _BATCH):
        await writer.append(ROUTING_INPUTS, 0, records[start : start + _BATCH])
    await writer.close()


class _Countdown(Notes):
    """Stops the worker once it has decided so many inputs."""

    def __init__(self, inputs: int, stop: asyncio.Event) -> None:
        super().__init__()
        self._left = inputs
        self._stop = stop

    def decided(self, inputs: int, seconds: float) -> None:
        self._left -= inputs
        if self._left <= 0:
            self._stop.set()


async def run_worker(log: EventLog, configuration: Configuration, inputs: int) -> tuple[float, int]:
    """Seconds that a worker takes for all inputs on the log, and how many facts it appended."""
    stop = asyncio.Event()
    notes = _Countdown(inputs, stop)
    partition = Partition(
        number=0,
        log=log,
        clock=SystemClock(),
        settings=a_settings(),
        configured=configured_pools(configuration, 0, 1),
        dead_letters=DeadLetterBox(),
        observer=notes,
    )
    tenure = await begin_tenure(partition, stop)
    started_s = time.perf_counter()

    await tenure.serve()
    seconds = time.perf_counter() - started_s
    await tenure.close()
    return seconds, len(notes.facts)


async def run_bare_loop(connection: KafkaConnection, inputs: int) -> float:
    """Seconds that aiokafka takes to read as many records, copy them into batches and append those, idempotent, acks=all."""
    source = TopicPartition(connection.topic(ROUTING_INPUTS), 0)
    target = connection.topic(ROUTING_EVENTS)
    consumer = AIOKafkaConsumer(bootstrap_servers=connection.bootstrap, max_partition_fetch_bytes=4_000_000)
    producer = AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap, enable_idempotence=True, max_batch_size=1_000_000
    )
    await consumer.start()
    await producer.start()
    consumer.assign([source])
    consumer.seek(source, 0)
    count = 0
    started_s = time.perf_counter()
    while count < inputs:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=500)).values():
            batch = producer.create_batch()
            for record in records:
                assert batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers)), (
                    "the batch is full"
                )
            await (await producer.send_batch(batch, target, partition=0))
            count += len(records)
    seconds = time.perf_counter() - started_s
    await consumer.stop()
    await producer.stop()
    return seconds


class Bench:
    """The inputs, and the runs over them."""

    def __init__(self, inputs: int) -> None:
        self.configuration = a_configuration()
        events, self.facts = make_inputs(self.configuration, inputs)
        self.records = encode_inputs(events)
        size = sum(len(record.value) for record in self.records) / len(self.records)
        print(f"{len(self.records)} inputs of {size:.0f} bytes, {self.facts / len(self.records):.2f} facts each")

    async def measure(self, name: str, logs: Sequence[EventLog]) -> float:
        """The median rate over some logs, inputs a second."""
        rates = []
        used_s = 0.0
        for log in logs:
            await log.connect()
            await preload(log, self.records)
            before_s = time.process_time()
            seconds, facts = await run_worker(log, self.configuration, len(self.records))
            used_s += time.process_time() - before_s
            assert facts == self.facts, f"{facts} facts instead of {self.facts}"
            rates.append(len(self.records) / seconds)
            await log.close()
        each_us = used_s / len(logs) / len(self.records) * 1e6
        shown = ", ".join(f"{rate:,.0f}" for rate in rates)
        print(f"{name}: {statistics.median(rates):,.0f} inputs/s of {shown}; {each_us:.1f} us of processor each")
        return statistics.median(rates)

    async def measure_core(self) -> None:
        """What deciding alone takes."""
        from libs.common.events.codec import decode_event
        from libs.common.log.port import Record

        records = [
            Record(
                stream=ROUTING_INPUTS,
                partition=0,
                offset=offset,
                timestamp_ms=SystemClock().now_ms(),
                key=record.key,
                value=record.value,
                headers=record.headers,
            )
            for offset, record in enumerate(self.records)
        ]
        state: Any = new_state(POOL)
        started_s = time.perf_counter()
        for record in records:
            step(state, decode_event(record), record.timestamp_ms)
        print(f"decode and step alone: {len(records) / (time.perf_counter() - started_s):,.0f} inputs/s")

    async def measure_kafka(self) -> None:
        """The worker and the bare loop on a real broker."""
        broker = await asyncio.to_thread(obtain_kafka)
        await asyncio.to_thread(broker.start)
        try:
            connections = [
                KafkaConnection(bootstrap=broker.bootstrap, prefix=f"{ids.new_id('load')}.") for _ in range(RUNS)
            ]
            worker = await self.measure("kafka", [KafkaLog(connection, 1) for connection in connections])
            bare = [
                len(self.records) / await run_bare_loop(connection, len(self.records)) for connection in connections
            ]
            print(f"bare loop: {statistics.median(bare):,.0f} records/s of {', '.join(f'{r:,.0f}' for r in bare)}")
            print(f"worker / bare loop: {worker / statistics.median(bare):.2f}")
        finally:
            await asyncio.to_thread(broker.close)


async def main(logs: Sequence[str], inputs: int) -> None:
    """Measure on these logs."""
    bench = Bench(inputs)
    tune_garbage_collector()
    await bench.measure_core()
    if "memory" in logs:
        await bench.measure("memory", [MemoryLog(1) for _ in range(RUNS)])
    if "sqlite" in logs:
        folder = Path(tempfile.mkdtemp(prefix="centralino-load-"))
        try:
            await bench.measure("sqlite", [SqliteLog(folder / f"{run}.db", 1) for run in range(RUNS)])
        finally:
            shutil.rmtree(folder)
    if "kafka" in logs:
        await bench.measure_kafka()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", nargs="*", default=["memory", "sqlite", "kafka"])
    parser.add_argument("--inputs", type=int, default=30_000)
    arguments = parser.parse_args()
    uvloop.run(main(arguments.logs, arguments.inputs))
