"""Customers who write and agents who work everything off while a test breaks things, and what must be true afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import httpx

from libs.common.http.auth import Role
from libs.common.http.problem import PROBLEM_MEDIA_TYPE
from libs.common.log.open import open_log
from libs.common.log.streams import FOLLOWUP_EVENTS, ROUTING_EVENTS
from libs.common.outbox import LEASE_MS, REASON_UNKNOWN
from tests.e2e.people import AWAY, Desk, send_contact, take_everything
from tests.e2e.stack import Stack
from tests.parts.smtp import MailServer
from tests.simulation.history import History
from tests.support.history import admitted_facts, read_records, read_stream
from tests.support.waiting import eventually

CONTACTS = 60
# What a process had in hand when it was killed is sent by another when its lease is over.
MAIL_S = LEASE_MS / 1000 + 60
# Twilio, the least patient of the providers, gives up on a webhook after this time.
ANSWER_S = 15


class Load:
    """Customers who write one after the other, through every refusal, and agents who accept and resolve.

    `accepted`: the contact of each customer that got a 202. `refusals`: the answers other than that. `silent`: requests that were not
    answered within `ANSWER_S` although somebody took them. `histories`: what a reader of each partition saw, once all is over.
    """

    def __init__(
        self, stack: Stack, contacts: int = CONTACTS, *, doors: Iterable[str] = ("ingest",), offices=("agent-api",)
    ) -> None:
        """`doors`, `offices`: the names of the processes to which customers and agents turn, one after the other."""
        self.stack = stack
        self.contacts = contacts
        self.accepted: dict[int, str] = {}
        self.refusals: list[httpx.Response] = []
        self.silent = 0
        self.histories: list[History] = []
        self._doors = tuple(doors)
        agents = ("anna", "bruno", "carla")
        self.desks = [Desk(stack, agent, office=offices[i % len(offices)]) for i, agent in enumerate(agents)]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to work. The desks look first: what happened before a stream was opened is in its snapshot and not in its frames."""
        self._tasks = [asyncio.create_task(desk.follow()) for desk in self.desks]
        for desk in self.desks:
            await desk.frame("hello")
            await desk.become("available")
        self._tasks += [asyncio.create_task(take_everything(desk)) for desk in self.desks]
        self._tasks.append(asyncio.create_task(self._write()))

    async def _write(self) -> None:
        async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as client:
            for number in range(self.contacts):
                door = self._doors[number % len(self._doors)]
                answer = await send_contact(self.stack, client, number, door=door, told=self._hear)
                self.accepted[number] = answer["contact_hint"]

    def _hear(self, answer: httpx.Response | Exception) -> None:
        if isinstance(answer, httpx.ReadTimeout):
            self.silent += 1
        elif isinstance(answer, httpx.Response) and answer.status_code != 202:
            self.refusals.append(answer)

    async def accepted_at_least(self, number: int) -> None:
        """Wait for so many contacts to have been taken."""
        await eventually(lambda: len(self.accepted) >= min(number, self.contacts) or self._failed(), 120)

    async def refused_again(self) -> None:
        """Wait for one more refusal, which must be one as providers want it."""
        before = len(self.refusals)
        await eventually(lambda: len(self.refusals) > before or self._failed(), 30)
        check_unavailable(self.refusals[-1])

    async def resolved_at_least(self, number: int) -> None:
        """Wait for so many contacts to be resolved."""
        async with _at_desk(self.stack) as supervisor:

            async def done() -> bool:
                self._failed()
                return await self._count_resolved(supervisor) >= number

            await eventually(done, 120, 0.3)

    async def more_resolved(self, number: int) -> None:
        """Wait for so many more contacts to be resolved than are now."""
        async with _at_desk(self.stack) as supervisor:
            now = await self._count_resolved(supervisor)
        await self.resolved_at_least(min(now + number, self.contacts))

    async def _count_resolved(self, supervisor: Desk) -> int:
        found, cursor = 0, ""
        while True:
            page = await supervisor.call("GET", f"/v1/contacts?state=resolved&limit=100{cursor}")
            body = page.json()
            found += len(body["items"])
            if not body["next_cursor"]:
                return found
            cursor = f"&cursor={body['next_cursor']}"

    async def all_resolved(self) -> None:
        """Wait until every contact that was accepted is resolved."""
        await self.accepted_at_least(self.contacts)
        await self.resolved_at_least(self.contacts)
        await eventually(lambda: shown_as_resolved(*self.desks) >= set(self.accepted.values()), 30)

    async def all_mails_settled(self) -> None:
        """Every resolved contact has got its mail, or the word that it is not known whether it did."""
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            for contact in self.accepted.values():
                await follow_up_in(self.stack, client, contact, "sent", "failed")

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


