"""Parts that are not there yet, go away, stand still or lose their words: the services say so, lose nothing, and recover by themselves."""

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import Iterator

import httpx
import pytest

from libs.common.http.auth import Role
from libs.common.outbox import REASON_UNKNOWN
from tests.e2e.conftest import MODES
from tests.e2e.load import (
    check_unavailable,
    follow_up_in,
    numbered_frames,
    shown_as_resolved,
    under_load,
)
from tests.e2e.people import AWAY, Desk, send_contact
from tests.e2e.posts import deliver, post_of
from tests.e2e.stack import SERVICES, Stack
from tests.support.waiting import eventually

# An answer that takes longer than this is none: the database's own time-outs add up to less.
REQUEST_S = 30


async def unready_parts(stack: Stack, service: str) -> set[str]:
    """The parts that a service names as not ready."""
    async with httpx.AsyncClient(timeout=REQUEST_S, trust_env=False) as client:
        answer = await client.get(f"{stack.url(service)}/readyz")
    names = {part["name"] for part in answer.json()["parts"] if not part["ready"]}
    assert answer.status_code == (503 if names else 200)
    return names


async def waits_for(stack: Stack, service: str, part: str) -> bool:
    """Whether the service says that it waits for this part."""
    return part in await unready_parts(stack, service)


async def turned_away(stack: Stack, method: str, path: str, body: dict | None = None) -> None:
    """Wait until the agent API answers this with an outage; it always answers."""
    async with httpx.AsyncClient(timeout=REQUEST_S, trust_env=False) as client:
        headers = {"authorization": f"Bearer {stack.token('sara', role=Role.SUPERVISOR)}"}

        async def unavailable() -> bool:
            answer = await client.request(method, f"{stack.url('agent-api')}{path}", json=body, headers=headers)
            if answer.status_code < 500:
                return False
            check_unavailable(answer)
            return True

        await eventually(unavailable, 2 * REQUEST_S, 0.2)


@pytest.mark.timeout(300)
async def test_services_that_start_before_their_parts_wait_for_them(
    make_stack, mail_server, fragile_broker, fragile_postgres
) -> None:
    stack = make_stack("kafka", fragile=True)
    mail_server.stop()
    await asyncio.gather(asyncio.to_thread(fragile_broker.stop), asyncio.to_thread(fragile_postgres.stop))
    for name in SERVICES:
        stack.launch(name)
    for name, part in (("router", "log"), ("ingest", "log"), ("agent-api", "store"), ("followup", "log")):
        await stack.children[name].wait_until_ready(f"{stack.url(name)}/livez")
        assert part in await unready_parts(stack, name)
    check_unavailable(await deliver(stack, post_of(stack, "support-mail")))
    await turned_away(stack, "GET", "/v1/me/work")

    await asyncio.to_thread(fragile_broker.start)
    early: list[str] = []

    async def accepted() -> bool:
        async with httpx.AsyncClient(timeout=REQUEST_S, trust_env=False) as client:
            early.append((await send_contact(stack, client, 0))["contact_hint"])
        return True

    await eventually(accepted)  # A contact that needs the log alone does not wait for the database.
    await turned_away(stack, "GET", "/v1/me/work")

    await asyncio.to_thread(fragile_postgres.start)
    async with under_load(stack, mail_server, 3) as load:
        await load.all_resolved()
        await eventually(lambda: waits_for(stack, "followup", "smtp"))
        assert await unready_parts(stack, "ingest") == set(), "only what sends mails alone waits for the mail server"
        assert mail_server.mails == ()
        mail_server.start()
    assert early == [load.accepted[0]]


async def test_mails_wait_for_a_mail_server_that_went_away(make_stack, mail_server) -> None:
    stack = make_stack("up")
    await stack.start()
    async with under_load(stack, mail_server, 12) as load:
        await load.accepted_at_least(4)
        mail_server.stop()
        await eventually(lambda: waits_for(stack, "followup", "smtp"), 30)
        await load.all_resolved()
        before = len(mail_server.mails)
        assert before < load.contacts
        mail_server.start()
    assert len(mail_server.mails) > before


