"""A process's connection to the memory log: an `EventLog` whose calls take time, fail, arrive late, or never come back.

Between a process and the log stands the network: an append travels by itself, so that it may land after its process died, or after
its caller was told that it failed. What goes wrong is drawn from the world's one source of chance.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from libs.common.errors import LogClosedError, LogUnavailableError
from libs.common.log.membership import Member
from libs.common.log.memory import MemoryLog
from libs.common.log.port import Appended, NewRecord, OnAssigned, OnRevoked, Reader, Record
from tests.simulation.process import Process, outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How likely is what, per call. Times are seconds of virtual time."""

    latency_s: float = 0.002
    append_lost: float = 0.0  # Fails, and was not written.
    answer_lost: float = 0.0  # Fails, and was written.
    append_late: float = 0.0  # Fails, and is written some time afterwards.
    append_slow: float = 0.0  # Succeeds, some time afterwards.
    slow_s: float = 20.0
    read_fails: float = 0.0
    crash_before_append: float = 0.0
    crash_after_append: float = 0.0
    crash_at_read: float = 0.0


CALM = Weather()
STORM = Weather(
    append_lost=0.004,
    answer_lost=0.004,
    append_late=0.004,
    append_slow=0.01,
    read_fails=0.001,
    crash_before_append=0.003,
    crash_after_append=0.003,
    crash_at_read=0.001,
)


class Sky:
    """The weather that all connections are under, and the chance that they draw from."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.weather = CALM
        self.under_way: dict[asyncio.Task[None], None] = {}

    def set(self, weather: Weather) -> None:
        """From now on it is like this."""
        self.weather = replace(weather)

    def happens(self, probability: float) -> bool:
        """Draw."""
        return probability > 0 and self.rng.random() < probability

    async def travel(self) -> None:
        """The time that one call takes."""
        await asyncio.sleep(self.rng.uniform(0.2, 2.0) * self.weather.latency_s)

    async def calm_down(self) -> None:
        """Return when nothing is on its way any more."""
        while self.under_way:
            await asyncio.wait(list(self.under_way))


class Connection:
    """See the module; it implements `EventLog` for one process."""

    def __init__(self, log: MemoryLog, sky: Sky, process: Process) -> None:
        self.log = log
        self.sky = sky
        self.process = process
        self.claims: list[SimulatedClaim] = []
        process.on_death.append(self._die)

    async def connect(self) -> None:
        await self.call()

    async def close(self) -> None:
        """Claims and the rest are closed by whoever opened them."""

    def partitions(self, stream: str) -> int:
        return self.log.partitions(stream)

    async def open_writer(self, name: str) -> SimulatedWriter:
        await self.call()
        return SimulatedWriter(self, name)

    async def open_reader(self, stream: str, offsets: Mapping[int, int]) -> SimulatedReader:
        await self.call()
        return SimulatedReader(self, await self.log.open_reader(stream, offsets))

    async def claim(self, group: str, stream: str, on_assigned: OnAssigned, on_revoked: OnRevoked) -> SimulatedClaim:
        await self.call()
        claim = SimulatedClaim(self, group, stream, on_assigned, on_revoked)
        await claim.join()
        self.claims.append(claim)
        return claim

    async def begin_offset(self, stream: str, partition: int) -> int:
        await self.call()
        return await self.log.begin_offset(stream, partition)

    async def end_offset(self, stream: str, partition: int) -> int:
        await self.call()
        return await self.log.end_offset(stream, partition)

    async def trim(self, stream: str, partition: int, before_offset: int) -> None:
        await self.call()
        await self.log.trim(stream, partition, before_offset)

    async def call(self) -> None:
        """A call of the log goes out: it takes its time, and may be the last thing that the process does."""
        if self.process.dead:
            raise LogClosedError
        if self.sky.happens(self.sky.weather.crash_at_read):
            await self.crash()
        await self.sky.travel()
        await self.process.awake()
        if self.sky.happens(self.sky.weather.read_fails):
            raise LogUnavailableError("the network dropped a call")

    async def crash(self) -> None:
        """The process dies here; this does not return."""
        self.process.kill()
        await asyncio.Future()

    def _die(self) -> None:
        for claim in self.claims:
            claim.abandon()


class SimulatedWriter:
    """See `Writer`."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._closed = False

    async def append(self, stream: str, partition: int, records: Sequence[NewRecord]) -> Appended:
        connection, sky = self._connection, self._connection.sky
        if self._closed or connection.process.dead:
            raise LogClosedError
        weather = sky.weather
        if sky.happens(weather.crash_before_append):
            await connection.crash()
        delay_s = sky.rng.uniform(0, weather.slow_s) if sky.happens(weather.append_slow) else 0.0
        try:
            if sky.happens(weather.append_lost):
                await sky.travel()
                raise LogUnavailableError("the append was lost")
            late = sky.happens(weather.append_late)
            if late:
                delay_s = sky.rng.uniform(0, weather.slow_s)
            arrival: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
            delivery = outside(
                self._deliver(stream, partition, tuple(records), delay_s, arrival), f"append of {self._name}"
            )
            sky.under_way[delivery] = None
            delivery.add_done_callback(lambda task: sky.under_way.pop(task, None))
            if late:
                await sky.travel()
                raise LogUnavailableError("the append was not answered in time")
            appended = await asyncio.shield(arrival)
            if sky.happens(weather.crash_after_append):
                await connection.crash()
            await connection.process.awake()
            if sky.happens(weather.answer_lost):
                raise LogUnavailableError("the answer was lost")
        except LogUnavailableError:
            self._closed = True
            raise
        return appended

    async def close(self) -> None:
        self._closed = True

    async def _deliver(
        self,
        stream: str,
        partition: int,
        records: Sequence[NewRecord],
        delay_s: float,
        arrival: asyncio.Future[Appended],
    ) -> None:
        connection = self._connection
        await asyncio.sleep(delay_s)
        await connection.sky.travel()
        # A process that stands still has its packets in its own queues; those of one that died are on the network.
        await connection.process.resumed()
        writer = await connection.log.open_writer(self._name)
        arrival.set_result(await writer.append(stream, partition, records))


