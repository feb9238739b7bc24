"""The people of the simulated world: customers who write, and agents who accept, decline, ignore, click twice and sign out.

They see what the log admits and act by appending inputs, as ingest and the agents' service do for real ones. Everything they do is
drawn from the world's one source of chance.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from libs.common import ids
from libs.common.events.inputs import (
    AcceptOffer,
    AddNote,
    AgentsSeen,
    AnyInput,
    AssignContact,
    CallbackWish,
    CancelContact,
    ChangeContact,
    ContactReceived,
    CustomerLeft,
    DrainQueue,
    ExtendWrapUp,
    FinishWrapUp,
    HoldContact,
    RejectOffer,
    ReportNotReached,
    RequestCallback,
    RequeueContact,
    ResolveContact,
    SetPresence,
    StartConsult,
    TransferContact,
    UnholdContact,
)
from libs.common.events.message import Message
from libs.common.events.routing import ContactAssigned, ContactQueued, OfferMade, PoolFact, WrapUpStarted

CHANNELS = ("email", "webchat", "sms")
_HOUR_S = 3600.0


class World(Protocol):
    """What people need of their world."""

    rng: random.Random

    def now_ms(self) -> int:
        """The time."""
        ...

    async def send(self, event: AnyInput, *, beside: str | None = None) -> None:
        """Append an input; returns when it stands on the log."""
        ...

    def start(self, action: Coroutine[Any, Any, None], name: str) -> None:
        """Let something happen beside."""
        ...


@dataclass
class Customers:
    """The customers of one pool. `accepted`: the messages that stand on the log."""

    world: World
    pool: str
    queues: tuple[str, ...]
    number: int = 7
    pause_s: float = 20.0
    accepted: dict[str, None] = field(default_factory=dict)
    writing: bool = True
    _count: int = 0

    async def write(self) -> None:
        """Write now and then, for as long as `writing`."""
        while self.writing:
            await asyncio.sleep(self.world.rng.expovariate(1 / self.pause_s))
            if self.writing:
                self.world.start(self._deliver(self._message()), f"a message to {self.pool}")

    def _message(self) -> ContactReceived:
        rng = self.world.rng
        self._count += 1
        handle = f"tel:+39333{len(self.pool)}{rng.randrange(self.number)}"
        channel = rng.choice(CHANNELS)
        account = f"{self.pool}-{channel}"
        message_id = ids.message_id(account, f"{self._count}")
        now_ms = self.world.now_ms()
        message = Message(
            id=message_id,
            thread_id=ids.thread_id(account, handle),
            account=account,
            channel=channel,
            provider_id=f"{self._count}",
            handle=handle,
            received_ms=now_ms,
            occurred_ms=now_ms - rng.randrange(60_000) if rng.random() < 0.3 else None,
        )
        return ContactReceived(
            pool=self.pool,
            message=message,
            contact_id=ids.contact_id(message_id),
            queue=rng.choice(self.queues) if rng.random() < 0.98 else "no-such-queue",
            skills={"italian": rng.randint(1, 3)} if rng.random() < 0.3 else {},
            priority=rng.choice((None, None, 0, 5)),
            callback=self._wish(handle, now_ms) if rng.random() < 0.1 else None,
        )

    def _wish(self, handle: str, now_ms: int) -> CallbackWish:
        """To be called at the own number, or at another one that some give; now, later, or at a time that is over."""
        rng = self.world.rng
        number = handle if rng.random() < 0.7 else f"tel:+3902{rng.randrange(3)}00"
        return CallbackWish(
            handle=number, not_before_ms=rng.choice((None, now_ms - 1_000, now_ms + rng.randrange(900_000)))
        )

    async def _deliver(self, event: ContactReceived) -> None:
        """The provider delivers at least once: mostly once, sometimes twice at once, sometimes again much later."""
        rng = self.world.rng
        await asyncio.sleep(rng.uniform(0, 30) if rng.random() < 0.2 else 0)
        if rng.random() < 0.1:
            self.world.start(self._again(event, 0.0), "a repetition")
        if rng.random() < 0.1:
            self.world.start(self._again(event, rng.uniform(1, 20 * _HOUR_S)), "a late repetition")
        await self.world.send(event)
        self.accepted[event.message.id] = None
        if rng.random() < (0.25 if event.callback is None else 0.8):
            await asyncio.sleep(rng.expovariate(1 / 60))
            declines = rng.random() < (0.3 if event.callback is None else 0.9)
            await self.world.send(CustomerLeft(pool=self.pool, contact_id=event.contact_id, declines_callback=declines))

    async def _again(self, event: ContactReceived, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.world.send(event)


class Agents:
    """The agents of one pool, each with habits of their own."""

    def __init__(self, world: World, pool: str, names: tuple[str, ...], queues: tuple[str, ...] = ()) -> None:
        self._world = world
        self._pool = pool
        self._names = names
        self._queues = queues
        self._commands = 0
        self._gone: set[str] = set()
        self.working = True

    async def attend(self) -> None:
        """The agents' service tells who is there, for as long as they are `working`; now and then it is not there itself."""
        while self.working:
            await asyncio.sleep(15 if self._world.rng.random() < 0.9 else 120)
            there = tuple(sorted(set(self._names) - self._gone))
            await self._world.send(AgentsSeen(pool=self._pool, agents=there))

    async def live(self, name: str) -> None:
        """One agent's comings and goings. Sometimes nothing is heard of him for a while, without a word."""
        rng = self._world.rng
        while self.working:
            if rng.random() < 0.35:
                self._gone.add(name)
                await asyncio.sleep(rng.uniform(60, 240))
                self._gone.discard(name)
            status = rng.choice(("available", "available", "available", "busy", "break", "offline"))
            await self._presence(name, status)
            await asyncio.sleep(rng.uniform(20, 200) if status == "available" else rng.uniform(5, 120))

    async def oversee(self) -> None:
        """A supervisor lets queues run empty now and then, into another or none, and ends it; some of it makes no sense."""
        rng = self._world.rng
        while self.working and self._queues:
            await asyncio.sleep(rng.expovariate(1 / 600))
            queue = rng.choice(self._queues)
            await self._drain(queue, rng.choice((None, *self._queues)), lift=False)
            await asyncio.sleep(rng.expovariate(1 / 300))
            if rng.random() < 0.9:
                await self._drain(queue, None, lift=True)

    async def _drain(self, queue: str, to: str | None, *, lift: bool) -> None:
        await self._send(
            DrainQueue(
                pool=self._pool,
                command_id=self._command(),
                agent_id="supervisor",
                supervising=True,
                queue=queue,
                to_queue=to,
                lift=lift,
            )
        )

    async def sign_in(self) -> None:
        """All of them become available, and stay so."""
        for name in self._names:
            await self._presence(name, "available")

    def hear(self, fact: PoolFact) -> None:
        """Something happened that an agent's desktop shows."""
        if isinstance(fact, OfferMade):
            self._world.start(self._answer(fact), f"{fact.agent_id} answers")
        elif isinstance(fact, ContactAssigned):
            self._world.start(self._work(fact.contact_id, fact.agent_id), f"{fact.agent_id} works")
        elif isinstance(fact, ContactQueued) and self._world.rng.random() < 0.1:
            self._world.start(self._supervise(fact.contact_id), f"a supervisor of {self._pool}")
        elif isinstance(fact, WrapUpStarted) and self._world.rng.random() < 0.5:
            self._world.start(self._finish(fact.contact_id, fact.agent_id), f"{fact.agent_id} finishes up")

    async def _presence(self, name: str, status: str) -> None:
        await self._send(
            SetPresence(pool=self._pool, command_id=self._command(), agent_id=name, target_agent_id=name, status=status)
        )

    async def _answer(self, offer: OfferMade) -> None:
        rng = self._world.rng
        habit = rng.random()
        await asyncio.sleep(rng.expovariate(1 / 5))
        accept = AcceptOffer(
            pool=self._pool, command_id=self._command(), agent_id=offer.agent_id, offer_id=offer.offer_id
        )
        if habit < 0.70:
            await self._send(accept)
        elif habit < 0.80:
            await self._send(accept)  # A double click: the same command, sent again.
            await self._send(accept)
        elif habit < 0.85:
            await self._send(accept)  # Two windows: another command for the same offer.
            await self._send(
                AcceptOffer(
                    pool=self._pool, command_id=self._command(), agent_id=offer.agent_id, offer_id=offer.offer_id
                )
            )
        elif habit < 0.92:
            await self._send(
                RejectOffer(
                    pool=self._pool, command_id=self._command(), agent_id=offer.agent_id, offer_id=offer.offer_id
                )
            )
        # The rest ignore it until it runs out.

    async def _work(self, contact: str, agent: str) -> None:
        rng = self._world.rng
        await asyncio.sleep(rng.expovariate(1 / 60))
        if rng.random() < 0.1:
            command = self._command()
            await self._send(
                AddNote(
                    pool=self._pool,
                    command_id=command,
                    agent_id=agent,
                    contact_id=contact,
                    note_id=f"note-{command}",
                    text="Called back.",
                )
            )
        if rng.random() < 0.1:
            await self._send(
                ReportNotReached(pool=self._pool, command_id=self._command(), agent_id=agent, contact_id=contact)
            )
        if rng.random() < 0.05:
            await self._ask_for_a_call(contact, agent)
        if rng.random() < 0.3:
            await self._pass_on_or_put_aside(contact, agent)
        resolve = ResolveContact(pool=self._pool, command_id=self._command(), agent_id=agent, contact_id=contact)
        await self._send(resolve)
        if rng.random() < 0.1:
            await self._send(resolve)

    async def _ask_for_a_call(self, contact: str, agent: str) -> None:
        rng = self._world.rng
        not_before_ms = self._world.now_ms() + rng.randrange(600_000) if rng.random() < 0.5 else None
        await self._send(
            RequestCallback(
                pool=self._pool,
                command_id=self._command(),
                agent_id=agent,
                contact_id=contact,
                handle=None if rng.random() < 0.7 else f"tel:+3902{rng.randrange(3)}00",
                not_before_ms=not_before_ms,
            )
        )

    async def _pass_on_or_put_aside(self, contact: str, agent: str) -> None:
        """Ask somebody; pass it on (and resolve it all the same, from another window), or put it aside and perhaps go on with it."""
        rng = self._world.rng
        common: dict[str, Any] = {"pool": self._pool, "agent_id": agent, "contact_id": contact}
        if rng.random() < 0.3:
            await self._send(
                StartConsult(**common, command_id=self._command(), target_agent_id=rng.choice(self._names))
            )
        if rng.random() < 0.4:
            queue = rng.choice((None, "no-such-queue", *self._queues))
            skills = {"italian": rng.randint(1, 3)} if rng.random() < 0.5 else None
            colleague = rng.choice(self._names) if rng.random() < 0.3 else None
            command = self._command()
            transfer = TransferContact(
                **common,
                command_id=command,
                queue=queue,
                skills=skills,
                target_agent_id=colleague,
                note_id=f"note-{command}",
                text="Please.",
            )
            await self._send(transfer)
            if rng.random() < 0.3:
                await self._send(transfer)
        else:
            await self._send(HoldContact(**common, command_id=self._command()))
            await asyncio.sleep(rng.expovariate(1 / 120))
            if rng.random() < 0.5:
                await self._send(UnholdContact(**common, command_id=self._command()))
                await asyncio.sleep(rng.expovariate(1 / 30))

    async def _supervise(self, contact: str) -> None:
        """A supervisor gives the contact to somebody, takes it back, changes it or ends it, whatever has become of it by then."""
        rng = self._world.rng
        await asyncio.sleep(rng.expovariate(1 / 40))
        command = rng.choice(
            (
                partial(AssignContact, target_agent_id=rng.choice((*self._names, "nobody"))),
                RequeueContact,
                partial(ChangeContact, priority=rng.randint(-2, 5)),
                partial(ChangeContact, queue=rng.choice(self._queues) if self._queues else None),
                CancelContact,
                ResolveContact,
            )
        )
        await self._send(
            command(
                pool=self._pool,
                command_id=self._command(),
                agent_id="supervisor",
                supervising=True,
                contact_id=contact,
            )
        )

    async def _finish(self, contact: str, agent: str) -> None:
        await asyncio.sleep(self._world.rng.uniform(1, 20))
        if self._world.rng.random() < 0.3:
            await self._send(
                ExtendWrapUp(
                    pool=self._pool, command_id=self._command(), agent_id=agent, contact_id=contact, by_ms=10_000
                )
            )
        await self._send(FinishWrapUp(pool=self._pool, command_id=self._command(), agent_id=agent, contact_id=contact))

    async def _send(self, event: AnyInput) -> None:
        # Requests of one agent may overtake one another on their way to different replicas.
        await asyncio.sleep(self._world.rng.uniform(0, 0.05))
        await self._world.send(event)

    def _command(self) -> str:
        self._commands += 1
        return f"cmd-{self._pool}-{self._commands}"
