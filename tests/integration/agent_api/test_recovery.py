"""The view after whatever went wrong: the same rows, once; replicas that share a database; parts that are away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import SystemClock
from libs.common.errors import StoreUnavailableError
from libs.common.events import routing
from libs.common.http.health import Health
from libs.common.log.memory import MemoryLog
from libs.common.log.port import NewRecord, Record
from libs.common.log.streams import DEAD_LETTERS, ROUTING_INPUTS, partition_of
from libs.common.metrics import Metrics
from libs.common.plain_sql import PlainSession
from libs.common.store import open_engine
from libs.common.store_engine import StoreEngine
from libs.common.testing.builders import a_contact_assigned, a_contact_queued, a_contact_resolved
from services.agent_api.credentials import migrate
from services.agent_api.hub import Hub
from services.agent_api.outcomes import Outcomes
from services.agent_api.store import tables
from services.agent_api.tailer import Tailer
from tests.parts.postgres import PostgresServer
from tests.support.agent_api import Api, a_pool_configured, next_frame, problem_of, running_api, settings_for
from tests.support.routing import read_all
from tests.support.scripted_router import ScriptedRouter
from tests.support.waiting import eventually

# What is in these follows from the log alone; the others hold times of this process or what only requests write.
FOLDED = (
    tables.contacts,
    tables.offers,
    tables.messages,
    tables.customers,
    tables.handles,
    tables.timeline,
    tables.throughput,
    tables.agents,
    tables.positions,
)


class NoDeadLetters:
    """Fails the test that puts one."""

    async def put(self, record: Record, error: Exception) -> None:
        raise error


class FailingCommits:
    """An engine whose transactions fail, in turn, before and after the commit: as a killed process leaves them."""

    def __init__(self, engine: StoreEngine) -> None:
        self._engine = engine
        self.attempts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @asynccontextmanager
    async def write_plain(self) -> AsyncIterator[PlainSession]:
        self.attempts += 1
        turn = self.attempts % 3
        async with self._engine.write_plain() as session:
            yield session
            if turn == 1:
                raise StoreUnavailableError("gone before the commit")
        if turn == 2:
            raise StoreUnavailableError("gone after the commit")


def a_tailer(log: MemoryLog, engine: Any) -> Tailer:
    """A tailer with no one who listens."""
    return Tailer(
        log=log,
        engine=engine,
        hub=Hub(),
        outcomes=Outcomes(),
        dead_letters=NoDeadLetters(),
        clock=SystemClock(),
        health=Health(),
        metrics=Metrics(),
        # So few that there are many transactions to fail between.
        records_per_poll=2,
    )


async def a_day_on_the_log(log: MemoryLog) -> None:
    """Some contacts, some of them worked on, some by a router that was replaced."""
    router = ScriptedRouter(log, SystemClock())
    await router.start()
    work = asyncio.create_task(router.run())
    await router.tell(a_pool_configured(at_ms=1))
    for number in range(1, 6):
        contact_id = await router.receive(number)
        if number % 2:
            offer_id = await router.offer(contact_id)
            await router.tell(a_contact_assigned(contact_id, offer_id=offer_id))
            await router.receive(number, provider_id=f"again-{number}", text="Hello?")
            await router.tell(a_contact_resolved(contact_id))
    work.cancel()
    await asyncio.wait([work])
    # A second router takes over; what the first one still writes counts for nobody.
    late = router.term
    await router.start()
    zombie = a_contact_resolved(contact_id, disposition="never")
    await router.tell(zombie, term=late)


async def follow_to_the_end(tailer: Tailer) -> None:
    """Let the tailer run until it has read everything."""
    work = asyncio.create_task(tailer.run())

    async def level() -> bool:
        if work.done():
            work.result()
        return bool(tailer.started) and await tailer.measure_lag() == 0

    try:
        await eventually(level)
    finally:
        work.cancel()
        await asyncio.wait([work])


async def rows_of(engine: AsyncEngine) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is folded from the log."""
    async with engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in await connection.execute(sa.select(table))), key=repr)
            for table in FOLDED
        }


async def test_failures_between_any_two_commits_leave_the_same_rows(store: str, tmp_path: Path) -> None:
    # given a log, and the view that is folded from it without any trouble
    log = MemoryLog(partitions=2)
    await log.connect()
    await a_day_on_the_log(log)
    calm = open_engine(f"sqlite:///{tmp_path}/calm.db")
    await migrate(calm)
    await follow_to_the_end(a_tailer(log, calm))

    # when another one is folded with transactions failing all the time
    engine = open_engine(store)
    await migrate(engine)
    failing = FailingCommits(engine)
    await follow_to_the_end(a_tailer(log, failing))

    # and is started again, with everything done
    await follow_to_the_end(a_tailer(log, engine))

    # then both hold the same
    expected, found = await rows_of(calm), await rows_of(engine)
    assert failing.attempts > 10
    assert len(expected["agent_contacts"]) == 5
    assert not any("never" in row for row in expected["agent_contacts"])
    assert found == expected
    await calm.dispose()
    await engine.dispose()


