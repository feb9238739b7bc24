"""The world of one seed: a memory log, routers that crash and stand still, customers and agents, and what is checked of it all.

A run is made of stretches. In each the weather is bad for a while and everything may happen; then it clears up, everybody comes back, the
routers catch up, and everything that must be true is checked. A further service joins by a class like `Router`: a process, a
`Connection` of its own, and its checks in `check`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

from libs.common.events.codec import encode_record
from libs.common.events.inputs import AnyInput, TimeAdvanced
from libs.common.http.health import Health
from libs.common.log.dlq import DeadLetters
from libs.common.log.memory import MemoryLog
from libs.common.log.port import NewRecord
from libs.common.log.publisher import Publisher
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS, partition_of
from libs.common.metrics import Metrics
from services.router.core.invariants import check
from services.router.core.snapshot import state_equal
from services.router.pools import configured_pools
from services.router.recovery import recover
from services.router.replay import replay_partition
from services.router.runner import CLAIM, LOG, Runner
from services.router.settings import RouterSettings
from tests.simulation.connection import CALM, STORM, Connection, Sky, Weather
from tests.simulation.history import History, require
from tests.simulation.installation import POOLS, QUEUES, a_world_configuration
from tests.simulation.people import Agents, Customers
from tests.simulation.process import Process, outside, track_tasks
from tests.simulation.virtual_loop import LoopClock

PARTITIONS = 2
_CATCH_UP_S = 3_600


class Router:
    """One router: a process with the real runner in it."""

    def __init__(self, world: World, number: int) -> None:
        self.process = Process(f"router {number}")
        self.connection = Connection(world.log, world.sky, self.process)
        self.metrics = Metrics()
        publisher = Publisher(self.connection, "router dead letters", clock=world.clock)
        self.runner = Runner(
            self.connection,
            world.configuration,
            world.settings,
            clock=world.clock,
            health=Health(LOG, CLAIM),
            metrics=self.metrics,
            dead_letters=DeadLetters(publisher, "router", ratio_max=1.0),
        )
        self._publisher = publisher
        self.task = self.process.spawn(self._run(), "main")

    async def _run(self) -> None:
        await self._publisher.start()
        try:
            await self.runner.run()
        finally:
            await self._publisher.close()

    def check_alive(self) -> None:
        """Raise what it failed with, if it failed."""
        if self.task.done() and not self.process.dead:
            self.task.result()
            raise AssertionError(f"{self.process.name} has ended by itself")

    async def stop(self) -> None:
        """A clean end, as by SIGTERM."""
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled():
            self.task.result()


class World:
    """See the module."""

    def __init__(self, seed: int, *, routers: int = 2, settings: RouterSettings | None = None) -> None:
        track_tasks(asyncio.get_running_loop())
        self.rng = random.Random(seed)
        self.clock = LoopClock()
        # Without retention a snapshot lets go of all that it may: whatever recovery needs beyond that is missed at once.
        self.log = MemoryLog(PARTITIONS, self.clock, retention_days=self.rng.choice((0, 14)))
        self.sky = Sky(self.rng)
        self.settings = settings or RouterSettings(
            log="memory:",
            router_poll_records_max=self.rng.choice((1, 7, 500)),
            router_batch_records_max=self.rng.choice((2, 10, 2000)),
            router_snapshot_records=self.rng.choice((20, 100, 100_000)),
            router_snapshot_interval_ms=60_000,
            router_snapshot_chunk_bytes=1024,
        )
        self.configuration = a_world_configuration(self.rng)
        self.routers: dict[int, Router] = {}
        self.crashes = 0
        self.stalls = 0
        self.people: dict[asyncio.Task[None], None] = {}
        self.customers = {pool: Customers(self, pool, tuple(f"{pool}-{queue}" for queue in QUEUES)) for pool in POOLS}
        self.agents = {
            pool: Agents(
                self,
                pool,
                tuple(f"{pool}-agent{number}" for number in range(4)),
                tuple(f"{pool}-{queue}" for queue in QUEUES),
            )
            for pool in POOLS
        }
        self.histories = {number: History() for number in range(PARTITIONS)}
        self._read = dict.fromkeys(range(PARTITIONS), 0)
        self._sent = 0
        self._storm = False
        self._wanted = range(routers)
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._background = [outside(self._watch(number), f"watch {number}") for number in range(PARTITIONS)]
        for task in self._background:
            task.add_done_callback(self._hear_of_end)

    def now_ms(self) -> int:
        """The time."""
        return self.clock.now_ms()

    async def send(self, event: AnyInput, *, beside: str | None = None) -> None:
        """Append an input, as ingest or the agents' service does: it is there when this returns.

        `beside`: the pool in whose partition it goes, where that is not its own.
        """
        self._sent += 1
        record = encode_record(
            event,
            key=event.pool,
            event_id=f"event-{self._sent}",
            source="simulation",
            time_ms=self.now_ms(),
            correlation_id=f"correlation-{self._sent}",
        )
        await self.append(beside or event.pool, record)

    async def append(self, pool: str, record: NewRecord) -> None:
        """Append a record to a pool's inputs."""
        await asyncio.sleep(self.rng.uniform(0, 0.01))
        writer = await self.log.open_writer("world")
        await writer.append(ROUTING_INPUTS, partition_of(pool, PARTITIONS), (record,))

    def start(self, action: Coroutine[Any, Any, None], name: str) -> None:
        """Let something happen beside."""
        task = outside(action, name)
        self.people[task] = None
        task.add_done_callback(lambda done: self.people.pop(done, None))
        task.add_done_callback(self._hear_of_end)

    async def run_stretch(self, duration_s: float, weather: Weather = STORM) -> None:
        """A while in which everything may happen, and then the check of everything."""
        self._storm = True
        self.sky.set(weather)
        for pool in POOLS:
            self.customers[pool].writing = self.agents[pool].working = True
            self.start(self.customers[pool].write(), f"customers of {pool}")
            self.start(self.agents[pool].attend(), f"attendance of {pool}")
            for number in range(4):
                self.start(self.agents[pool].live(f"{pool}-agent{number}"), f"life of {pool}-agent{number}")
            self.start(self.agents[pool].oversee(), f"oversight of {pool}")
        if self.rng.random() < 0.5:
            self.configuration = a_world_configuration(self.rng)
        keepers = [outside(self._keep(number), f"keeper {number}") for number in self._wanted]
        rubbish = outside(self._send_rubbish(), "rubbish")
        await self._pass_time(duration_s, keepers)
        self._storm = False
        self.sky.set(CALM)
        rubbish.cancel()
        for pool in POOLS:
            self.customers[pool].writing = self.agents[pool].working = False
        await self._pass_time(None, keepers)
        await self.sky.calm_down()
        await self._catch_up()
        await self.check()

    async def close(self) -> None:
        """Stop everybody, in good order."""
        for router in self.routers.values():
            await router.stop()
        for task in [*self._background, *self.people]:
            task.cancel()
        await asyncio.wait([*self._background, *self.people])

    async def _pass_time(self, duration_s: float | None, keepers: list[asyncio.Task[None]]) -> None:
        """Let time pass (None: until every keeper has brought its router up for good); raise what breaks meanwhile."""
        waited_for: list[asyncio.Future[Any]] = [self._broken]
        if duration_s is None:
            end: asyncio.Future[Any] = asyncio.gather(*keepers)
        else:
            end = asyncio.ensure_future(asyncio.sleep(duration_s))
            waited_for += keepers
        await asyncio.wait([*waited_for, end], return_when=asyncio.FIRST_COMPLETED)
        for waited in (*waited_for, end):
            if waited.done():
                waited.result()

    async def _keep(self, number: int) -> None:
        """Keep one router running while the storm lasts, through crashes and stand-stills, and up afterwards."""
        while True:
            router = self.routers.get(number)
            if router is None:
                await asyncio.sleep(self.rng.uniform(0, 20))
                router = self.routers[number] = Router(self, number)
            if not self._storm:
                return
            fate = self.rng.random()
            died = outside(router.process.died.wait(), "obituary")
            await asyncio.wait([died, router.task], timeout=self.rng.uniform(5, 200))
            died.cancel()
            router.check_alive()
            if router.process.dead:
                await router.process.died.wait()
                self.crashes += 1
                del self.routers[number]
            elif self._storm and fate < 0.3:
                router.process.kill()
                await router.process.died.wait()
                self.crashes += 1
                del self.routers[number]
            elif self._storm and fate < 0.6:
                await self._stand_still(router)
            elif self._storm and fate < 0.8:
                await router.stop()
                router.process.kill()
                await router.process.died.wait()
                del self.routers[number]

    async def _stand_still(self, router: Router) -> None:
        """The process gets no answers for a while; the coordinator may give its partitions to others, and it goes on as a zombie."""
        self.stalls += 1
        router.process.stall()
        await asyncio.sleep(self.rng.uniform(1, 30))
        lost = [claim for claim in router.connection.claims if self.rng.random() < 0.7 and claim.lose()]
        await asyncio.sleep(self.rng.uniform(1, 60))
        router.process.resume()
        for claim in lost:
            await asyncio.sleep(self.rng.uniform(0, 20))
            if not router.process.dead:
                router.process.spawn(claim.hear_of_loss(), "rejoin")

    async def _send_rubbish(self) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / 200))
            pool = self.rng.choice(POOLS)
            if self.rng.random() < 0.5:
                await self.send(TimeAdvanced(pool=f"unknown to {pool}", now_ms=self.now_ms()), beside=pool)
            else:
                await self.append(pool, NewRecord(key=pool, value=b'{"type":"unheard.of"}', headers=(("ce_id", b"1"),)))

    async def _watch(self, partition: int) -> None:
        """Read the facts as everybody may, check them as they come, and show them to the agents."""
        reader = await self.log.open_reader(ROUTING_EVENTS, {partition: 0})
        while True:
            for record in await reader.poll(wait_ms=3_600_000):
                fact = self.histories[partition].feed(record)
                self._read[partition] = record.offset + 1
                if fact is not None and fact.pool in self.agents:
                    self.agents[fact.pool].hear(fact)

    def _hear_of_end(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is not None and not self._broken.done():
            self._broken.set_exception(task.exception() or AssertionError())

    async def _catch_up(self) -> None:
        """Return when every input is decided and appended, and everything on the log was read."""
        for _ in range(_CATCH_UP_S):
            await asyncio.sleep(1)
            for router in self.routers.values():
                router.check_alive()
            if self._broken.done():
                self._broken.result()
            if all([await self._caught_up(number) for number in range(PARTITIONS)]):
                return
        raise AssertionError(f"the routers do not catch up: {await self._positions()}")

    async def _positions(self) -> list[str]:
        """Where everybody stands, to be shown."""
        lines = []
        for partition in range(PARTITIONS):
            inputs = await self.log.end_offset(ROUTING_INPUTS, partition)
            outputs = await self.log.end_offset(ROUTING_EVENTS, partition)
            workers = [
                f"{router.process.name}: {worker.tenure and (worker.tenure.term, worker.tenure.appended_input)}"
                for router in self.routers.values()
                if (worker := router.runner.workers.get(partition)) is not None
            ]
            lines.append(f"partition {partition}: {inputs=} {outputs=} read={self._read[partition]} {workers}")
        return lines

    async def _caught_up(self, partition: int) -> bool:
        tenure = self._tenure(partition)
        return (
            tenure is not None
            and tenure.appended_input == await self.log.end_offset(ROUTING_INPUTS, partition)
            and self._read[partition] == await self.log.end_offset(ROUTING_EVENTS, partition)
        )

    def _tenure(self, partition: int) -> Any:
        """The tenure of the newest writer of a partition, where it is live."""
        tenures = [
            worker.tenure
            for router in self.routers.values()
            if (worker := router.runner.workers.get(partition)) is not None and worker.tenure is not None
        ]
        return max(tenures, key=lambda tenure: tenure.term, default=None)

    async def check(self) -> None:
        """Everything that must be true when all is quiet. Raises AssertionError."""
        for partition in range(PARTITIONS):
            tenure = self._tenure(partition)
            end = await self.log.end_offset(ROUTING_EVENTS, partition)
            mine = configured_pools(self.configuration, partition, PARTITIONS)
            folded = await recover(self.log, partition=partition, configured=mine, before_offset=end)
            require(not folded.state.settle(), "the folded state is not settled")
            for pool, state in tenure.state.pools.items():
                check(state)
                require(state_equal(state, folded.state.pools[pool]), f"{pool}: live and folded states differ")
            report = await replay_partition(self.log, partition)
            difference = report.difference
            require(difference is None, "" if difference is None else difference.describe())
            require(report.undecided == 0, f"{report.undecided} inputs are not decided")
            history = self.histories[partition]
            for pool in mine:
                seen = history.pools[pool].messages if pool in history.pools else {}
                lost = [message for message in self.customers[pool].accepted if message not in seen]
                require(not lost, f"{pool}: accepted and lost: {lost}")
                require(not tenure.state.pools[pool].outbox, f"{pool}: something is still to be handed over")
        self._check_forwarded()

    def _check_forwarded(self) -> None:
        """What a pool forwarded came to the other one, once, with its messages; it knows which of it is over."""
        pools = {name: pool for history in self.histories.values() for name, pool in history.pools.items()}
        for name, pool in pools.items():
            for contact_id, to_pool in pool.forwarded.items():
                there = pools[to_pool]
                require(contact_id in there.taken, f"{contact_id}, forwarded by {name}, never came to {to_pool}")
                require(there.taken[contact_id][-1] == name, f"{contact_id} came to {to_pool} from somewhere else")
                if there.contacts[contact_id].place == "over":
                    require(pool.ended[contact_id] == 1, f"{name} does not know that {contact_id} is over")
            for message_id, to_pool in pool.followed.items():
                require(pools[to_pool].messages[message_id] == 1, f"{message_id} never came to {to_pool}")
