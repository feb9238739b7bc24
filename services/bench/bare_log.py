"""Reading, copying and appending with nothing else: what a log can do at most, and what the router is compared with.

On Kafka this is aiokafka by itself, with the settings of our writer; on SQLite it is the log's own reader and writer, because there is
nothing below them to use. No record is decoded.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from libs.common.log.batch import BATCH_BYTES_MAX
from libs.common.log.kafka_connection import KafkaConnection, parse_kafka_url, stop_consumer, stop_producer
from libs.common.log.open import open_log
from libs.common.log.port import NewRecord, Reader, Record, Writer
from services.bench.logs import PARTITIONS

BATCH_RECORDS: Final = 500  # As many as the router takes at a time.
RETENTION_DAYS: Final = 14


class BareLog(Protocol):
    """One partition of one stream to read from, and one of another to append to."""

    async def read(self, wait_ms: int) -> Sequence[Any]:
        """Up to `BATCH_RECORDS` records."""
        ...

    async def append(self, records: Sequence[Any]) -> None:
        """Append these, as `read` gave them, in one batch; durable when it returns."""
        ...

    async def send(self, record: NewRecord) -> None:
        """Append one record of ours; durable when it returns."""
        ...


@contextlib.asynccontextmanager
async def open_bare(url: str, source: str, target: str, partition: int, offset: int = 0) -> AsyncIterator[BareLog]:
    """The log at this URL, which exists, with as little between as there can be. Reads `source` from `offset` on, appends to `target`."""
    if url.startswith("kafka://"):
        async with _open_kafka(parse_kafka_url(url), source, target, partition, offset) as bare:
            yield bare
    else:
        log = open_log(url, PARTITIONS, RETENTION_DAYS)
        try:
            await log.connect()
            reader, writer = await log.open_reader(source, {partition: offset}), await log.open_writer("bare")
            yield _BareSqlite(reader, writer, target, partition)
        finally:
            await log.close()


class _BareSqlite:
    def __init__(self, reader: Reader, writer: Writer, target: str, partition: int) -> None:
        self._reader, self._writer, self._target, self._partition = reader, writer, target, partition

    async def read(self, wait_ms: int) -> Sequence[Record]:
        return await self._reader.poll(max_records=BATCH_RECORDS, wait_ms=wait_ms)

    async def append(self, records: Sequence[Record]) -> None:
        copies = [NewRecord(key=record.key, value=record.value, headers=record.headers) for record in records]
        await self._writer.append(self._target, self._partition, copies)

    async def send(self, record: NewRecord) -> None:
        await self._writer.append(self._target, self._partition, (record,))


@contextlib.asynccontextmanager
async def _open_kafka(
    connection: KafkaConnection, source: str, target: str, partition: int, offset: int
) -> AsyncIterator[BareLog]:
    consumer = AIOKafkaConsumer(**connection.arguments("bare"), enable_auto_commit=False)
    producer = AIOKafkaProducer(
        **connection.arguments("bare"),
        enable_idempotence=True,
        acks="all",
        linger_ms=0,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=2 * BATCH_BYTES_MAX,
        compression_type="zstd",
    )
    try:
        await consumer.start()
        await producer.start()
        place = TopicPartition(connection.topic(source), partition)
        consumer.assign([place])
        consumer.seek(place, offset)
        yield _BareKafka(consumer, producer, place, connection.topic(target), partition)
    finally:
        await stop_consumer(consumer)
        await stop_producer(producer)


class _BareKafka:
    def __init__(
        self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, place: TopicPartition, topic: str, partition: int
    ) -> None:
        self._consumer, self._producer, self._place = consumer, producer, place
        self._topic, self._partition = topic, partition

    async def read(self, wait_ms: int) -> Sequence[Any]:
        fetched = await self._consumer.getmany(timeout_ms=wait_ms, max_records=BATCH_RECORDS)
        records: Sequence[Any] = fetched.get(self._place, ())
        return records

    async def append(self, records: Sequence[Any]) -> None:
        builder = self._producer.create_batch()
        for record in records:
            headers = list(record.headers)
            placed = builder.append(timestamp=None, key=record.key, value=record.value, headers=headers)
            assert placed is not None, "the router's batches are smaller than a record batch may be"
        builder.close()
        await (await self._producer.send_batch(builder, self._topic, partition=self._partition))

    async def send(self, record: NewRecord) -> None:
        # Not as batches of one: records that come while one is on its way would queue up behind it, each alone.
        await self._producer.send_and_wait(
            self._topic,
            value=record.value,
            key=record.key.encode(),
            partition=self._partition,
            headers=list(record.headers),
        )
