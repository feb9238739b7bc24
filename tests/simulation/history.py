"""What must be true of the admitted history of a partition, checked by a reading of its own that knows nothing of the router.

One `History` per partition is fed every admitted fact in order. It stops at the first thing that must not be.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from libs.common.events.codec import decode_envelope, decode_event
from libs.common.events.pool import Calendar
from libs.common.events.routing import (
    CalendarsExtended,
    CallbackDue,
    CallbackMissed,
    CallbackScheduled,
    CallbackWithdrawn,
    ConsultStarted,
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactChanged,
    ContactForwarded,
    ContactHeld,
    ContactLapsed,
    ContactMerged,
    ContactMoved,
    ContactQueued,
    ContactRequeued,
    ContactResolved,
    ContactReturned,
    ContactTransferred,
    ContactUnheld,
    CustomerNotice,
    DrainLifted,
    ForwardEnded,
    InputRefused,
    LeavingForwarded,
    MessageForwarded,
    MessageJoined,
    OfferExpired,
    OfferMade,
    OfferRejected,
    OfferWithdrawn,
    PoolConfigured,
    PoolFact,
    PresenceChanged,
    QueueDrained,
    WrapUpStarted,
)
from libs.common.log.fence import Fence
from libs.common.log.port import Record
from services.router.origin import is_writer_started

_DONE = {"over", "elsewhere", "wrap-up", "abandoned"}


class HistoryBrokenError(AssertionError):
    """Something stands in the history that must not."""


@dataclass
class Contact:
    """Where a contact stands: waiting, offered, with its agent, held by him (`frees_room`: taking up none), in wrap-up, or over."""

    channel: str
    queue: str
    place: str = "waiting"
    agent: str | None = None
    offer: str | None = None
    frees_room: bool = False
    transfers: int = 0
    # The queues that it overflowed from.
    left: set[str] = field(default_factory=set)
    notices: int = 0
    resumable_until_ms: int = 0
    not_before_ms: int = 0
    attempts: int = 0
    number: str | None = None
    barred: dict[str, int] = field(default_factory=dict)


@dataclass
class PoolHistory:
    """What the facts say of one pool."""

    capacity: dict[str, dict[str, int]] = field(default_factory=dict)
    shifts: dict[str, str | None] = field(default_factory=dict)
    # The calendar of each queue whose contacts are offered in its hours alone.
    hours: dict[str, str | None] = field(default_factory=dict)
    calendars: dict[str, Calendar] = field(default_factory=dict)
    presence: dict[str, str] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    messages: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    offers: dict[str, str] = field(default_factory=dict)
    drains: dict[str, str | None] = field(default_factory=dict)
    # What went to other pools, and what came from them: contacts and messages, with the pool.
    forwarded: dict[str, str] = field(default_factory=dict)
    followed: dict[str, str] = field(default_factory=dict)
    taken: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)

    def load(self, agent: str, channel: str) -> int:
        """What the agent has in hand on a channel, offers included."""
        return sum(
            contact.agent == agent and contact.channel == channel
            for contact in self.contacts.values()
            if contact.place in {"offered", "active", "held", "wrap-up"} and not contact.frees_room
        )

    def is_open(self, calendar: str | None, at_ms: int) -> bool:
        """Whether a calendar (None: one that never closes) is open by its spans."""
        return calendar is None or any(begin <= at_ms < end for begin, end in self.calendars[calendar].spans)


class History:
    """See the module."""

    def __init__(self) -> None:
        self.pools: dict[str, PoolHistory] = {}
        self.terms = 0
        self.fenced = 0
        self.facts = 0
        self.kinds: Counter[str] = Counter()
        self._fence = Fence(None)
        self._input = -1
        self._ids: set[str] = set()

    def feed(self, record: Record) -> PoolFact | None:
        """One more record of `routing.events`; the fact in it where it counts. Raises HistoryBrokenError."""
        if not self._fence.admit(record):
            self.fenced += 1
            return None
        if is_writer_started(record):
            self.terms += 1
            return None
        envelope = decode_envelope(record)
        fact: PoolFact = decode_event(record)
        place = f"{record.partition}@{record.offset} {type(fact).__name__}"
        require(envelope.input_offset is not None, f"{place}: no input")
        assert envelope.input_offset is not None
        require(envelope.input_offset >= self._input, f"{place}: input {envelope.input_offset} after {self._input}")
        require(envelope.id not in self._ids, f"{place}: the id {envelope.id} comes twice")
        self._input = envelope.input_offset
        self._ids.add(envelope.id)
        self.facts += 1
        self.kinds[getattr(fact, "cause", None) or type(fact).__name__] += 1
        pool = self.pools.setdefault(fact.pool, PoolHistory())
        try:
            _take(pool, fact)
        except HistoryBrokenError as error:
            raise HistoryBrokenError(f"{place}: {error}") from error
        return fact


def require(condition: bool, message: str) -> None:
    """Raise HistoryBrokenError with the message unless the condition holds."""
    if not condition:
        raise HistoryBrokenError(message)


def _take(pool: PoolHistory, fact: PoolFact) -> None:
    if fact.command_id is not None:
        pool.commands[fact.command_id] += 1
        require(pool.commands[fact.command_id] == 1, f"command {fact.command_id} has a second effect")
    if isinstance(fact, PoolConfigured):
        pool.capacity = {agent.id: agent.capacity for agent in fact.agents}
        pool.shifts = {agent.id: agent.shift for agent in fact.agents}
        pool.drains = {name: pool.drains[name] for name in [queue.id for queue in fact.queues] if name in pool.drains}
        pool.hours = {queue.id: None if queue.offer_when_closed else queue.hours for queue in fact.queues}
        pool.calendars = {calendar.id: calendar for calendar in fact.calendars}
        for agent in fact.agents:
            pool.presence.setdefault(agent.id, "offline")
    elif isinstance(fact, QueueDrained):
        require(fact.to_queue not in pool.drains, f"queue {fact.queue} is drained to {fact.to_queue}, which is drained")
        pool.drains[fact.queue] = fact.to_queue
    elif isinstance(fact, DrainLifted):
        del pool.drains[fact.queue]
    elif isinstance(fact, CalendarsExtended):
        pool.calendars.update((calendar.id, calendar) for calendar in fact.calendars)
    elif isinstance(fact, PresenceChanged):
        pool.presence[fact.agent_id] = fact.status
    elif isinstance(fact, ContactQueued):
        _queue(pool, fact)
    elif isinstance(fact, ContactReturned):
        _count_message(pool, fact.message_id)
        contact = _expect(pool, fact.contact_id, {"abandoned"})
        require(fact.at_ms < contact.resumable_until_ms, f"contact {fact.contact_id} comes back too late")
        contact.place = "waiting"
    elif isinstance(fact, MessageJoined):
        _count_message(pool, fact.message_id)
        _expect(pool, fact.contact_id, {"waiting", "offered", "active", "held", "scheduled"})
    elif not isinstance(fact, InputRefused) and hasattr(fact, "contact_id"):
        _move(pool, fact)


def _queue(pool: PoolHistory, fact: ContactQueued) -> None:
    if fact.message_id or not fact.passed:  # Of a forwarded one it may not be known.
        _count_message(pool, fact.message_id)
    require(fact.contact_id not in pool.contacts, f"contact {fact.contact_id} is queued again")
    drained = fact.queue in pool.drains and any(queue not in pool.drains for queue in pool.hours)
    require(not drained, f"contact {fact.contact_id} comes to the queue {fact.queue}, which is drained")
    require(fact.pool not in fact.passed, f"contact {fact.contact_id} is back in a pool that forwarded it")
    pool.contacts[fact.contact_id] = Contact(channel=fact.channel, queue=fact.queue, notices=fact.notices)
    if fact.passed:
        pool.taken[fact.contact_id] = fact.passed


def _follow(pool: PoolHistory, fact: MessageForwarded | LeavingForwarded | ForwardEnded) -> None:
    """What comes after a contact that was forwarded."""
    require(fact.contact_id in pool.forwarded, f"contact {fact.contact_id} was not forwarded")
    if isinstance(fact, MessageForwarded):
        _count_message(pool, fact.message_id)
        pool.followed[fact.message_id] = fact.to_pool
    elif isinstance(fact, ForwardEnded):
        pool.ended[fact.contact_id] += 1
        require(pool.ended[fact.contact_id] == 1, f"contact {fact.contact_id} ends twice elsewhere")


def _count_message(pool: PoolHistory, message_id: str) -> None:
    pool.messages[message_id] += 1
    require(pool.messages[message_id] == 1, f"message {message_id} counts twice")


def _expect(pool: PoolHistory, contact_id: str, places: set[str], agent: str | None = None) -> Contact:
    contact = pool.contacts.get(contact_id)
    if contact is None:
        raise HistoryBrokenError(f"contact {contact_id} is not there")
    require(contact.place in places, f"contact {contact_id} is {contact.place}, not one of {sorted(places)}")
    require(agent is None or contact.agent == agent, f"contact {contact_id} is with {contact.agent}, not {agent}")
    return contact


def _move(pool: PoolHistory, fact: PoolFact) -> None:
    if isinstance(fact, MessageForwarded | LeavingForwarded | ForwardEnded):
        _follow(pool, fact)
    elif isinstance(fact, ContactMoved | CustomerNotice | ContactForwarded):
        _overflow(pool, fact)
    elif isinstance(fact, OfferMade):
        _offer(pool, fact)
    elif isinstance(fact, OfferRejected | OfferExpired | OfferWithdrawn):
        contact = _expect(pool, fact.contact_id, {"offered"}, fact.agent_id)
        require(contact.offer == fact.offer_id, f"offer {fact.offer_id} ends, {contact.offer} is open")
        contact.place, contact.agent, contact.offer = "waiting", None, None
    elif isinstance(fact, ContactAssigned) and fact.offer_id is None:
        contact = _expect(pool, fact.contact_id, {"waiting", "scheduled"})
        require(fact.agent_id in pool.capacity, f"agent {fact.agent_id} is not there")
        over = pool.load(fact.agent_id, contact.channel) >= pool.capacity[fact.agent_id].get(contact.channel, 1)
        # There are other limits than the number on the channel.
        require(fact.over_capacity or not over, f"agent {fact.agent_id} is over capacity, and nobody says so")
        contact.place, contact.agent = "active", fact.agent_id
    elif isinstance(fact, ContactAssigned):
        contact = _expect(pool, fact.contact_id, {"offered"}, fact.agent_id)
        require(contact.offer == fact.offer_id, f"offer {fact.offer_id} is accepted, {contact.offer} is open")
        contact.place, contact.offer = "active", None
    elif isinstance(fact, ContactRequeued):
        contact = _expect(pool, fact.contact_id, {"active", "held"}, fact.agent_id)
        contact.place, contact.agent, contact.frees_room = "waiting", None, False
        contact.barred[fact.agent_id] = fact.barred_until_ms
    elif isinstance(fact, WrapUpStarted):
        contact = _expect(pool, fact.contact_id, {"active", "held"}, fact.agent_id)
        contact.place, contact.frees_room = "wrap-up", False
    elif isinstance(fact, ContactResolved):
        contact = _expect(pool, fact.contact_id, {"waiting", "scheduled", "active", "held", "wrap-up"})
        require(
            contact.place in {"waiting", "scheduled"} or contact.agent == fact.agent_id,
            f"contact {fact.contact_id} is with {contact.agent}, not {fact.agent_id}",
        )
        contact.place, contact.frees_room = "over", False
    else:
        _handle(pool, fact)


def _handle(pool: PoolHistory, fact: PoolFact) -> None:
    """What is done with contacts besides answering and resolving them."""
    if isinstance(fact, ContactMoved):
        contact = _expect(pool, fact.contact_id, {"waiting"})
        require(
            fact.cause != "drain" or pool.drains.get(contact.queue) == fact.queue,
            f"contact {fact.contact_id} is moved from {contact.queue} to {fact.queue}",
        )
        contact.queue = fact.queue
    elif isinstance(fact, CallbackScheduled):
        contact = _expect(pool, fact.contact_id, {"waiting", "scheduled", "active", "held"})
        require(
            contact.agent == fact.agent_id, f"contact {fact.contact_id} is with {contact.agent}, not {fact.agent_id}"
        )
        contact.place, contact.agent, contact.frees_room = "scheduled", None, False
        contact.channel, contact.not_before_ms, contact.attempts = fact.channel, fact.not_before_ms, 0
        contact.number = fact.handle
        called = [one for one in pool.contacts.values() if one.number == fact.handle and one.place not in _DONE]
        require(called == [contact], f"{len(called)} contacts are called at the number of {fact.contact_id}")
    elif isinstance(fact, CallbackMissed):
        contact = _expect(pool, fact.contact_id, {"active", "held"}, fact.agent_id)
        require(fact.attempts == contact.attempts + 1, f"contact {fact.contact_id} is missed {fact.attempts} times")
        contact.place, contact.agent, contact.frees_room = "scheduled", None, False
        contact.not_before_ms, contact.attempts = fact.not_before_ms, fact.attempts
    elif isinstance(fact, CallbackDue):
        contact = _expect(pool, fact.contact_id, {"scheduled"})
        early = fact.cause == "time" and fact.at_ms < contact.not_before_ms
        require(not early, f"contact {fact.contact_id} is due before its time")
        contact.place = "waiting"
    elif isinstance(fact, CallbackWithdrawn):
        contact = _expect(pool, fact.contact_id, {"waiting", "scheduled"})
        require(contact.not_before_ms > 0, f"contact {fact.contact_id} was never to be called back")
        contact.place, contact.channel, contact.number = "waiting", fact.channel, None
    elif isinstance(fact, ContactMerged):
        contact = _expect(pool, fact.contact_id, {"waiting"})
        into = _expect(pool, fact.into_contact_id, {"waiting", "offered", "scheduled", "active", "held"})
        require(into.number is not None, f"contact {fact.contact_id} is merged into what is no callback")
        require(into is not contact, f"contact {fact.contact_id} is merged into itself")
        contact.place = "over"
    else:
        _treat(pool, fact)


def _treat(pool: PoolHistory, fact: PoolFact) -> None:
    """What agents, supervisors and customers do with contacts."""
    if isinstance(fact, ContactTransferred):
        contact = _expect(pool, fact.contact_id, {"active", "held"}, fact.agent_id)
        require(
            fact.transfers == contact.transfers + 1, f"contact {fact.contact_id} is passed on {fact.transfers} times"
        )
        contact.place, contact.agent, contact.frees_room = "waiting", None, False
        contact.transfers, contact.queue = fact.transfers, fact.queue
        if fact.barred_agent_id is not None:
            contact.barred[fact.barred_agent_id] = fact.barred_until_ms
        if fact.target_agent_id is not None:
            contact.barred.pop(fact.target_agent_id, None)  # He is asked by name, whatever was before.
    elif isinstance(fact, ContactHeld):
        contact = _expect(pool, fact.contact_id, {"active"}, fact.agent_id)
        contact.place, contact.frees_room = "held", fact.frees_room
    elif isinstance(fact, ContactUnheld):
        contact = _expect(pool, fact.contact_id, {"held"}, fact.agent_id)
        if fact.cause == "customer" and contact.frees_room:
            room = pool.capacity.get(fact.agent_id, {}).get(contact.channel, 1)
            require(
                pool.load(fact.agent_id, contact.channel) < room,
                f"agent {fact.agent_id} has no room for what comes back",
            )
        contact.place, contact.frees_room = "active", False
    elif isinstance(fact, ConsultStarted):
        _expect(pool, fact.contact_id, {"active", "held"}, fact.agent_id)
        require(fact.target_agent_id in pool.capacity, f"agent {fact.target_agent_id} is not there")
        require(fact.target_agent_id != fact.agent_id, f"agent {fact.agent_id} consults himself")
    elif isinstance(fact, ContactChanged):
        _expect(
            pool, fact.contact_id, {"waiting", "scheduled", "offered", "active", "held", "wrap-up"}
        ).queue = fact.queue
    elif isinstance(fact, ContactAbandoned):
        contact = _expect(pool, fact.contact_id, {"waiting"})
        contact.place, contact.resumable_until_ms = "abandoned", fact.resumable_until_ms
    elif isinstance(fact, ContactLapsed):
        contact = _expect(pool, fact.contact_id, {"abandoned"})
        require(fact.at_ms >= contact.resumable_until_ms, f"contact {fact.contact_id} lapses too early")
        contact.place = "over"
    elif isinstance(fact, ContactCancelled):
        contact = _expect(pool, fact.contact_id, {"waiting", "scheduled", "active", "held"})
        require(
            contact.agent == fact.agent_id, f"contact {fact.contact_id} is with {contact.agent}, not {fact.agent_id}"
        )
        contact.place, contact.frees_room = "over", False


def _overflow(pool: PoolHistory, fact: ContactMoved | CustomerNotice | ContactForwarded) -> None:
    by_overflow = isinstance(fact, ContactForwarded) or fact.cause == "overflow"
    places = {"waiting"} if by_overflow else {"waiting", "scheduled", "active", "held"}
    contact = _expect(pool, fact.contact_id, places)
    if isinstance(fact, ContactMoved):
        require(fact.queue != contact.queue, f"contact {fact.contact_id} is moved to where it is")
        if by_overflow:
            contact.left.add(contact.queue)
            require(fact.queue not in contact.left, f"contact {fact.contact_id} overflows back to {fact.queue}")
        contact.queue = fact.queue
    elif isinstance(fact, CustomerNotice):
        require(fact.notice == contact.notices + 1, f"contact {fact.contact_id} is told number {fact.notice}")
        contact.notices = fact.notice
    else:
        require(fact.to_pool not in fact.passed, f"contact {fact.contact_id} is sent back to {fact.to_pool}")
        contact.place = "elsewhere"
        pool.forwarded[fact.contact_id] = fact.to_pool


def _offer(pool: PoolHistory, fact: OfferMade) -> None:
    contact = _expect(pool, fact.contact_id, {"waiting"})
    require(
        contact.barred.get(fact.agent_id, 0) <= fact.at_ms,
        f"agent {fact.agent_id} is offered what he passed on or what was taken from him",
    )
    require(fact.offer_id not in pool.offers, f"offer {fact.offer_id} is made twice")
    require(pool.presence.get(fact.agent_id) == "available", f"agent {fact.agent_id} is not available")
    room = pool.capacity.get(fact.agent_id, {}).get(contact.channel, 1)
    load = pool.load(fact.agent_id, contact.channel)
    require(fact.agent_id in pool.capacity, f"agent {fact.agent_id} is not there")
    require(pool.is_open(pool.shifts[fact.agent_id], fact.at_ms), f"agent {fact.agent_id} is off shift")
    require(pool.is_open(pool.hours.get(contact.queue), fact.at_ms), f"queue {contact.queue} is closed")
    require(load < room, f"agent {fact.agent_id} has {load} of {room} on {contact.channel} and is offered another")
    pool.offers[fact.offer_id] = fact.contact_id
    contact.place, contact.agent, contact.offer = "offered", fact.agent_id, fact.offer_id
