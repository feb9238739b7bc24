"""Kill -9 under load, of processes, broker and database: nothing lost, nothing assigned twice, one e-mail per resolve."""

import asyncio
from collections import Counter

import httpx
import pytest

from libs.common.http.auth import Role
from libs.common.log.open import open_log
from libs.common.log.streams import FOLLOWUP_EVENTS, ROUTING_EVENTS
from libs.common.outbox import REASON_UNKNOWN
from tests.e2e.people import Desk, send_contact, take_everything
from tests.e2e.stack import Stack
from tests.support.history import admitted_facts, read_stream
from tests.support.waiting import eventually

CONTACTS = 60
BETWEEN_KILLS = 12


class Load:
    """Customers who write one after the other and agents who work everything off, while a test breaks things."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.accepted: dict[int, str] = {}
        self.desks = [Desk(stack, agent) for agent in ("anna", "bruno", "carla")]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to work."""
        for desk in self.desks:
            await desk.become("available")
        self._tasks = [asyncio.create_task(take_everything(desk)) for desk in self.desks]
        self._tasks.append(asyncio.create_task(self._write()))

    async def _write(self) -> None:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            for number in range(CONTACTS):
                self.accepted[number] = (await send_contact(self.stack, client, number))["contact_hint"]

    async def accepted_at_least(self, number: int) -> None:
        """Wait for so many contacts to have been taken."""
        await eventually(lambda: len(self.accepted) >= min(number, CONTACTS) or self._failed(), 120)

    async def all_resolved(self) -> None:
        """Wait until every contact that was accepted is resolved."""
        await self.accepted_at_least(CONTACTS)
        supervisor = Desk(self.stack, "sara", Role.SUPERVISOR)

        async def done() -> bool:
            self._failed()
            found, cursor = 0, ""
            while True:
                page = await supervisor.call("GET", f"/v1/contacts?state=resolved&limit=100{cursor}")
                body = page.json()
                found += len(body["items"])
                if not body["next_cursor"]:
                    return found >= CONTACTS
                cursor = f"&cursor={body['next_cursor']}"

        await eventually(done, 120, 0.3)
        await supervisor.close()

    def _failed(self) -> bool:
        for task in self._tasks:
            if task.done() and task.exception() is not None:
                raise RuntimeError("the load failed") from task.exception()
        return False

    async def end(self) -> None:
        """Go home."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for desk in self.desks:
            await desk.close()


async def check_history(stack: Stack, load: Load, mail_server) -> None:
    """What must be true of the log and of the mailbox, whatever was killed."""
    url = stack.environment.get("CENTRALINO_LOG") or f"sqlite:///{stack.folder / 'data' / 'log.db'}"
    log = open_log(url, 4, 14)
    await log.connect()
    facts = await admitted_facts(log, ROUTING_EVENTS)
    mails = await read_stream(log, FOLLOWUP_EVENTS)
    await log.close()

    queued = Counter(fact.contact_id for fact in facts if type(fact).__name__ == "ContactQueued")
    resolved = Counter(fact.contact_id for fact in facts if type(fact).__name__ == "ContactResolved")
    assert set(queued) == set(load.accepted.values())
    assert set(queued.values()) == {1}, "a contact is there once, however often it was handed in"
    assert set(resolved) == set(queued)
    assert set(resolved.values()) == {1}
    holder: dict[str, str] = {}
    for fact in facts:
        kind = type(fact).__name__
        if kind == "ContactAssigned":
            assert fact.contact_id not in holder, "assigned while somebody had it"
            holder[fact.contact_id] = fact.agent_id
        elif kind in ("ContactRequeued", "ContactResolved"):
            assert holder.pop(fact.contact_id) == fact.agent_id

    asked = Counter(
        mail.recipients[0] for mail in mail_server.mails if mail.message["Auto-Submitted"] == "auto-generated"
    )
    unknown = {event.contact_id for event in mails if getattr(event, "reason", None) == REASON_UNKNOWN}
    assert set(asked.values()) == {1}, "no e-mail twice for one resolve"
    assert len(asked) >= CONTACTS - len(unknown), "no e-mail lost without a word"


async def all_mails_settled(load: Load, stack: Stack) -> None:
    """Every resolved contact has got its mail, or the word that it is not known whether it did."""
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        headers = {"authorization": f"Bearer {stack.token()}"}

        async def settled(contact: str) -> bool:
            answer = await client.get(f"{stack.url('followup')}/v1/followups?contact={contact}", headers=headers)
            items = answer.json().get("items", [])
            return any(item["kind"] == "follow-up" and item["state"] in ("sent", "failed") for item in items)

        for contact in load.accepted.values():
            await eventually(lambda contact=contact: settled(contact), 60)


@pytest.mark.parametrize("mode", ["up", "sqlite", "kafka"])
@pytest.mark.timeout(400)
async def test_each_process_is_killed_in_turn_under_load(mode, make_stack, mail_server) -> None:
    stack = make_stack(mode)
    await stack.start()
    load = Load(stack)
    await load.start()
    try:
        for turn, name in enumerate(stack.names * (4 if mode == "up" else 1)):
            await load.accepted_at_least((turn + 1) * BETWEEN_KILLS)
            await stack.kill(name)
            stack.launch(name)
        await load.all_resolved()
        await all_mails_settled(load, stack)
    finally:
        await load.end()
    await stack.wait_until_ready()
    await stack.stop()
    await check_history(stack, load, mail_server)


@pytest.mark.timeout(400)
async def test_broker_and_database_are_killed_in_turn_under_load(
    make_stack, mail_server, fragile_broker, fragile_postgres
) -> None:
    stack = make_stack("kafka", fragile=True)
    await stack.start()
    load = Load(stack)
    await load.start()
    try:
        for turn, part in enumerate((fragile_broker, fragile_postgres)):
            await load.accepted_at_least((turn + 1) * BETWEEN_KILLS)
            await asyncio.to_thread(part.kill)
            await asyncio.to_thread(part.start)
        await load.all_resolved()
        await all_mails_settled(load, stack)
    finally:
        await load.end()
    await stack.wait_until_ready()
    await stack.stop()
    await check_history(stack, load, mail_server)