@asynccontextmanager
async def under_load(
    stack: Stack, mail_server: MailServer, contacts: int = CONTACTS, **faces: Iterable[str]
) -> AsyncIterator[Load]:
    """A test breaks things while everybody works; afterwards every contact and mail must come to its end, and what happened be in order.

    `faces`: as for `Load`.
    """
    load = Load(stack, contacts, **faces)
    await load.start()
    try:
        yield load
        await load.all_resolved()
        await load.all_mails_settled()
    finally:
        await load.end()
    await stack.wait_until_ready()
    await stack.stop()
    load.histories = await check_history(stack, load, mail_server)


@asynccontextmanager
async def _at_desk(stack: Stack) -> AsyncIterator[Desk]:
    supervisor = Desk(stack, "sara", Role.SUPERVISOR)
    try:
        yield supervisor
    finally:
        await supervisor.close()


async def follow_up_in(stack: Stack, client: httpx.AsyncClient, contact: str, *states: str) -> dict:
    """Wait until the mail that follows a contact up is in one of these states; the mail as the service shows it."""
    headers = {"authorization": f"Bearer {stack.token()}"}

    async def found() -> dict | None:
        with suppress(*AWAY):
            answer = await client.get(f"{stack.url('followup')}/v1/followups?contact={contact}", headers=headers)
            for item in answer.json().get("items", []):
                if item["kind"] == "follow-up" and item["state"] in states:
                    return item
        return None

    mail = await eventually(found, MAIL_S)
    assert mail is not None
    return mail


def shown_as_resolved(*desks: Desk) -> set[str]:
    """The contacts that these desktops saw resolved on their streams."""
    return {frame["contact"]["id"] for desk in desks for frame in desk.frames if frame["type"] == "contact.resolved"}


def numbered_frames(desk: Desk) -> list[tuple[int, str]]:
    """What a desktop was sent, as number and type, without snapshots and signs of life."""
    return [
        (int(frame["cursor"].rpartition("-")[2]), frame["type"])
        for frame in desk.frames
        if frame["type"] not in ("hello", "ping")
    ]


def check_unavailable(answer: httpx.Response) -> None:
    """It is the answer that lets a caller try again: 503, when, and as a problem document."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE


async def check_history(stack: Stack, load: Load, mail_server: MailServer) -> list[History]:
    """What must be true of the log and of the mailbox, whatever happened. Gives what a reader of each partition saw."""
    url = stack.environment.get("CENTRALINO_LOG") or f"sqlite:///{stack.folder / 'data' / 'log.db'}"
    log = open_log(url, 4, 14)
    await log.connect()
    facts = await admitted_facts(log, ROUTING_EVENTS)
    histories = [History() for _ in range(log.partitions(ROUTING_EVENTS))]
    for record in await read_records(log, ROUTING_EVENTS):
        histories[record.partition].feed(record)
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

    for desk in load.desks:
        numbers = [number for number, _ in numbered_frames(desk)]
        assert numbers == sorted(set(numbers)), "frames come once and in order, over every interruption"
        own = [
            fact.contact_id
            for fact in facts
            if type(fact).__name__ == "ContactAssigned" and fact.agent_id == desk.agent
        ]
        shown = [frame["contact"]["id"] for frame in desk.frames if frame["type"] == "contact.assigned"]
        assert shown == own, "an agent's stream shows every assignment"

    asked = Counter(
        mail.recipients[0] for mail in mail_server.mails if mail.message["Auto-Submitted"] == "auto-generated"
    )
    unknown = {event.contact_id for event in mails if getattr(event, "reason", None) == REASON_UNKNOWN}
    assert set(asked.values()) == {1}, "no e-mail twice for one resolve"
    assert len(asked) >= load.contacts - len(unknown), "no e-mail lost without a word"
    return histories
