"""A router that does as a test tells it: answers commands from a list of offers and contacts, offers only what it is told to.

It writes facts as the real one does (terms, the offset of the input, the command's id), and decides nothing of its own, so a test of
the agent API knows every fact there is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec

from libs.common.clock import Clock
from libs.common.events import inputs, routing
from libs.common.events.codec import decode_event, encode_record
from libs.common.log.port import Appended, EventLog, NewRecord, Record, Writer
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS, partition_of
from libs.common.testing.builders import (
    a_contact_assigned,
    a_contact_queued,
    a_contact_received,
    a_contact_resolved,
    a_message,
    an_offer_made,
)
from tests.support.waiting import eventually

SOURCE = "test/router"


@dataclass(slots=True)
class _Contact:
    state: str
    agent: str | None = None
    thread: str = ""


@dataclass(slots=True)
class _Offer:
    contact: str
    agent: str
    state: str = "open"


@dataclass
class ScriptedRouter:
    """Reads one partition's inputs and writes its facts. `silent`: commands are read and not answered until `speak`."""

    log: EventLog
    clock: Clock
    pool: str = "care"
    wrap_up_ms: int = 0
    silent: bool = False
    contacts: dict[str, _Contact] = field(default_factory=dict)
    offers: dict[str, _Offer] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    term: int = 0
    answered: int = 0
    _writer: Writer | None = None
    _unanswered: list[tuple[Record, Any]] = field(default_factory=list)
    _numbers: int = 0

    @property
    def partition(self) -> int:
        return partition_of(self.pool, self.log.partitions(ROUTING_INPUTS))

    async def start(self) -> None:
        """Take the partition over."""
        self._writer = await self.log.open_writer("router")
        started = encode_record(
            routing.WriterStarted(writer_id="test"),
            key="",
            event_id=f"start-{self.clock.now_ms()}-{self.term}",
            source=SOURCE,
            time_ms=self.clock.now_ms(),
            correlation_id="test",
        )
        self.term = (await self._writer.append(ROUTING_EVENTS, self.partition, [started])).first_offset

    async def run(self) -> None:
        """Answer inputs until cancelled."""
        reader = await self.log.open_reader(ROUTING_INPUTS, {self.partition: 0})
        try:
            while True:
                for record in await reader.poll(wait_ms=30_000):
                    event = decode_event(record)
                    if self.silent:
                        self._unanswered.append((record, event))
                    else:
                        await self._answer(record, event)
        finally:
            await reader.close()

    async def speak(self) -> None:
        """Answer what was held back, and go on answering."""
        self.silent = False
        held, self._unanswered = self._unanswered, []
        for record, event in held:
            await self._answer(record, event)

    async def tell(self, *facts: msgspec.Struct, input_offset: int = -1, term: int | None = None) -> Appended:
        """Write facts as one batch. Without an `input_offset` they come from settling, after the newest input."""
        assert self._writer is not None, "start it first"
        if input_offset < 0:
            input_offset = await self.log.end_offset(ROUTING_INPUTS, self.partition) - 1
        return await self._writer.append(
            ROUTING_EVENTS, self.partition, [self._record(fact, input_offset, term) for fact in facts]
        )

    async def receive(self, number: int = 1, **message: Any) -> str:
        """A customer's message comes in and opens a contact; gives the contact's id, once the fact is written."""
        received = a_contact_received(number, message=a_message(number, **message))
        offset = (await self.give(received)).last_offset
        await eventually(lambda: self.answered > offset)
        return received.contact_id

    async def give(self, *events: msgspec.Struct) -> Appended:
        """Append inputs, as ingest does."""
        assert self._writer is not None, "start it first"
        records = []
        for event in events:
            self._numbers += 1
            records.append(
                encode_record(
                    event,
                    key=self.pool,
                    event_id=f"input-{self._numbers}",
                    source="test/ingest",
                    time_ms=self.clock.now_ms(),
                    correlation_id="test",
                )
            )
        return await self._writer.append(ROUTING_INPUTS, self.partition, records)

    async def offer(self, contact_id: str, agent: str = "anna", **fields: Any) -> str:
        """Offer the contact; gives the offer's id."""
        self._numbers += 1
        offer_id = f"off_{self._numbers}_{contact_id}"
        self.offers[offer_id] = _Offer(contact_id, agent)
        made = an_offer_made(contact_id, agent, at_ms=self.clock.now_ms(), offer_id=offer_id, **fields)
        await self.tell(made)
        return offer_id

    async def expire(self, offer_id: str) -> None:
        """The offer was not answered in time."""
        offer = self.offers[offer_id]
        offer.state = "expired"
        await self.tell(
            routing.OfferExpired(
                pool=self.pool,
                at_ms=self.clock.now_ms(),
                offer_id=offer_id,
                contact_id=offer.contact,
                agent_id=offer.agent,
            )
        )

    def _record(self, fact: msgspec.Struct, input_offset: int, term: int | None) -> NewRecord:
        self._numbers += 1
        return encode_record(
            fact,
            key=self.pool,
            event_id=f"fact-{self._numbers}",
            source=SOURCE,
            time_ms=self.clock.now_ms(),
            correlation_id="test",
            term=self.term if term is None else term,
            input_offset=None if input_offset < 0 else input_offset,
        )

    async def _answer(self, record: Record, event: Any) -> None:
        command_id = getattr(event, "command_id", None)
        if command_id is not None:
            if command_id in self.commands:
                self.answered = record.offset + 1
                return
            self.commands.append(command_id)
        facts = self._decide(event)
        if facts:
            await self.tell(*facts, input_offset=record.offset)
        self.answered = record.offset + 1

    def _decide(self, event: Any) -> list[msgspec.Struct]:
        now_ms = self.clock.now_ms()
        common: dict[str, Any] = {"pool": self.pool, "at_ms": now_ms}
        if isinstance(event, inputs.ContactReceived):
            return self._receive(event, common)
        common["command_id"] = event.command_id
        if isinstance(event, inputs.SetPresence):
            return [routing.PresenceChanged(**common, agent_id=event.target_agent_id, status=event.status)]
        if isinstance(event, (inputs.AcceptOffer, inputs.RejectOffer)):
            return [self._answer_offer(event, common)]
        if isinstance(event, inputs.AddNote):
            return [
                routing.NoteAdded(**common, contact_id=event.contact_id, note_id=event.note_id, agent_id=event.agent_id)
            ]
        return [self._end_contact(event, common)]

    def _receive(self, event: inputs.ContactReceived, common: dict[str, Any]) -> list[msgspec.Struct]:
        thread = event.message.thread_id
        for contact_id, contact in self.contacts.items():
            if contact.thread == thread and contact.state != "resolved":
                return [routing.MessageJoined(**common, contact_id=contact_id, message_id=event.message.id)]
        self.contacts[event.contact_id] = _Contact("queued", thread=thread)
        return [a_contact_queued(message=event.message, at_ms=common["at_ms"], queue=event.queue)]

    def _answer_offer(self, event: inputs.AcceptOffer | inputs.RejectOffer, common: dict[str, Any]) -> msgspec.Struct:
        offer = self.offers.get(event.offer_id)
        if offer is None:
            return self._refuse(event, "offer-unknown", common)
        if offer.agent != event.agent_id:
            return self._refuse(event, "not-your-offer", common)
        if offer.state != "open":
            words = {"expired": "offer-expired", "accepted": "offer-already-accepted"}
            return self._refuse(event, words.get(offer.state, "offer-taken-back"), common)
        if isinstance(event, inputs.AcceptOffer):
            offer.state = "accepted"
            self.contacts.setdefault(offer.contact, _Contact("active")).state = "active"
            self.contacts[offer.contact].agent = offer.agent
            return a_contact_assigned(offer.contact, offer.agent, offer_id=event.offer_id, **common)
        offer.state = "rejected"
        return routing.OfferRejected(
            **common,
            offer_id=event.offer_id,
            contact_id=offer.contact,
            agent_id=offer.agent,
            reason=event.reason,
        )

    def _end_contact(
        self, event: inputs.ResolveContact | inputs.FinishWrapUp, common: dict[str, Any]
    ) -> msgspec.Struct:
        contact = self.contacts.get(event.contact_id)
        if contact is None:
            return self._refuse(event, "contact-unknown", common)
        if contact.state in ("resolved", "wrap_up") and isinstance(event, inputs.ResolveContact):
            return self._refuse(event, "already-resolved", common)
        if contact.agent != event.agent_id:
            return self._refuse(event, "contact-not-yours", common)
        if isinstance(event, inputs.ResolveContact) and self.wrap_up_ms:
            contact.state = "wrap_up"
            return routing.WrapUpStarted(
                **common,
                contact_id=event.contact_id,
                agent_id=event.agent_id,
                until_ms=common["at_ms"] + self.wrap_up_ms,
                disposition=event.disposition,
                summary=event.summary,
            )
        contact.state = "resolved"
        return a_contact_resolved(
            event.contact_id, event.agent_id, disposition=getattr(event, "disposition", None), **common
        )

    def _refuse(self, event: Any, reason: str, common: dict[str, Any]) -> msgspec.Struct:
        kind = str(type(event).__struct_config__.tag)
        return routing.InputRefused(**common, input_type=kind, reason=reason, detail=f"Refused: {reason}.")


async def follow(router: ScriptedRouter) -> asyncio.Task[None]:
    """Start the router and let it answer in the background."""
    await router.start()
    return asyncio.create_task(router.run())
