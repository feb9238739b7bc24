"""Membership in a Kafka consumer group that reads nothing: it only says who should work on which partition.

The group's consumer is polled so that the broker takes it for alive and so that its background failures come out, but all its partitions
are paused. Rebalances are eager (all there is in aiokafka): everything is revoked and assigned anew. Revocation, leaving and every failure
take one path, `_release`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from libs.common.errors import LogUnavailableError
from libs.common.log.kafka_connection import KafkaConnection, describe_error, kafka_errors, stop_consumer
from libs.common.log.port import OnAssigned, OnRevoked

SESSION_TIMEOUT_MS: Final = 10_000  # How long a killed member's partitions stay without one.

_REBALANCE_TIMEOUT_MS: Final = 60_000  # How long a member may take to hand its partitions on.
_POLL_MS: Final = 500
_BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)

_T = TypeVar("_T")

_log: Final = logging.getLogger(__name__)


class KafkaClaim:
    """See `Claim`. `on_closed` tells the log that it need not close this one any more.

    An exception in a callback is a bug of the caller: the member leaves, the event loop's exception handler hears of it, and
    `close` raises it again.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        group: str,
        stream: str,
        on_assigned: OnAssigned,
        on_revoked: OnRevoked,
        *,
        session_timeout_ms: int,
        on_closed: Callable[[KafkaClaim], None],
    ) -> None:
        self._connection: Final = connection
        self._group: Final = group
        self._stream: Final = stream
        self._on_assigned: Final = on_assigned
        self._on_revoked: Final = on_revoked
        self._session_timeout_ms: Final = session_timeout_ms
        self._on_closed: Final = on_closed
        self._held: frozenset[int] = frozenset()
        self._calling: Final = asyncio.Lock()
        self._leaving: Final = asyncio.Event()
        self._bug: BaseException | None = None
        self._task = asyncio.create_task(self._run(), name=f"claim {group} {stream}")

    async def close(self) -> None:
        """Leave: `on_revoked` for what is held, then the others may have it. Raises what a callback raised."""
        self._leaving.set()
        await asyncio.shield(self._task)
        self._on_closed(self)
        if self._bug is not None:
            raise self._bug

    async def _run(self) -> None:
        failures = 0
        while not self._leaving.is_set():
            try:
                async with self._member() as consumer:
                    while await self._unless_leaving(consumer.getmany(timeout_ms=_POLL_MS)) is not None:
                        failures = 0
            except (KafkaError, LogUnavailableError) as error:
                _log.warning("lost membership in group %s, joining again: %s", self._group, describe_error(error))
                await self._unless_leaving(asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]))
                failures += 1

    @contextlib.asynccontextmanager
    async def _member(self) -> Any:
        """A consumer that is in the group, or joining; whatever ends the work with it, its partitions are released first."""
        consumer = AIOKafkaConsumer(
            **self._connection.arguments(f"claim-{self._group}"),
            group_id=self._connection.prefix + self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=self._session_timeout_ms // 3,
            rebalance_timeout_ms=_REBALANCE_TIMEOUT_MS,
        )
        listener = _Listener(consumer, self._assign, self._release)
        try:
            async with kafka_errors(f"{self._connection}: group {self._group}"):
                await consumer.start()
            consumer.subscribe([self._connection.topic(self._stream)], listener=listener)
            yield consumer
        finally:
            listener.active = False
            await self._release()
            await stop_consumer(consumer)

    async def _assign(self, partitions: frozenset[int]) -> None:
        async with self._calling:
            if not partitions or self._leaving.is_set():
                return
            self._held = partitions
            await self._call(self._on_assigned, partitions)

    async def _release(self) -> None:
        async with self._calling:
            held, self._held = self._held, frozenset()
            if held:
                await self._call(self._on_revoked, held)

    async def _call(self, callback: OnAssigned, partitions: frozenset[int]) -> None:
        # aiokafka would log what a callback raises, and go on.
        try:
            await callback(partitions)
        except Exception as error:
            self._bug = error
            self._leaving.set()
            context = {"message": "a claim's callback failed; the member leaves", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    async def _unless_leaving(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """The work's result; None when it was cut off because the member leaves."""
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            return None
        finally:
            working.cancel()
            leaving.cancel()
            await asyncio.wait({working, leaving})


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka ships no types.
    """Passes a consumer's rebalances on while that consumer is the member."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        assign: Callable[[frozenset[int]], Coroutine[Any, Any, None]],
        release: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._consumer: Final = consumer
        self._assign: Final = assign
        self._release: Final = release
        self.active = True

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause, so that nothing is fetched, then tell."""
        places = list(assigned)
        self._consumer.pause(*places)
        if self.active:
            await self._assign(frozenset(place.partition for place in places))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Told before the group may give them to another member."""
        if self.active:
            await self._release()
