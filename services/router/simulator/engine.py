"""The simulation itself: virtual time, one heap of what is to happen, and the router's own `step` for every decision.

The core gets the inputs that it gets from the log (`ContactReceived`, `AcceptOffer`, `ResolveContact`, `SetPresence`, `TimeAdvanced` when
something is due ...), and what people do next follows from the facts that come out. Nothing of the routing is modelled here.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from libs.common.events.inputs import (
    AcceptOffer,
    AnyInput,
    ContactReceived,
    CustomerLeft,
    FinishWrapUp,
    HoldContact,
    RejectOffer,
    ReportNotReached,
    RequestCallback,
    ResolveContact,
    SetPresence,
    TimeAdvanced,
    TransferContact,
    UnholdContact,
)
from libs.common.events.routing import (
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactForwarded,
    ContactRequeued,
    ContactResolved,
    ContactTransferred,
    ContactUnheld,
    OfferMade,
    PoolFact,
    PresenceChanged,
    WrapUpStarted,
)
from services.router.core.entities import Presence
from services.router.core.step import new_state, next_deadline_ms, step
from services.router.core.transitions import ContactState

_PROGRESS_EVERY: Final = 2_000

_UNTIL_DONE: Final = 0  # The end of a wrap-up that lasts until the agent says that he is done.
_WAITING: Final = frozenset({ContactState.QUEUED, ContactState.OFFERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Interlude:
    """After `work_ms` of conversation the contact is put aside for `held_ms`, or its agent gives it away by `command`: passes it on, has
    its customer called back (not before `held_ms` are over), or says that nobody answered the call.

    `by_customer`: what is put aside goes on because the customer writes, as soon as the agent has room; else the agent goes on.
    """

    work_ms: int
    held_ms: int | None = None
    by_customer: bool = False
    command: TransferContact | RequestCallback | ReportNotReached | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A customer who waits asks to be called, so long after coming, not before so long after that."""

    after_ms: int
    wait_ms: int
    handle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A contact to come, and what will be true of it whoever takes it.

    `handling_ms` is from being assigned, or from the end of the last of the `interludes`, to the end of the conversation, `wrap_up_ms`
    how soon after that the agent says that he is done (None: when the wrap-up's time is over, or at once where it has no end).
    `patience_ms`: when the customer leaves if nobody has taken the contact (None: never). `wish`: what else may happen while it waits.
    """

    at_ms: int
    event: ContactReceived
    handling_ms: int
    patience_ms: int | None = None
    wrap_up_ms: int | None = None
    interludes: tuple[Interlude, ...] = ()
    wish: Wish | None = None


@dataclass(slots=True)
class _Course:
    """How far a contact has come. `passed`: interludes behind it. `stretch`: what was to happen at the end of an earlier stretch of work
    no longer does. `began_ms`: since when somebody is at this stretch; `done_ms`: what those before did of it, who had to leave it.
    """

    arrival: Arrival
    passed: int = 0
    stretch: int = 0
    began_ms: int | None = None
    done_ms: int = 0

    def interlude(self) -> Interlude | None:
        """The one that comes next."""
        interludes = self.arrival.interludes
        return interludes[self.passed] if self.passed < len(interludes) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent does about an offer, so long after it was made."""

    delay_ms: int
    accepts: bool = True


class Answering(Protocol):
    """How agents answer offers."""

    def __call__(self, offer: OfferMade) -> Answer | None:
        """The answer to this offer; None when it is left to run out."""
        ...


class Observer(Protocol):
    """Is told of everything that happens, in order."""

    def note(self, fact: PoolFact) -> None:
        """A fact."""
        ...


def answer_at_once(offer: OfferMade) -> Answer:
    """Every offer is accepted in the moment in which it is made."""
    return Answer(0)


_Event = tuple[int, int, Callable[..., None], Any]


class Simulation:
    """One run of one pool.

    `inputs`: configuration and presences, each with its time, in order. `arrivals`: in order too; both are read as far as needed.
    `back_ms`: how soon an agent who is held to be away, because he let offers run out, says that he is not (None: never). The run ends
    at `end_ms`, or when nothing is left that could happen.
    """

    def __init__(
        self,
        pool: str,
        *,
        inputs: Iterable[tuple[int, AnyInput]],
        arrivals: Iterable[Arrival],
        observer: Observer,
        answering: Answering = answer_at_once,
        back_ms: int | None = None,
        end_ms: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.state: Final = new_state(pool)
        self.now_ms = 0
        self._pool: Final = pool
        self._inputs: Final[Iterator[tuple[int, AnyInput]]] = iter(inputs)
        self._arrivals: Final[Iterator[Arrival]] = iter(arrivals)
        self._observer: Final = observer
        self._answering: Final = answering
        self._back_ms: Final = back_ms
        self._end_ms: Final = end_ms
        self._progress: Final = progress
        self._heap: Final[list[_Event]] = []
        self._scheduled = 0
        self._commands = 0
        self._open: Final[dict[str, _Course]] = {}

    def run(self) -> None:
        """From the first input to the end."""
        self._next_input()
        self._next_arrival()
        heap, state = self._heap, self.state
        happened = 0
        while True:
            due_ms = next_deadline_ms(state)
            if heap and (due_ms is None or heap[0][0] < due_ms):
                at_ms, _, act, subject = heapq.heappop(heap)
            elif due_ms is not None:
                at_ms, act, subject = due_ms, self._advance, None
            else:
                return
            if self._end_ms is not None and at_ms > self._end_ms:
                self.now_ms = self._end_ms
                return
            self.now_ms = max(self.now_ms, at_ms)
            act(subject)
            happened += 1
            if self._progress is not None and happened % _PROGRESS_EVERY == 0:
                self._progress(self.now_ms)

    # What happens

    def _schedule(self, at_ms: int, act: Callable[..., None], subject: Any) -> None:
        self._scheduled += 1
        heapq.heappush(self._heap, (at_ms, self._scheduled, act, subject))

    def _next_input(self) -> None:
        following = next(self._inputs, None)
        if following is not None:
            self._schedule(following[0], self._take_input, following[1])

    def _next_arrival(self) -> None:
        following = next(self._arrivals, None)
        if following is not None:
            self._schedule(following.at_ms, self._arrive, following)

    def _take_input(self, event: AnyInput) -> None:
        # The next one goes first into the heap, so that inputs of one moment come before what they lead to.
        self._next_input()
        self._decide(event)

    def _arrive(self, arrival: Arrival) -> None:
        contact_id = arrival.event.contact_id
        self._open[contact_id] = _Course(arrival)
        self._decide(arrival.event)
        # After what the arrival leads to at once: who is answered in the same moment has not left.
        if arrival.patience_ms is not None:
            self._schedule(self.now_ms + arrival.patience_ms, self._leave, contact_id)
        if arrival.wish is not None:
            self._schedule(self.now_ms + arrival.wish.after_ms, self._ask_for_call, (contact_id, arrival.wish))
        self._next_arrival()

    def _advance(self, _: None) -> None:
        self._decide(TimeAdvanced(pool=self._pool, now_ms=self.now_ms))

    def _leave(self, contact_id: str) -> None:
        contact = self.state.contacts.get(contact_id)
        if contact is not None and contact.state in _WAITING:
            self._decide(CustomerLeft(pool=self._pool, contact_id=contact_id))

    def _ask_for_call(self, asked: tuple[str, Wish]) -> None:
        contact_id, wish = asked
        contact = self.state.contacts.get(contact_id)
        if contact is not None and contact.state in _WAITING:
            wanted = RequestCallback(
                **self._by(""),
                supervising=True,
                contact_id=contact_id,
                handle=wish.handle,
                not_before_ms=self.now_ms + wish.wait_ms,
            )
            self._decide(wanted)

    def _accept(self, offer: OfferMade) -> None:
        if offer.offer_id in self.state.offers:
            self._decide(AcceptOffer(**self._by(offer.agent_id), offer_id=offer.offer_id))

    def _reject(self, offer: OfferMade) -> None:
        if offer.offer_id in self.state.offers:
            self._decide(RejectOffer(**self._by(offer.agent_id), offer_id=offer.offer_id))

    def _end_stretch(self, stretch: tuple[str, str, int]) -> None:
        contact_id, agent_id, number = stretch
        course = self._open.get(contact_id)
        if course is None or course.stretch != number:
            return
        interlude = course.interlude()
        if interlude is None:
            self._decide(ResolveContact(**self._by(agent_id), contact_id=contact_id))
            return
        course.passed += 1
        course.began_ms, course.done_ms = None, 0
        self._decide(self._command_of(interlude, agent_id, contact_id))
        contact = self.state.contacts.get(contact_id)
        if contact is None:
            return  # Nobody answered the last call.
        if contact.state is ContactState.HELD:
            self._schedule(self.now_ms + (interlude.held_ms or 0), self._go_on, (stretch, interlude))
        elif contact.state is ContactState.ACTIVE and course.stretch == number:
            # Under other rules it cannot be passed on like this: whoever has it goes on.
            self._begin_stretch(contact_id, agent_id)

    def _command_of(self, interlude: Interlude, agent_id: str, contact_id: str) -> AnyInput:
        fields = {**self._by(agent_id), "contact_id": contact_id}
        if interlude.command is None:
            return HoldContact(**fields)
        if isinstance(interlude.command, RequestCallback):
            fields["not_before_ms"] = self.now_ms + (interlude.held_ms or 0)
        return msgspec.structs.replace(interlude.command, **fields)

    def _go_on(self, put_aside: tuple[tuple[str, str, int], Interlude]) -> None:
        (contact_id, agent_id, number), interlude = put_aside
        course = self._open.get(contact_id)
        if course is None or course.stretch != number:
            return
        if interlude.by_customer:
            event = course.arrival.event
            wrote = {"id": f"{event.message.id}/{course.passed}", "received_ms": self.now_ms, "occurred_ms": None}
            self._decide(msgspec.structs.replace(event, message=msgspec.structs.replace(event.message, **wrote)))
        else:
            self._decide(UnholdContact(**self._by(agent_id), contact_id=contact_id))

    def _finish(self, wrap_up: WrapUpStarted) -> None:
        if wrap_up.contact_id in self.state.contacts:
            self._decide(FinishWrapUp(**self._by(wrap_up.agent_id), contact_id=wrap_up.contact_id))

    def _come_back(self, agent_id: str) -> None:
        agent = self.state.agents.get(agent_id)
        if agent is not None and agent.presence is Presence.NOT_RESPONDING:
            self._decide(SetPresence(**self._by(agent_id), target_agent_id=agent_id, status=Presence.AVAILABLE.value))

    def _by(self, agent_id: str) -> dict[str, Any]:
        self._commands += 1
        return {"pool": self._pool, "command_id": f"s{self._commands}", "agent_id": agent_id}

    # What follows

    def _decide(self, event: AnyInput) -> None:
        for fact in step(self.state, event, self.now_ms):
            self._observer.note(fact)
            follow = _FOLLOWING.get(type(fact))
            if follow is not None:
                follow(self, fact)

    def _follow_offer(self, fact: OfferMade) -> None:
        answer = self._answering(fact)
        if answer is not None and self.now_ms + answer.delay_ms < fact.expires_ms:
            self._schedule(self.now_ms + answer.delay_ms, self._accept if answer.accepts else self._reject, fact)

    def _follow_assignment(self, fact: ContactAssigned) -> None:
        self._begin_stretch(fact.contact_id, fact.agent_id)

    def _follow_unheld(self, fact: ContactUnheld) -> None:
        self._begin_stretch(fact.contact_id, fact.agent_id)

    def _begin_stretch(self, contact_id: str, agent_id: str) -> None:
        course = self._open[contact_id]
        course.stretch += 1
        course.began_ms = self.now_ms
        interlude = course.interlude()
        work_ms = course.arrival.handling_ms if interlude is None else interlude.work_ms
        rest_ms = max(0, work_ms - course.done_ms)
        self._schedule(self.now_ms + rest_ms, self._end_stretch, (contact_id, agent_id, course.stretch))

    def _follow_requeue(self, fact: ContactRequeued) -> None:
        """Whoever takes it next goes on where this agent had to leave it."""
        course = self._open[fact.contact_id]
        course.stretch += 1
        if course.began_ms is not None:
            course.done_ms += self.now_ms - course.began_ms
            course.began_ms = None

    def _follow_transfer(self, fact: ContactTransferred) -> None:
        self._open[fact.contact_id].stretch += 1

    def _follow_wrap_up(self, fact: WrapUpStarted) -> None:
        wrap_up_ms = self._open[fact.contact_id].arrival.wrap_up_ms
        if fact.until_ms == _UNTIL_DONE:
            self._schedule(self.now_ms + (wrap_up_ms or 0), self._finish, fact)
        elif wrap_up_ms is not None and self.now_ms + wrap_up_ms < fact.until_ms:
            self._schedule(self.now_ms + wrap_up_ms, self._finish, fact)

    def _follow_presence(self, fact: PresenceChanged) -> None:
        if fact.status == Presence.NOT_RESPONDING.value and self._back_ms is not None:
            self._schedule(self.now_ms + self._back_ms, self._come_back, fact.agent_id)

    def _follow_end(self, fact: ContactResolved | ContactAbandoned | ContactCancelled | ContactForwarded) -> None:
        del self._open[fact.contact_id]


_FOLLOWING: Final[dict[type, Callable[[Simulation, Any], None]]] = {
    OfferMade: Simulation._follow_offer,
    ContactAssigned: Simulation._follow_assignment,
    ContactUnheld: Simulation._follow_unheld,
    ContactRequeued: Simulation._follow_requeue,
    ContactTransferred: Simulation._follow_transfer,
    WrapUpStarted: Simulation._follow_wrap_up,
    ContactResolved: Simulation._follow_end,
    ContactAbandoned: Simulation._follow_end,
    ContactCancelled: Simulation._follow_end,
    ContactForwarded: Simulation._follow_end,
    PresenceChanged: Simulation._follow_presence,
}