async def test_two_replicas_share_one_database(postgres_server: PostgresServer, tmp_path: Path) -> None:
    # given two replicas
    store = postgres_server.create_database("agent_api_replicas")
    async with (
        running_api(settings_for(tmp_path / "a", store)) as one,
        running_api(settings_for(tmp_path / "b", store), log=one.log, router=one.router) as other,
    ):
        anna, again = await one.client(), await other.client()
        async with anna.stream() as here, again.stream() as there:
            await next_frame(here)
            await next_frame(there)

            # when work is done at both
            contacts = []
            for number in range(1, 7):
                contact_id = await one.router.receive(number)
                offer_id = await one.router.offer(contact_id)
                await one.caught_up()
                await other.caught_up()
                client = anna if number % 2 else again
                answer = await client.post(f"/v1/offers/{offer_id}/accept", key=f"k{number}")
                assert answer.status_code == 200, answer.text
                contacts.append(contact_id)

            # then both streams bring each frame once, in the same order
            seen: list[list[str]] = []
            for socket in (here, there):
                cursors: list[str] = []
                assigned = 0
                while assigned < len(contacts):
                    frame = await next_frame(socket)
                    cursors.append(frame["cursor"])
                    assigned += frame["type"] == "contact.assigned"
                seen.append(cursors)
            assert seen[0] == seen[1]
            assert len(set(seen[0])) == len(seen[0])

        # and a retry at the other replica has the same answer
        first = await anna.post(f"/v1/offers/{offer_id}/accept", key="k6")
        second = await again.post(f"/v1/offers/{offer_id}/accept", key="k6")
        assert first.content == second.content
        counted = (await anna.get("/v1/metrics/realtime"))["minutes"]
        assert sum(minute["received"] for minute in counted) == 6
        assert sum(minute["assigned"] for minute in counted) == 6


async def test_an_unreadable_input_is_put_aside_and_its_contact_shown_without_text(any_api: Api) -> None:
    # given an input that nobody can read, of which the router could make a contact all the same
    api = any_api
    writer = await api.log.open_writer("test")
    partition = partition_of("care", api.log.partitions(ROUTING_INPUTS))
    api.router.silent = True
    await writer.append(ROUTING_INPUTS, partition, [NewRecord(key="care", value=b'{"type": "nonsense"}')])
    await api.router.tell(a_contact_queued(1, handle="mailto:" + "x" * 5_000, handles=("tel:\x00+39",)))
    await api.router.tell(
        routing.NoteAdded(pool="care", at_ms=1, contact_id="con_other", note_id="not_1", agent_id="anna"),
        routing.ContactResolved(
            pool="care", at_ms=1, contact_id="con_gone", agent_id="anna", queue="orders", channel="sms"
        ),
    )

    # when
    await api.caught_up()

    # then
    anna = await api.client()
    contact_id = a_contact_queued(1).contact_id
    messages = (await anna.get(f"/v1/contacts/{contact_id}/messages"))["items"]
    assert [message["text"] for message in messages] == [None]
    assert (await anna.get("/v1/contacts/con_gone"))["light"] == "green"
    assert len(await read_all(api.log, DEAD_LETTERS, 0)) == 1


async def test_the_service_waits_for_its_log_and_says_so(tmp_path: Path) -> None:
    # given a service that works
    log = MemoryLog(partitions=1)
    async with running_api(settings_for(tmp_path), log=log) as api:
        anna = await api.client()

        # when the log goes away
        log.faults.take_away()

        async def not_ready() -> bool:
            return (await anna.http.get("/readyz")).status_code == 503

        # then it says so, and still shows what it has
        await eventually(not_ready)
        assert (await anna.http.get("/livez")).status_code == 200
        assert (await anna.get("/v1/me/work"))["offers"] == []
        assert problem_of(await anna.put("/v1/me/presence", {"status": "busy"})) == (503, "unavailable")

        # when the log is back
        log.faults.give_back()
        router = asyncio.create_task(api.router.run())

        async def works() -> bool:
            answer = await anna.put("/v1/me/presence", {"status": "busy"})
            return answer.status_code == 200

        # then so is everything else
        await eventually(works)
        router.cancel()
        await asyncio.wait([router])


async def test_the_service_starts_before_its_store_and_survives_its_restart(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    # given
    store = postgres_server.create_database("agent_api_restart")
    async with running_api(settings_for(tmp_path, store)) as api:
        anna = await api.client()
        contact_id = await api.active_contact()

        # when the database is restarted
        await asyncio.to_thread(postgres_server.restart)
        offer_id = await api.router.offer(await api.router.receive(2))

        # then the service goes on by itself
        async def offered() -> bool:
            answer = await anna.http.get("/v1/me/work")
            return answer.status_code == 200 and bool(answer.json()["offers"])

        await eventually(offered)
        work = await anna.get("/v1/me/work")
        assert work["offers"][0]["id"] == offer_id
        assert [contact["id"] for contact in work["contacts"]] == [contact_id]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_too_many_unreadable_records_end_the_service(store: str) -> None:
    # given a log full of nonsense
    log = MemoryLog(partitions=1)
    await log.connect()
    writer = await log.open_writer("test")
    await writer.append(ROUTING_INPUTS, 0, [NewRecord(key="care", value=b"{}")] * 3)
    engine = open_engine(store)
    await migrate(engine)

    # when / then: what cannot be put aside ends the work, with nothing skipped
    tailer = a_tailer(log, engine)
    with pytest.raises(Exception, match=r"routing.inputs/0@0"):
        await asyncio.wait_for(tailer.run(), 20)
    assert (await rows_of(engine))["agent_positions"] == []
    await engine.dispose()
