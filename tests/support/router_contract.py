"""What the router does on every log, in real time: an abstract test case that each adapter's tests run.

A test module derives a class from `RouterContract` and gives it the fixture `open_log`: a coroutine that opens the same log again, as
another process would, each with four partitions and connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from libs.common.clock import SystemClock
from libs.common.configuration.models import Queue
from libs.common.events.routing import ContactAssigned, ContactQueued, OfferExpired, OfferMade, PresenceChanged
from libs.common.log.port import EventLog
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS, partition_of
from libs.common.testing.builders import a_contact_received, a_set_presence, an_accept
from services.router.compose import RouterService, compose
from services.router.core.snapshot import state_equal
from services.router.deliveries import DeposedError
from services.router.recovery import recover
from services.router.replay import replay_partition
from tests.support.routing import Desk, a_configuration, a_settings, end, of_type, working
from tests.support.waiting import eventually

OpenLog = Callable[[], Awaitable[EventLog]]
PARTITIONS = 4
CARE = partition_of("care", PARTITIONS)
LONG_S = 60.0


@asynccontextmanager
async def serving(log: EventLog) -> AsyncIterator[RouterService]:
    """A router at work on this log; what it fails with is raised at the end."""
    service = compose(a_settings(), a_configuration(), log=log, clock=SystemClock())
    task = asyncio.create_task(service.run())

    async def ready() -> bool:
        if task.done():
            task.result()
        return service.health.ready

    try:
        await eventually(ready, LONG_S)
        yield service
    finally:
        await end(task)
        await service.close()


class RouterContract:
    """See the module."""

    @pytest.fixture
    def open_log(self) -> OpenLog:
        raise NotImplementedError

    async def test_a_message_becomes_an_assignment(self, open_log: OpenLog) -> None:
        log = await open_log()
        desk = Desk(log, SystemClock(), number=CARE)
        async with working(desk) as worker:
            await desk.decided(worker)
            await desk.give(a_set_presence("anna"), a_contact_received(queue="orders"))
            await desk.decided(worker)
            (offer,) = of_type(desk.notes.facts, OfferMade)
            await desk.give(an_accept(offer.offer_id, "anna"))
            await desk.decided(worker)
        facts = await desk.facts()
        assert [type(fact) for fact in facts[-3:]] == [ContactQueued, OfferMade, ContactAssigned]
        report = await replay_partition(log, CARE)
        assert report.difference is None
        assert report.undecided == 0

    async def test_an_offer_runs_out_by_itself(self, open_log: OpenLog) -> None:
        queues = {"orders": Queue(pool="care", offer_timeout_ms=1000)}
        configuration = a_configuration(queues=queues, rules=())
        desk = Desk(await open_log(), SystemClock(), number=CARE, configuration=configuration)
        async with working(desk) as worker:
            await desk.decided(worker)
            await desk.give(a_set_presence("anna"), a_contact_received(queue="orders"))
            await eventually(lambda: of_type(desk.notes.facts, OfferExpired), LONG_S)

    async def test_a_killed_worker_leaves_everything_on_the_log(self, open_log: OpenLog) -> None:
        # given: a worker that is ended in the middle of its work, and a second one on a connection of its own
        one = Desk(await open_log(), SystemClock(), number=CARE)
        two = Desk(await open_log(), SystemClock(), number=CARE)
        task = asyncio.create_task(one.worker().run())
        await eventually(lambda: one.notes.recoveries, LONG_S)
        giving = asyncio.create_task(_give_messages(two, 200))
        await eventually(lambda: len(of_type(one.notes.facts, ContactQueued)) > 20, LONG_S)
        await end(task)
        # when
        async with working(two) as worker:
            await giving
            await two.decided(worker)
        # then
        facts = await two.facts()
        queued = [fact.contact_id for fact in of_type(facts, ContactQueued)]
        assert sorted(queued) == sorted({a_contact_received(n).contact_id for n in range(1, 201)})

    async def test_of_two_that_believe_the_partition_theirs_the_older_stops(self, open_log: OpenLog) -> None:
        """Readers see one history, whoever wrote when."""
        # given
        older = Desk(await open_log(), SystemClock(), number=CARE)
        newer = Desk(await open_log(), SystemClock(), number=CARE)
        deposed = asyncio.create_task(older.worker().run())
        await eventually(lambda: older.notes.recoveries, LONG_S)
        await older.give(a_set_presence("anna"))
        await eventually(lambda: of_type(older.notes.facts, PresenceChanged), LONG_S)
        async with working(newer) as worker:
            await newer.decided(worker)
            # when: both decide the same inputs
            await newer.give(*(a_contact_received(n, queue="orders") for n in range(1, 51)))
            with pytest.raises(DeposedError):
                await asyncio.wait_for(deposed, LONG_S)
            await newer.decided(worker)
            # then
            assert worker.tenure is not None
            end_offset = await newer.log.end_offset(ROUTING_EVENTS, CARE)
            again = await recover(newer.log, partition=CARE, configured=["care"], before_offset=end_offset)
            assert state_equal(again.state.pools["care"], worker.tenure.state.pools["care"])
        facts = await newer.facts()
        assert len(of_type(facts, ContactQueued)) == 50
        assert len(of_type(facts, OfferMade)) == 2
        assert len(await newer.written()) > len(facts), "the older one wrote nothing that had to be fenced off"

    async def test_two_routers_share_the_partitions_and_one_takes_all_when_the_other_leaves(
        self, open_log: OpenLog
    ) -> None:
        one_log, other_log = await open_log(), await open_log()
        async with serving(one_log) as one:
            await eventually(lambda: len(one.runner.workers) == PARTITIONS, LONG_S)
            async with serving(other_log) as other:
                await eventually(lambda: len(one.runner.workers) == len(other.runner.workers) == 2, LONG_S)
                assert not set(one.runner.workers) & set(other.runner.workers)
            await eventually(lambda: len(one.runner.workers) == PARTITIONS and one.health.ready, LONG_S)
            # It works on, and says what it does.
            desk = Desk(one_log, SystemClock(), number=CARE)
            await desk.give(a_set_presence("anna"), a_contact_received(queue="orders"))
            await eventually(lambda: _has_offer(desk), LONG_S)
            await _check_metrics(one)

    async def test_what_came_while_no_router_was_there_is_decided_when_one_comes(self, open_log: OpenLog) -> None:
        log = await open_log()
        desk = Desk(log, SystemClock(), number=CARE)
        await desk.give(a_contact_received(1), a_contact_received(2))
        async with serving(log) as service:
            await eventually(lambda: CARE in service.runner.workers, LONG_S)
            await eventually(lambda: _queued(desk, 2), LONG_S)
        assert await log.end_offset(ROUTING_INPUTS, CARE) == 5  # Both, the configuration, and both again behind it.


async def _give_messages(desk: Desk, count: int) -> None:
    for number in range(1, count + 1):
        await desk.give(a_contact_received(number))


async def _has_offer(desk: Desk) -> bool:
    return bool(of_type(await desk.facts(), OfferMade))


async def _queued(desk: Desk, count: int) -> bool:
    return len(of_type(await desk.facts(), ContactQueued)) == count


async def _check_metrics(service: RouterService) -> None:
    """The operations' routes tell of what is going on."""
    transport = httpx.ASGITransport(app=service.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://router") as client:

        async def shown() -> bool:
            text = (await client.get("/metrics")).text
            return 'centralino_contacts_waiting{pool="care",queue="orders"} 1.0' in text

        await eventually(shown, LONG_S)
        text = (await client.get("/metrics")).text
        assert 'centralino_contacts_received_total{channel="email",pool="care",queue="orders"} 1.0' in text
        assert 'centralino_agents{pool="care",presence="available"} 1.0' in text
        assert f'centralino_log_lag_records{{partition="{CARE}",stream="routing.inputs"}} 0.0' in text
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        assert {part["name"] for part in ready.json()["parts"]} >= {"log", "claim", f"partition {CARE}"}
