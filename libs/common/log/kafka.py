"""The event log on Kafka: several machines, several replicas.

One append is one record batch, so it is there whole or not at all, and no transactions are needed. Retention goes by time alone: the router
writes a snapshot at least daily, and `connect` refuses a retention of less than two days, so the newest snapshot is always older
than nothing that it needs. aiokafka is pinned: the parts here know its behaviour, and some of its private names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.common.errors import LogClosedError, LogUnavailableError
from libs.common.log.kafka_claim import SESSION_TIMEOUT_MS, KafkaClaim
from libs.common.log.kafka_connection import KafkaConnection, stop_consumer
from libs.common.log.kafka_consumer import KafkaReader, read_offset, start_consumer
from libs.common.log.kafka_producer import KafkaWriter, start_producer
from libs.common.log.kafka_topics import ensure_topics
from libs.common.log.port import OnAssigned, OnRevoked
from libs.common.log.streams import stream_specs


class _Closable(Protocol):
    async def close(self) -> None: ...


_OpenedT = TypeVar("_OpenedT", bound=_Closable)


class KafkaLog:
    """See the module. Belongs to the event loop in which `connect` is called."""

    def __init__(
        self,
        connection: KafkaConnection,
        partitions: int = 4,
        *,
        retention_days: int = 14,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
    ) -> None:
        self._connection: Final = connection
        self._retention_days: Final = retention_days
        self._session_timeout_ms: Final = session_timeout_ms
        self._specs: Final = stream_specs(partitions=partitions)
        self._connecting: Final = asyncio.Lock()
        self._look: AIOKafkaConsumer | None = None
        self._claims: set[KafkaClaim] = set()
        self._opened: set[_Closable] = set()
        self._closed = False

    async def connect(self) -> None:
        """Reach the brokers, make the topics that are missing, check all. Raises LogUnavailableError and LogMismatchError."""
        async with self._connecting:
            if self._closed:
                raise LogClosedError
            if self._look is None:
                await ensure_topics(self._connection, self._specs, retention_days=self._retention_days)
                self._look = await start_consumer(self._connection, "offsets")

    async def close(self) -> None:
        """Leave every group, end every writer and reader; takes some seconds when the broker is away."""
        async with self._connecting:
            if self._closed:
                return
            self._closed = True
        # The claims first: whoever works on a partition still needs its writer while it hands the partition on.
        await asyncio.gather(*(claim.close() for claim in tuple(self._claims)))
        await asyncio.gather(*(opened.close() for opened in tuple(self._opened)))
        if self._look is not None:
            await stop_consumer(self._look)

    def partitions(self, stream: str) -> int:
        """How many partitions the stream has."""
        return self._specs[stream].partitions

    async def open_writer(self, name: str) -> KafkaWriter:
        """A writer with an idempotent producer of its own."""
        self._looking()
        writer = KafkaWriter(self._connection, await start_producer(self._connection, name), self._opened.discard)
        return await self._keep(writer)

    async def open_reader(self, stream: str, offsets: Mapping[int, int]) -> KafkaReader:
        """A reader with a consumer of its own."""
        self._looking()
        consumer = await start_consumer(self._connection, f"reader-{stream}")
        return await self._keep(KafkaReader(self._connection, consumer, stream, offsets, self._opened.discard))

    async def claim(self, group: str, stream: str, on_assigned: OnAssigned, on_revoked: OnRevoked) -> KafkaClaim:
        """Join a group. Returns at once; it goes on trying while the broker is away."""
        self._looking()
        claim = KafkaClaim(
            self._connection,
            group,
            stream,
            on_assigned,
            on_revoked,
            session_timeout_ms=self._session_timeout_ms,
            on_closed=self._claims.discard,
        )
        self._claims.add(claim)
        return claim

    async def begin_offset(self, stream: str, partition: int) -> int:
        """The offset at which the broker begins to serve the partition."""
        return await read_offset(self._looking(), self._place(stream, partition), end=False)

    async def end_offset(self, stream: str, partition: int) -> int:
        """One after the newest record that all in-sync replicas have."""
        return await read_offset(self._looking(), self._place(stream, partition), end=True)

    async def trim(self, stream: str, partition: int, before_offset: int) -> None:
        """Nothing: the broker lets records go by their age alone."""
        self._looking()

    async def _keep(self, opened: _OpenedT) -> _OpenedT:
        """Remember what to close; the log may have been closed while it was opened."""
        self._opened.add(opened)
        if self._closed:
            await opened.close()
            raise LogClosedError
        return opened

    def _looking(self) -> AIOKafkaConsumer:
        if self._closed:
            raise LogClosedError
        if self._look is None:
            raise LogUnavailableError(f"{self._connection} is not connected yet")
        return self._look

    def _place(self, stream: str, partition: int) -> TopicPartition:
        return TopicPartition(self._connection.topic(stream), partition)