@pytest.mark.timeout(300)
async def test_a_broker_that_dies_or_freezes_turns_callers_away_and_loses_nothing(
    make_stack, mail_server, fragile_broker
) -> None:
    stack = make_stack("kafka", fragile=True)
    await stack.start()
    async with under_load(stack, mail_server, 24) as load:
        for turn, (break_it, mend_it) in enumerate(
            ((fragile_broker.kill, fragile_broker.start), (fragile_broker.pause, fragile_broker.resume))
        ):
            await load.accepted_at_least((turn + 1) * 6)
            await asyncio.to_thread(break_it)
            await load.refused_again()
            await turned_away(stack, "PUT", "/v1/me/presence", {"status": "break"})
            assert await unready_parts(stack, "ingest")
            await asyncio.to_thread(mend_it)
    assert load.silent == 0, "whoever called got an answer"


@pytest.mark.timeout(300)
async def test_a_database_that_dies_or_freezes_turns_agents_away_and_lets_customers_in(
    make_stack, mail_server, fragile_postgres
) -> None:
    stack = make_stack("kafka", fragile=True)
    await stack.start()
    async with under_load(stack, mail_server, 48) as load:
        for break_it, mend_it in (
            (fragile_postgres.kill, fragile_postgres.start),
            (fragile_postgres.pause, fragile_postgres.resume),
        ):
            before = len(load.accepted)
            await load.accepted_at_least(before + 5)
            await asyncio.to_thread(break_it)
            during = len(load.accepted)
            await turned_away(stack, "GET", "/v1/me/work")
            await load.accepted_at_least(during + 5)
            await asyncio.to_thread(mend_it)
    assert load.silent == 0
    assert load.refusals == [], "what comes in needs the log alone"


@pytest.mark.parametrize("mode", ["sqlite", "kafka"])
@pytest.mark.timeout(300)
async def test_of_two_routers_that_both_believe_in_their_claim_one_counts(mode, make_stack, mail_server) -> None:
    stack = make_stack(mode)
    await stack.start()
    other = stack.add_replica("router")
    async with under_load(stack, mail_server, 120) as load:
        await load.resolved_at_least(4)
        with frozen(stack, "router"):
            if mode == "sqlite":
                # A process that stands still keeps its file locks; they are lost with their files, as on a disk that was copied.
                for claim in (stack.folder / "data" / "log.db.claims").rglob("*-*"):
                    claim.unlink()
            stack.launch(other)
            await load.more_resolved(6)
        await load.more_resolved(4)
        with frozen(stack, other):
            if mode == "kafka":
                await load.more_resolved(6)
    assert max(history.terms for history in load.histories if history.facts) >= 2, "nobody was deposed"


@contextlib.contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """A process stands still meanwhile; not in the middle of a transaction, in which it would keep everybody from the database."""
    child = stack.children[name]
    while True:
        child.pause()
        if stack.mode == "kafka" or not is_locked(stack):
            break
        child.resume()
    try:
        yield
    finally:
        child.resume()


def is_locked(stack: Stack) -> bool:
    """Whether somebody has the log for himself for longer than a moment."""
    try:
        with locked_log(stack, timeout_s=0.5):
            return False
    except sqlite3.OperationalError:
        return True


@contextlib.contextmanager
def locked_log(stack: Stack, timeout_s: float = 5) -> Iterator[None]:
    """Keep every writer from the SQLite log."""
    with contextlib.closing(
        sqlite3.connect(stack.folder / "data" / "log.db", timeout=timeout_s, isolation_level=None)
    ) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@contextlib.contextmanager
