"""Reading from Kafka: partitions assigned by hand, positions kept by the reader, no group and no committed offsets.

aiokafka fetches and reconnects in the background and says nothing while the broker is away; a reader that hears nothing for
some seconds says so, and goes on by itself later. Its position is that of the last record that `poll` returned, whatever was fetched ahead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka import errors as kafka
from aiokafka.consumer.fetcher import FetchResult

from libs.common.errors import LogClosedError, LogUnavailableError, OffsetOutOfRangeError
from libs.common.log.batch import BATCH_BYTES_MAX
from libs.common.log.kafka_connection import (
    CALL_TIMEOUT_S,
    KafkaConnection,
    describe_error,
    kafka_errors,
    stop_consumer,
)
from libs.common.log.port import Record

_SILENCE_MAX_MS: Final = 8_000  # An idle broker answers every half second.
_FETCH_WAIT_MS: Final = 500
_FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
_REQUEST_TIMEOUT_MS: Final = 10_000
_PREFETCH_PAUSE_S: Final = 60.0


async def start_consumer(connection: KafkaConnection, name: str) -> AIOKafkaConsumer:
    """A consumer without a group that has reached the broker and reads nothing yet. Raises LogUnavailableError."""
    consumer = AIOKafkaConsumer(
        **connection.arguments(name),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
        fetch_max_bytes=_FETCH_BYTES_MAX,
        max_partition_fetch_bytes=4 * BATCH_BYTES_MAX,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
    )
    try:
        async with kafka_errors(f"{connection}: start of a reader"):
            await consumer.start()
    except BaseException:
        await stop_consumer(consumer)
        raise
    # Where a partition's records are not taken within a tenth of a second, aiokafka asks for the other partitions alone; what then comes
    # for the first one waits until that long poll ends, half a second later. So nothing is asked for before all that came was taken.
    consumer._fetcher._prefetch_backoff = _PREFETCH_PAUSE_S
    return consumer


class KafkaReader:
    """See `Reader`. `on_closed` tells the log that it need not close this one any more."""

    def __init__(
        self,
        connection: KafkaConnection,
        consumer: AIOKafkaConsumer,
        stream: str,
        offsets: Mapping[int, int],
        on_closed: Callable[[KafkaReader], None],
    ) -> None:
        assert offsets, "a reader of no partition would never return anything"
        self._connection: Final = connection
        self._consumer = consumer
        self._stream: Final = stream
        self._places: Final = {partition: TopicPartition(connection.topic(stream), partition) for partition in offsets}
        self._offsets = dict(offsets)
        self._on_closed: Final = on_closed
        self._closed = asyncio.Event()
        self._heard_ms = 0
        self._assign()

    async def poll(self, *, max_records: int = 500, wait_ms: int = 0) -> list[Record]:
        """The next records; woken by the fetch that brings them."""
        if self._closed.is_set():
            raise LogClosedError
        if self._consumer._fetcher.error_future.done():
            await self._start_again()
        if wait_ms <= 0:
            await asyncio.sleep(0)  # aiokafka answers from memory; whoever polls in a loop must not stop all else.
        # A poll that waits long looks up now and then, to hear of a close and of a broker that fell silent.
        deadline_s = time.monotonic() + wait_ms / 1000
        while True:
            left_ms = max(0, int((deadline_s - time.monotonic()) * 1000))
            fetched = await self._fetch(max_records, min(left_ms, _FETCH_WAIT_MS))
            records: list[Record] = []
            for place, batch in fetched.items():
                self._offsets[place.partition] = batch[-1].offset + 1
                records += batch
            if records:
                # While there is something in memory nothing is asked of the broker: its silence begins after that.
                self._heard_ms = _now_ms()
                return records
            self._check_heard()
            if time.monotonic() >= deadline_s:
                return records

    def position(self, partition: int) -> int:
        """The offset of the next record of this partition."""
        return self._offsets[partition]

    async def seek(self, partition: int, offset: int) -> None:
        """Go on from this offset; what was fetched ahead is thrown away."""
        self._offsets[partition] = offset
        self._consumer.seek(self._places[partition], offset)

    async def close(self) -> None:
        """Stop reading; a poll that waits ends with LogClosedError."""
        if not self._closed.is_set():
            self._closed.set()
            await stop_consumer(self._consumer)
            self._on_closed(self)

    def _assign(self) -> None:
        _make_records(self._consumer, self._stream)
        # Without an await between the two, or the fetcher would look for a committed offset first.
        self._consumer.assign(list(self._places.values()))
        for partition, place in self._places.items():
            self._consumer.seek(place, self._offsets[partition])
        self._heard_ms = _now_ms()

    async def _fetch(self, max_records: int, wait_ms: int) -> dict[TopicPartition, list[Record]]:
        try:
            fetched: dict[TopicPartition, list[Record]] = await self._consumer.getmany(
                timeout_ms=wait_ms, max_records=max_records
            )
        except kafka.OffsetOutOfRangeError as error:
            raise await self._out_of_range(error) from error
        except kafka.ConsumerStoppedError:
            raise LogClosedError from None
        except kafka.KafkaError as error:
            raise LogUnavailableError(f"{self._stream}: {describe_error(error)}") from error
        if self._closed.is_set():
            raise LogClosedError
        return fetched

    async def _out_of_range(self, error: kafka.OffsetOutOfRangeError) -> OffsetOutOfRangeError:
        ((place, offset),) = error.args[0].items()
        async with kafka_errors(f"{self._stream}: begin of partition {place.partition}"):
            begin = (await self._consumer.beginning_offsets([place]))[place]
        return OffsetOutOfRangeError(self._stream, place.partition, offset, begin)

    def _check_heard(self) -> None:
        """Raises LogUnavailableError when the broker of some partition has not answered a fetch for too long."""
        now_ms = _now_ms()
        for partition, place in self._places.items():
            heard_ms = max(self._heard_ms, self._consumer.last_poll_timestamp(place) or 0)
            if now_ms - heard_ms > _SILENCE_MAX_MS:
                raise LogUnavailableError(
                    f"{self._stream}/{partition}: the broker has not answered for {now_ms - heard_ms} ms"
                )

    async def _start_again(self) -> None:
        """After a failure inside aiokafka that it does not get over by itself. Raises LogUnavailableError."""
        await stop_consumer(self._consumer)
        self._consumer = await start_consumer(self._connection, f"reader-{self._stream}")
        self._assign()


def _make_records(consumer: AIOKafkaConsumer, stream: str) -> None:
    """Have aiokafka make our records while it unpacks what it fetched, in place of its own, which take as long again."""
    fetcher = consumer._fetcher
    fetch = fetcher._proc_fetch_request

    def make(place: TopicPartition, record: Any) -> Record:
        headers = record.headers
        # What we write always has a key, a value and headers with values; others may write, too.
        for _, value in headers:
            if value is None:
                headers = [(name, value or b"") for name, value in headers]
                break
        return Record(
            stream=stream,
            partition=place.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            key=(record.key or b"").decode("utf-8", "replace"),
            value=record.value or b"",
            headers=tuple(headers),
        )

    async def fetch_ours(*arguments: Any) -> bool:
        fetched: bool = await fetch(*arguments)
        # Whoever waits is told of what came after this has returned, so that nothing was unpacked yet.
        for result in fetcher._records.values():
            if isinstance(result, FetchResult) and result._partition_records is not None:
                result._partition_records._consumer_record = make
        return fetched

    fetcher._proc_fetch_request = fetch_ours


async def read_offset(consumer: AIOKafkaConsumer, place: TopicPartition, *, end: bool) -> int:
    """The offset at which a partition begins or ends. Raises LogUnavailableError."""
    async with kafka_errors(f"{place.topic}/{place.partition}: offsets", CALL_TIMEOUT_S):
        ask = consumer.end_offsets if end else consumer.beginning_offsets
        offset: int = (await ask([place]))[place]
        return offset


def _now_ms() -> int:
    # The clock by which aiokafka notes when it heard from the broker; never part of anything that is decided.
    return time.time_ns() // 1_000_000
