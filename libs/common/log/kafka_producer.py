"""Writing to Kafka: one append stands whole inside one record batch of an idempotent producer.

While a record batch is on its way, further callers' batches for the same partition gather and go out together, each in one piece.
After any failure the writer is broken: what the broker made of the batch is unknown, and the producer's sequence numbers have a hole.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from libs.common.errors import BatchTooLargeError, LogClosedError, LogUnavailableError
from libs.common.log.batch import BATCH_BYTES_MAX, check_batch
from libs.common.log.kafka_connection import (
    CLOSE_TIMEOUT_S,
    KafkaConnection,
    describe_error,
    kafka_errors,
    stop_producer,
)
from libs.common.log.port import Appended, NewRecord

# Longer than a killed broker needs to come back, so that a router rides through it.
APPEND_TIMEOUT_S: Final = 30.0

_WATCH_INTERVAL_S: Final = 1.0
_GROUP_BYTES_MAX: Final = 256 * 1024
_PENDING_BYTES_MAX: Final = 256 * 1024 * 1024
_REQUEST_TIMEOUT_MS: Final = 10_000
_LOG_APPEND_TIME: Final = 1

Row = tuple[bytes, bytes, list[tuple[str, bytes]]]  # As the client wants them.


@dataclass(slots=True, eq=False)
class _Batch:
    rows: list[Row]
    size: int
    future: asyncio.Future[Appended]


class _Lane:
    """The batches on their way to one partition, in the order of the calls."""

    def __init__(self, stream: str, topic: str, partition: int) -> None:
        self.stream: Final = stream
        self.topic: Final = topic
        self.partition: Final = partition
        self.waiting: deque[_Batch] = deque()
        self.sent: list[_Batch] = []
        self.sent_s = 0.0
        self.task: asyncio.Task[None] | None = None

    def take_group(self) -> list[_Batch]:
        """The next batches for one record batch: at least one, and more while they are small."""
        group = [self.waiting.popleft()]
        size = group[0].size
        while self.waiting and size + self.waiting[0].size <= _GROUP_BYTES_MAX:
            size += self.waiting[0].size
            group.append(self.waiting.popleft())
        return group


async def start_producer(connection: KafkaConnection, name: str) -> AIOKafkaProducer:
    """An idempotent producer that has reached the broker. Raises LogUnavailableError."""
    producer = AIOKafkaProducer(
        **connection.arguments(name),
        enable_idempotence=True,
        acks="all",
        linger_ms=0,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=2 * BATCH_BYTES_MAX,
        compression_type="zstd",
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
    )
    try:
        async with kafka_errors(f"{connection}: start of a writer"):
            await producer.start()
    except BaseException:
        await stop_producer(producer)
        raise
    return producer


class KafkaWriter:
    """See `Writer`. `on_closed` tells the log that it need not close this one any more."""

    def __init__(
        self, connection: KafkaConnection, producer: AIOKafkaProducer, on_closed: Callable[[KafkaWriter], None]
    ) -> None:
        self._connection: Final = connection
        self._producer: Final = producer
        self._on_closed: Final = on_closed
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._loop: Final = asyncio.get_running_loop()
        self._pending_bytes = 0
        self._watching = False
        self._broken = False
        self._ending: asyncio.Task[None] | None = None

    async def append(self, stream: str, partition: int, records: Sequence[NewRecord]) -> Appended:
        """Append one batch; returns once all in-sync replicas have it. A caller that is cancelled does not stop it."""
        if self._broken:
            raise LogClosedError
        # What is not Unicode must fail here, with its caller, and not among the batches of others; the measuring looks at the names.
        size = check_batch(records)
        rows = [(record.key.encode(), record.value, list(record.headers)) for record in records]
        if self._pending_bytes + size > _PENDING_BYTES_MAX:
            self._break("too many appends wait for the broker")
            raise LogUnavailableError("too many appends wait for the broker")
        future: asyncio.Future[Appended] = self._loop.create_future()
        lane = self._lanes.get((stream, partition))
        if lane is None:
            lane = self._lanes[stream, partition] = _Lane(stream, self._connection.topic(stream), partition)
        self._pending_bytes += size
        lane.waiting.append(_Batch(rows, size, future))
        if lane.task is None or lane.task.done():
            lane.task = asyncio.create_task(self._send_all(lane), name=f"append {stream}/{partition}")
        if not self._watching:
            self._watching = True
            self._loop.call_later(_WATCH_INTERVAL_S, self._watch)
        return await future

    async def close(self) -> None:
        """Let appends under way end, for a while, then end the producer."""
        if self._ending is None:
            self._broken = True
            tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
            if tasks:
                await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_S)
            self._break("the writer was closed")
        assert self._ending is not None
        await asyncio.shield(self._ending)

    def _watch(self) -> None:
        """One timer for all appends: a time-out for each costs more than all the rest of an append."""
        late_s = self._loop.time() - APPEND_TIMEOUT_S
        for lane in self._lanes.values():
            if lane.sent and lane.sent_s < late_s:
                place = f"{lane.stream}/{lane.partition}"
                self._break(f"{place}: the broker did not confirm an append within {APPEND_TIMEOUT_S} s")
        self._watching = any(lane.sent or lane.waiting for lane in self._lanes.values())
        if self._watching:
            self._loop.call_later(_WATCH_INTERVAL_S, self._watch)

    async def _send_all(self, lane: _Lane) -> None:
        while lane.waiting:
            lane.sent, lane.sent_s = lane.take_group(), self._loop.time()
            try:
                await self._send(lane)
            except Exception as error:  # Told to the callers: an outage as such, a bug as what it is.
                self._break(f"{lane.stream}/{lane.partition}: {describe_error(error)}", error)
                return
            self._pending_bytes -= sum(batch.size for batch in lane.sent)
            lane.sent = []

    async def _send(self, lane: _Lane) -> None:
        if self._producer._sender.sender_task.done():
            raise KafkaError("the client's sending has ended")  # Or the batch would wait for nobody.
        builder = self._producer.create_batch()
        place = builder._builder.append  # What is around it asks for each record what is the same for all.
        now_ms = time.time_ns() // 1_000_000  # Not kept: the topics have the broker's time.
        count = 0
        for batch in lane.sent:
            for key, value, headers in batch.rows:
                placed = place(count, now_ms, key, value, headers)
                assert placed is not None, "the bound of a batch is below the producer's"
                count += 1
        builder._relative_offset = count
        builder.close()  # Or aiokafka would add what others send one by one.
        told = await (await self._producer.send_batch(builder, lane.topic, partition=lane.partition))
        if told.offset < 0 or told.timestamp_type != _LOG_APPEND_TIME:
            # The answer to a repetition that the broker no longer remembers, or a topic whose settings were changed.
            raise KafkaError(f"the broker told no offset or time (offset {told.offset}, time {told.timestamp})")
        offset = told.offset
        for batch in lane.sent:
            after = offset + len(batch.rows)
            if not batch.future.done():
                batch.future.set_result(
                    Appended(first_offset=offset, last_offset=after - 1, timestamp_ms=told.timestamp)
                )
            offset = after

    def _break(self, reason: str, cause: Exception | None = None) -> None:
        """Fail everything that is under way and end the producer, so that nothing is written late without need."""
        self._broken = True
        for lane in self._lanes.values():
            for batch in (*lane.sent, *lane.waiting):
                if not batch.future.done():
                    batch.future.set_exception(_translate(reason, cause, alone=lane.sent == [batch]))
                    batch.future.exception()  # Its caller may be gone.
            lane.sent, lane.waiting = [], deque()
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name="end of a writer")

    async def _end(self) -> None:
        await stop_producer(self._producer)
        for lane in self._lanes.values():
            if lane.task is not None and not lane.task.done():
                lane.task.cancel()
                await asyncio.wait([lane.task])
        self._on_closed(self)


def _translate(reason: str, cause: Exception | None, *, alone: bool) -> Exception:
    if cause is not None and not isinstance(cause, KafkaError):
        return cause
    if alone and isinstance(cause, MessageSizeTooLargeError):
        return BatchTooLargeError(reason)
    return LogUnavailableError(reason)
