"""The router's background work: claim partitions, keep one worker on each, let go of them in order.

The group only suggests who should work on what; the log decides who counts. Revocation and shutdown take the same path: finish the batch
in hand, close the writer, then the partition is free. Called by the service; it must not look into what is decided.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from libs.common.clock import Clock
from libs.common.configuration.models import Configuration
from libs.common.errors import OutageError
from libs.common.http.health import Health
from libs.common.lifecycle import retrying
from libs.common.log.port import Claim, EventLog
from libs.common.log.streams import ROUTING_INPUTS
from libs.common.logging import get_logger
from libs.common.metrics import Metrics
from services.router.deliveries import DeposedError
from services.router.metrics import PartitionMetrics
from services.router.partition import PartitionWorker, Phase
from services.router.pools import configured_pools, openings_by_pool
from services.router.settings import RouterSettings
from services.router.tenure import DeadLetterOffice, Partition

GROUP: Final = "router"
LOG: Final = "log"
CLAIM: Final = "claim"

_SHOW_EVERY_MS: Final = 5_000
_DEPOSED_FIRST_MS: Final = 1_000
_DEPOSED_LAST_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One partition that we were given, its task, and the worker in it at the moment."""

    task: asyncio.Task[None]
    metrics: PartitionMetrics


class Runner:
    """See the module. `run` until it is cancelled."""

    def __init__(
        self,
        log: EventLog,
        configuration: Configuration,
        settings: RouterSettings,
        *,
        clock: Clock,
        health: Health,
        metrics: Metrics,
        dead_letters: DeadLetterOffice,
    ) -> None:
        self._log: Final = log
        self._configuration: Final = configuration
        self._settings: Final = settings
        self._clock: Final = clock
        self._health: Final = health
        self._metrics: Final = metrics
        self._dead_letters: Final = dead_letters
        self._works: dict[int, _Work] = {}
        self._workers: dict[int, PartitionWorker] = {}
        self._phases: dict[int, Phase] = {}
        self._failed: asyncio.Future[None] | None = None

    @property
    def workers(self) -> Mapping[int, PartitionWorker]:
        """The workers by partition."""
        return self._workers

    async def run(self) -> None:
        """Work until cancelled. Whatever it raises is a bug in a worker, or a log that must not be gone on with."""
        self._failed = asyncio.get_running_loop().create_future()
        await retrying(LOG, self._log.connect, health=self._health, clock=self._clock)
        claim = await retrying(CLAIM, self._join, health=self._health, clock=self._clock)
        show = asyncio.create_task(self._show(), name="router metrics")
        try:
            await asyncio.wait((self._failed, show), return_when=asyncio.FIRST_COMPLETED)
            for ended in (self._failed, show):
                if ended.done():
                    ended.result()
        finally:
            show.cancel()
            self._health.set(CLAIM, ok=False, detail="leaving")
            await claim.close()

    async def _join(self) -> Claim:
        return await self._log.claim(GROUP, ROUTING_INPUTS, self._take, self._release)

    async def _take(self, partitions: frozenset[int]) -> None:
        """We are given these partitions: begin to work on them."""
        for number in sorted(partitions):
            get_logger("router").info("partition assigned", partition=number)
            metrics = PartitionMetrics(self._metrics, number)
            configured = configured_pools(self._configuration, number, self._log.partitions(ROUTING_INPUTS))
            partition = Partition(
                number=number,
                log=self._log,
                clock=self._clock,
                settings=self._settings,
                configured=configured,
                openings=openings_by_pool(self._configuration, configured),
                dead_letters=self._dead_letters,
                observer=metrics,
            )
            task = asyncio.create_task(self._work(partition), name=f"router partition {number}")
            task.add_done_callback(self._report)
            self._works[number] = _Work(task=task, metrics=metrics)
        self._metrics.partitions_owned.set(len(self._works))

    async def _release(self, partitions: frozenset[int]) -> None:
        """These partitions are to be another's: finish the batches in hand and let go. Returns when nothing of ours writes any more."""
        given = {number: self._works.pop(number) for number in sorted(partitions) if number in self._works}
        for number, work in given.items():
            worker = self._workers.get(number)
            if worker is not None and self._phases.get(number) is Phase.LIVE:
                worker.stop()
            else:
                # Nothing is in hand: it recovers, or waits to try again. That may take longer than the others wait for us.
                work.task.cancel()
        if given:
            await asyncio.wait([work.task for work in given.values()])
        for number, work in given.items():
            work.metrics.forget()
            self._health.remove(_part(number))
            get_logger("router").info("partition released", partition=number)
        self._metrics.partitions_owned.set(len(self._works))

    async def _work(self, partition: Partition) -> None:
        """One worker after another while the partition is ours: a deposed one leaves time for whoever deposed it to be right."""
        pause_ms = _DEPOSED_FIRST_MS
        while True:
            worker = PartitionWorker(partition, self._hear)
            self._workers[partition.number] = worker
            began_ms = self._clock.now_ms()
            try:
                await worker.run()
            except DeposedError as deposed:
                if worker.stopping:
                    return  # The partition was taken from us, and its new owner was quicker than we were.
                if self._clock.now_ms() - began_ms > _DEPOSED_LAST_MS:
                    pause_ms = _DEPOSED_FIRST_MS
                self._health.set(_part(partition.number), ok=False, detail=str(deposed))
                get_logger("router").warning(
                    "deposed", partition=partition.number, why=str(deposed), again_in_ms=pause_ms
                )
            else:
                return
            finally:
                del self._workers[partition.number]
            await self._clock.sleep_ms(pause_ms)
            pause_ms = min(pause_ms * 2, _DEPOSED_LAST_MS)

    def _hear(self, partition: int, phase: Phase, detail: str) -> None:
        self._phases[partition] = phase
        self._health.set(_part(partition), ok=phase is Phase.LIVE, detail=f"{phase.value} {detail}".strip())

    def _report(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed is None or self._failed.done():
            return
        error = task.exception()
        if error is not None:
            self._failed.set_exception(error)

    async def _show(self) -> None:
        """Keep the gauges true while the partitions are ours."""
        while True:
            for number, work in tuple(self._works.items()):
                work.metrics.show(self._clock.now_ms(), await self._lag(number))
            await self._clock.sleep_ms(_SHOW_EVERY_MS)

    async def _lag(self, partition: int) -> int | None:
        worker = self._workers.get(partition)
        if worker is None or worker.tenure is None:
            return None
        appended_input = worker.tenure.appended_input
        try:
            return max(0, await self._log.end_offset(ROUTING_INPUTS, partition) - appended_input)
        except OutageError:
            return None  # The worker's own calls tell of the outage; an old lag is better than a wrong one.


def _part(partition: int) -> str:
    return f"partition {partition}"