class SimulatedReader:
    """See `Reader`."""

    def __init__(self, connection: Connection, reader: Reader) -> None:
        self._connection = connection
        self._reader = reader

    async def poll(self, *, max_records: int = 500, wait_ms: int = 0) -> list[Record]:
        # What comes must not be lost between the log and its reader: everything that may fail comes first.
        await self._connection.call()
        return await self._reader.poll(max_records=max_records, wait_ms=wait_ms)

    def position(self, partition: int) -> int:
        return self._reader.position(partition)

    async def seek(self, partition: int, offset: int) -> None:
        await self._reader.seek(partition, offset)

    async def close(self) -> None:
        await self._reader.close()


class SimulatedClaim:
    """See `Claim`. The coordinator may take a process that stands still for dead; it learns of that when it goes on."""

    def __init__(
        self, connection: Connection, group: str, stream: str, on_assigned: OnAssigned, on_revoked: OnRevoked
    ) -> None:
        self._connection = connection
        self._group = group
        self._stream = stream
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._held: set[int] = set()
        self._busy = False
        self._lost = False
        self._closed = False
        self._member: Member | None = None

    async def join(self) -> None:
        """Become a member."""
        self._lost = False
        self._member = await self._connection.log.claim(self._group, self._stream, self._assigned, self._revoked)

    def lose(self) -> bool:
        """The coordinator gives what is held to others, without this process hearing of it. False in the middle of a handover."""
        if self._busy or self._lost or self._closed or self._member is None:
            return False
        self._lost = True
        self._member.abandon()
        return True

    async def hear_of_loss(self) -> None:
        """The process hears that it was thought dead: it lets go of what it held, and joins again."""
        held = frozenset(self._held)
        if self._lost and not self._closed:
            await self._revoked(held)
            if not self._closed:
                await self.join()

    def abandon(self) -> None:
        """The process is dead, and the coordinator finds out."""
        self._closed = True
        if self._member is not None and not self._lost:
            self._member.abandon()

    async def close(self) -> None:
        if self._closed or self._connection.process.dead:
            return
        self._closed = True
        if self._lost:
            await self._revoked(frozenset(self._held))
        elif self._member is not None:
            await self._member.close()

    async def _assigned(self, partitions: frozenset[int]) -> None:
        self._busy = True
        try:
            self._held |= partitions
            await self._on_assigned(partitions)
        finally:
            self._busy = False

    async def _revoked(self, partitions: frozenset[int]) -> None:
        self._busy = True
        try:
            await self._on_revoked(partitions)
            self._held -= partitions
        finally:
            self._busy = False