def full_disk(stack: Stack) -> Iterator[None]:
    """No file of the process grows beyond what the log's newest pages take now: to it that is a full disk."""
    pid = stack.children["up"].pid
    size = (stack.folder / "data" / "log.db-wal").stat().st_size
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("trouble", [locked_log, full_disk])
async def test_a_log_that_cannot_be_written_turns_callers_away_for_as_long_as_it_lasts(
    trouble, make_stack, mail_server
) -> None:
    stack = make_stack("up")
    await stack.start()
    async with under_load(stack, mail_server, 16) as load:
        await load.accepted_at_least(6)
        with trouble(stack):
            await load.refused_again()
            await load.refused_again()
    assert load.silent == 0, "whoever called got an answer"


@pytest.mark.timeout(300)
async def test_two_replicas_share_the_work_and_show_the_same(make_stack, mail_server) -> None:
    stack = make_stack("kafka")
    doors, offices = ("ingest", stack.add_replica("ingest")), ("agent-api", stack.add_replica("agent-api"))
    stack.add_replica("followup")
    for name in (*SERVICES, *stack.replicas):
        stack.launch(name)
    await stack.wait_until_ready()
    supervisors = [Desk(stack, "sara", Role.SUPERVISOR, office=office) for office in offices]
    watching = [asyncio.create_task(supervisor.follow()) for supervisor in supervisors]
    for supervisor in supervisors:
        await supervisor.frame("hello")
    async with under_load(stack, mail_server, 24, doors=doors, offices=offices) as load:
        await load.accepted_at_least(12)
        async with httpx.AsyncClient(timeout=REQUEST_S, trust_env=False) as client:
            # The provider's repetitions come to both at once.
            again = await asyncio.gather(
                *(send_contact(stack, client, number, door=door) for number in range(10) for door in doors)
            )
        assert {answer["contact_hint"] for answer in again} == {load.accepted[number] for number in range(10)}
        await load.all_resolved()
        everything = set(load.accepted.values())
        await eventually(lambda: all(shown_as_resolved(supervisor) >= everything for supervisor in supervisors))
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    for supervisor in supervisors:
        await supervisor.close()
    seen = [numbered_frames(supervisor) for supervisor in supervisors]
    begin, end = max(frames[0] for frames in seen), min(frames[-1] for frames in seen)
    assert len({tuple(frame for frame in frames if begin <= frame <= end) for frames in seen}) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.timeout(300)
async def test_everybody_ends_in_order_under_load_and_nothing_is_lost(mode, make_stack, mail_server) -> None:
    stack = make_stack(mode)
    await stack.start()
    async with under_load(stack, mail_server, 20) as load:
        await load.accepted_at_least(8)
        await stack.stop()
        await stack.start()
    assert all(answer.status_code == 503 for answer in load.refusals)


async def test_a_mail_whose_acceptance_was_not_heard_is_not_sent_again(make_stack, mail_server) -> None:
    stack = make_stack("up")
    await stack.start()
    mail_server.lose_reply()
    async with under_load(stack, mail_server, 2) as load:
        await load.all_resolved()
        async with httpx.AsyncClient(timeout=REQUEST_S, trust_env=False) as client:
            mails = [await follow_up_in(stack, client, contact, "sent", "failed") for contact in load.accepted.values()]
        assert sorted((mail["state"], mail["reason"]) for mail in mails) == [
            ("failed", REASON_UNKNOWN),
            ("sent", None),
        ]
        (unknown,) = [mail["contact_id"] for mail in mails if mail["state"] == "failed"]
        await eventually(lambda: told_in_timeline(load.desks[0], unknown))


async def told_in_timeline(desk: Desk, contact: str) -> bool:
    """Whether the contact's history says that its mail is in doubt."""
    with contextlib.suppress(*AWAY):
        items = (await desk.call("GET", f"/v1/contacts/{contact}/timeline")).json()["items"]
        return any(item["type"] == "follow-up.failed" for item in items)
    return False
