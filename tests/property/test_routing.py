"""Random histories of a small pool: whatever comes, in whatever order, the promises of the core hold after every input."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from libs.common.events.inputs import (
    AcceptOffer,
    AddNote,
    AgentsSeen,
    AnyInput,
    AssignContact,
    CallbackWish,
    CancelContact,
    ChangeContact,
    ConfigurePool,
    ContactHandedOver,
    ContactReceived,
    CustomerLeft,
    DrainQueue,
    EndConsult,
    ExtendCalendars,
    ExtendWrapUp,
    FinishWrapUp,
    ForwardedContactEnded,
    HandoversAppended,
    HoldContact,
    MessageHandedOver,
    PullContact,
    RejectOffer,
    ReportNotReached,
    RequestCallback,
    RequeueContact,
    ResolveContact,
    SetPresence,
    StartConsult,
    TimeAdvanced,
    TransferContact,
    UnholdContact,
)
from libs.common.events.message import Letter, Message
from libs.common.events.pool import (
    AgentConfiguration,
    Calendar,
    ChannelConfiguration,
    QueueConfiguration,
    RoutingRules,
)
from libs.common.events.routing import (
    CalendarsExtended,
    CallbackWithdrawn,
    ContactAssigned,
    ContactLapsed,
    ContactQueued,
    ContactReturned,
    InputRefused,
    MessageForwarded,
    MessageJoined,
    OfferMade,
    PoolFact,
)
from libs.common.testing.builders import POOL, START_MS
from services.router.core import capability, matching
from services.router.core.decide import decide
from services.router.core.explain import explain_offer, explain_waiting
from services.router.core.invariants import check
from services.router.core.limits import CLOCK_LEAD_MAX_MS
from services.router.core.model import PoolState, new_state
from services.router.core.snapshot import digest, freeze, restore, snapshot_chunks, state_equal
from services.router.core.step import apply, next_deadline_ms, settle, step
from services.router.core.transitions import ContactState
from tests.property.routing_inputs import (
    AGENTS,
    CHANNELS,
    QUEUES,
    SKILLS,
    agents,
    any_of,
    calendars,
    channels,
    leaps_ms,
    queues,
    rules,
    small_leaps_ms,
    wishes,
)
from tests.property.routing_reference import has_room, next_fact

LEAVING = frozenset({"queued", "offered", "scheduled", "abandoned"})

COMMANDS = (
    ResolveContact,
    FinishWrapUp,
    AddNote,
    ExtendWrapUp,
    TransferContact,
    HoldContact,
    UnholdContact,
    AssignContact,
    RequeueContact,
    ChangeContact,
    CancelContact,
    PullContact,
    StartConsult,
    EndConsult,
    RequestCallback,
    ReportNotReached,
)


class PoolHistory(RuleBasedStateMachine):
    """One live state; a copy that only folds what the live one decided; and every input, to be decided once more in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.state: PoolState = new_state(POOL)
        self.folded: PoolState = new_state(POOL)
        self.clock_ms = START_MS
        self.inputs: list[tuple[AnyInput, int]] = []
        self.facts: list[PoolFact] = []
        self.numbers = 0
        self.offers: list[str] = []
        self.contacts: list[str] = []
        self.opened: dict[str, str] = {}

    # What is done with every input

    def give(self, event: AnyInput, leap_ms: int = 0, limit: int = 500) -> list[PoolFact]:
        timestamp_ms = self.clock_ms + leap_ms
        self.clock_ms = max(self.clock_ms, timestamp_ms)
        now_ms = max(self.state.now_ms, timestamp_ms)
        if isinstance(event, TimeAdvanced):
            now_ms = max(now_ms, min(event.now_ms, timestamp_ms + CLOCK_LEAD_MAX_MS))
        self.inputs.append((event, timestamp_ms))
        facts = step(self.state, event, timestamp_ms, limit)
        rest = facts
        while len(rest) >= limit:
            if limit == 1:  # Another router goes on with what was cut.
                self.state = restore(POOL, list(snapshot_chunks(freeze(self.state), 4000)))
            rest = settle(self.state, now_ms, limit)
            facts = facts + rest
        assert settle(self.state, now_ms, limit) == []
        self.compare_with_reference(event, facts, now_ms)
        self.remember(facts)
        check(self.state, settled_at_ms=now_ms)
        deadline_ms = next_deadline_ms(self.state)
        assert deadline_ms is None or deadline_ms > now_ms
        return facts

    def compare_with_reference(self, event: AnyInput, facts: list[PoolFact], now_ms: int) -> None:
        """Each fact that settling made is the one that the plain rules ask for, and folding gives the live state."""
        expected = decide(self.folded, event, now_ms)
        assert facts[: len(expected)] == expected
        for fact in expected:
            apply(self.folded, fact)
        for fact in facts[len(expected) :]:
            assert fact == next_fact(self.folded, now_ms)
            if isinstance(fact, OfferMade):
                contact = self.folded.contacts[fact.contact_id]
                assert has_room(self.folded, self.folded.agents[fact.agent_id], contact.channel)
                self.check_explained(fact)
            apply(self.folded, fact)
            check(self.folded)
        assert next_fact(self.folded, now_ms) is None
        assert state_equal(self.folded, self.state)
        for contact in self.state.contacts.values():
            if contact.state in {ContactState.QUEUED, ContactState.SCHEDULED}:
                assert explain_waiting(self.state, contact.id, now_ms).standing.candidates == ()

    def check_explained(self, offer: OfferMade) -> None:
        """Why the offer was made is explained as it was decided."""
        standing = explain_offer(self.folded, offer).standing
        assert standing.candidates[0].agent_id == offer.agent_id
        assert standing.candidates_total == offer.reason.candidates
        assert standing.candidates_total + standing.left_out_total == len(self.folded.agents)

    def remember(self, facts: list[PoolFact]) -> None:
        for fact in facts:
            self.facts.append(fact)
            if isinstance(fact, OfferMade):
                self.offers.append(fact.offer_id)
                assert len(set(self.offers[-50:])) == len(self.offers[-50:])
            if isinstance(fact, ContactQueued):
                self.contacts.append(fact.contact_id)
            if isinstance(fact, ContactQueued | MessageJoined | ContactReturned) and fact.message_id:
                assert fact.message_id not in self.opened
                self.opened[fact.message_id] = fact.contact_id

    def command(self, kind: Any, agent: str, leap_ms: int, limit: int, again: bool, **fields: Any) -> None:
        self.numbers += 1
        event = kind(pool=POOL, command_id=f"cmd_{self.numbers}", agent_id=agent, **fields)
        facts = self.give(event, leap_ms, limit)
        answered = [fact for fact in facts if fact.command_id == event.command_id]
        assert len(answered) == 1
        if again:
            assert [fact for fact in self.give(event) if fact.command_id == event.command_id] == []

    # What can come

    def calendars_now(self, drawn: list[tuple[str, list[tuple[int, int]], int]]) -> tuple[Calendar, ...]:
        return tuple(
            Calendar(
                id=calendar_id,
                spans=tuple((self.clock_ms + 1000 * begin, self.clock_ms + 1000 * end) for begin, end in spans),
                until_ms=self.clock_ms + 1000 * until,
            )
            for calendar_id, spans, until in drawn
        )

    @initialize(queues=queues, agents=agents, channels=channels, rules=rules, drawn=calendars)
    def begin(
        self,
        queues: list[QueueConfiguration],
        agents: list[AgentConfiguration],
        channels: list[ChannelConfiguration],
        rules: RoutingRules,
        drawn: list[tuple[str, list[tuple[int, int]], int]],
    ) -> None:
        self.configure(queues, agents, channels, rules, drawn, 0, 500)
        self.all_come(0)

    @rule(
        agents=st.lists(st.sampled_from((*AGENTS, "nobody")), max_size=3),
        leap_ms=st.sampled_from([0, 10_000, 15_000, 15_000, 29_000, 40_000]),
        limit=st.sampled_from([1, 500]),
    )
    def agents_seen(self, agents: list[str], leap_ms: int, limit: int) -> None:
        self.give(AgentsSeen(pool=POOL, agents=tuple(agents)), leap_ms, limit)

    @rule(drawn=calendars, leap_ms=leaps_ms, limit=st.sampled_from([1, 500]))
    def extend(self, drawn: list[tuple[str, list[tuple[int, int]], int]], leap_ms: int, limit: int) -> None:
        """Another router, or this one again, works the calendars out further."""
        event = ExtendCalendars(pool=POOL, calendars=self.calendars_now(drawn))
        self.give(event, leap_ms, limit)
        assert not any(isinstance(fact, CalendarsExtended) for fact in self.give(event))

    @rule(
        queues=queues,
        agents=agents,
        channels=channels,
        rules=rules,
        drawn=calendars,
        leap_ms=leaps_ms,
        limit=st.sampled_from([1, 2, 500]),
    )
    def configure(
        self,
        queues: list[QueueConfiguration],
        agents: list[AgentConfiguration],
        channels: list[ChannelConfiguration],
        rules: RoutingRules,
        drawn: list[tuple[str, list[tuple[int, int]], int]],
        leap_ms: int,
        limit: int,
    ) -> None:
        self.numbers += 1
        event = ConfigurePool(
            pool=POOL,
            version=f"v{self.numbers}",
            queues=tuple(queues),
            agents=tuple(agents),
            channels=tuple(channels),
            rules=rules,
            calendars=self.calendars_now(drawn),
        )
        self.give(event, leap_ms, limit)
        assert not any(fact for fact in self.give(event) if type(fact).__name__ == "PoolConfigured")

    @rule(
        thread=st.integers(0, 12),
        queue=st.sampled_from(QUEUES),
        channel=st.sampled_from(CHANNELS),
        skills=st.dictionaries(st.sampled_from((*SKILLS, "rare")), st.integers(-1, 7), max_size=2),
        any_of=any_of,
        preferred=st.sampled_from([None, None, None, *AGENTS[:3], "nobody"]),
        wished=wishes,
        priority=st.sampled_from([None, -99, -1, 1, 3, 99]),
        age_ms=st.sampled_from([None, 0, 5_000, 10**9, -5_000]),
        leap_ms=leaps_ms,
        again=st.booleans(),
        taken=st.sampled_from([None, None, None, None, 0, 3]),
        other_number=st.sampled_from([None, None, 0, 2]),
    )
    def receive(
        self,
        thread: int,
        queue: str,
        channel: str,
        skills: dict[str, int],
        priority: int | None,
        age_ms: int | None,
        leap_ms: int,
        again: bool,
        any_of: tuple[dict[str, int], ...] = (),
        preferred: str | None = None,
        wished: tuple[int | None, int | None] = (None, None),
        taken: int | None = None,
        other_number: int | None = None,
    ) -> None:
        """A customer writes. `taken`: the contact that the message would open has the id of one that there was; `other_number`: the
        customer gives a number, too.
        """
        self.numbers += 1
        message = Message(
            id=f"msg_{self.numbers}",
            thread_id=f"thr_{thread}",
            account="account",
            channel=channel,
            provider_id=str(self.numbers),
            handle=f"mailto:luca{thread % 4}@example.com" if thread % 2 else f"tel:+3902000{thread % 4}",
            received_ms=self.clock_ms,
            handles=() if other_number is None else (f"tel:+3902000{other_number}",),
            occurred_ms=None if age_ms is None else self.clock_ms - age_ms,
        )
        known = self.contacts[-1 - taken :][:1] if taken is not None else []
        event = ContactReceived(
            pool=POOL,
            message=message,
            contact_id=known[0] if known else f"con_{self.numbers}",
            queue=queue,
            skills=skills,
            priority=priority,
            any_of=any_of,
            preferred_agent=preferred,
            callback=self.wish(*wished),
        )
        facts = self.give(event, leap_ms)
        first = facts[0]
        received = ContactQueued | MessageJoined | ContactReturned | ContactLapsed | MessageForwarded
        assert isinstance(first, received) or not self.state.queues
        if again and not isinstance(first, InputRefused):
            # The same message again makes nothing new; only the time may have brought something.
            assert not any(
                isinstance(fact, ContactQueued | MessageJoined | ContactReturned) for fact in self.give(event, leap_ms)
            )

    def wish(self, number: int | None, after_ms: int | None) -> CallbackWish | None:
        """To be called at one of a few numbers, one of which is none, after so long."""
        if number is None:
            return None
        not_before_ms = None if after_ms is None else self.clock_ms + after_ms
        return CallbackWish(handle=f"tel:+3902000{number}" if number < 5 else "tel:none", not_before_ms=not_before_ms)

    @precondition(lambda self: self.state.contacts)
    @rule(
        pick=st.integers(0, 30),
        agent=st.sampled_from([None, None, *AGENTS, "nobody"]),
        wished=wishes,
        leap_ms=small_leaps_ms,
        again=st.booleans(),
    )
    def call_back(
        self, pick: int, agent: str | None, wished: tuple[int | None, int | None], leap_ms: int, again: bool
    ) -> None:
        """Somebody asks for a call on behalf of a customer, mostly who may."""
        contact = self.state.contacts[sorted(self.state.contacts)[pick % len(self.state.contacts)]]
        wish = self.wish(*wished)
        fields: dict[str, Any] = {} if wish is None else {"handle": wish.handle, "not_before_ms": wish.not_before_ms}
        who = agent or contact.agent_id or "anna"
        self.command(RequestCallback, who, leap_ms, 500, again, contact_id=contact.id, **fields)

    @precondition(lambda self: self.state.requests.by_contact)
    @rule(pick=st.integers(0, 9), leap_ms=small_leaps_ms)
    def decline_request(self, pick: int, leap_ms: int) -> None:
        """Who asked for a call when the contact was open already wants none any more: nobody calls, and nothing is lost."""
        joined = sorted(self.state.requests.by_contact.items())
        contact_id, requests = joined[pick % len(joined)]
        before = self.state.contacts[contact_id]
        request = requests.ids[pick % len(requests.ids)]
        facts = self.give(CustomerLeft(pool=POOL, contact_id=request, declines_callback=True), leap_ms)
        if request in self.state.contacts or before.callback is None:
            return
        waits = before.state in {"queued", "offered", "scheduled"}
        after = self.state.contacts.get(contact_id)
        if waits and requests.channel:
            assert any(isinstance(fact, CallbackWithdrawn) for fact in facts)
        elif waits:
            assert after is None

    @precondition(lambda self: any(c.callback and c.state in {"active", "held"} for c in self.state.contacts.values()))
    @rule(pick=st.integers(0, 9), leap_ms=small_leaps_ms, again=st.booleans())
    def not_reached(self, pick: int, leap_ms: int, again: bool) -> None:
        """Nobody answered."""
        called = sorted(c.id for c in self.state.contacts.values() if c.callback and c.state in {"active", "held"})
        contact = self.state.contacts[called[pick % len(called)]]
        self.command(ReportNotReached, contact.agent_id or "", leap_ms, 500, again, contact_id=contact.id)

    @rule(
        count=st.integers(2, 8),
        queue=st.sampled_from(QUEUES),
        channel=st.sampled_from(CHANNELS),
        skills=st.sampled_from([{}, {}, {"it": 1}, {"en": 2, "it": 1}, {"orders": 4}]),
        step_ms=st.sampled_from([0, 1, 700]),
    )
    def receive_many(self, count: int, queue: str, channel: str, skills: dict[str, int], step_ms: int) -> None:
        for _ in range(count):
            self.receive(self.numbers + 100, queue, channel, skills, None, None, step_ms, False)

    @rule(
        agent=st.sampled_from((*AGENTS, "nobody")),
        status=st.sampled_from(
            ["available", "available", "available", "busy", "break", "offline", "asleep", "not_responding"]
        ),
        leap_ms=leaps_ms,
        limit=st.sampled_from([1, 3, 500]),
        again=st.booleans(),
    )
    def change_presence(self, agent: str, status: str, leap_ms: int, limit: int, again: bool) -> None:
        self.command(SetPresence, "supervisor", leap_ms, limit, again, target_agent_id=agent, status=status)

    @rule(leap_ms=leaps_ms)
    def all_come(self, leap_ms: int) -> None:
        for agent in sorted(self.state.agents):
            self.command(SetPresence, agent, leap_ms, 500, False, target_agent_id=agent, status="available")

    @precondition(lambda self: self.state.offers)
    @rule(pick=st.integers(0, 9), accept=st.booleans(), leap_ms=small_leaps_ms, again=st.booleans())
    def answer(self, pick: int, accept: bool, leap_ms: int, again: bool) -> None:
        """The agent answers an offer that is open."""
        offer_id = sorted(self.state.offers)[pick % len(self.state.offers)]
        agent_id = self.state.offers[offer_id].agent_id
        self.command(AcceptOffer if accept else RejectOffer, agent_id, leap_ms, 500, again, offer_id=offer_id)

    @precondition(lambda self: self.state.offers)
    @rule(leap_ms=small_leaps_ms)
    def all_accept(self, leap_ms: int) -> None:
        for offer in list(self.state.offers.values()):
            self.command(AcceptOffer, offer.agent_id, leap_ms, 500, False, offer_id=offer.id)

    @rule(
        pick=st.integers(0, 30),
        kind=st.sampled_from([AcceptOffer, RejectOffer]),
        agent=st.sampled_from([*AGENTS, "nobody"]),
        leap_ms=leaps_ms,
        again=st.booleans(),
    )
    def answer_wrongly(self, pick: int, kind: Any, agent: str, leap_ms: int, again: bool) -> None:
        """Anybody answers any offer there ever was."""
        known = [*self.offers, "off_unknown"]
        self.command(kind, agent, leap_ms, 500, again, offer_id=known[-1 - pick % len(known)])

    @precondition(lambda self: any(c.state in {"active", "held", "wrap_up"} for c in self.state.contacts.values()))
    @rule(pick=st.integers(0, 9), leap_ms=small_leaps_ms, again=st.booleans())
    def finish(self, pick: int, leap_ms: int, again: bool) -> None:
        """The agent goes on with a contact in his hands."""
        held = sorted(c.id for c in self.state.contacts.values() if c.state in {"active", "held", "wrap_up"})
        contact = self.state.contacts[held[pick % len(held)]]
        kind = FinishWrapUp if contact.state == "wrap_up" else ResolveContact
        self.command(kind, contact.agent_id or "", leap_ms, 500, again, contact_id=contact.id)

    @rule(
        pick=st.integers(0, 30),
        kind=st.sampled_from(COMMANDS),
        agent=st.sampled_from([*AGENTS, "nobody"]),
        other=st.sampled_from([*AGENTS, "nobody"]),
        supervising=st.booleans(),
        leap_ms=leaps_ms,
        again=st.booleans(),
    )
    def work_wrongly(
        self, pick: int, kind: Any, agent: str, other: str, supervising: bool, leap_ms: int, again: bool
    ) -> None:
        """Anybody does anything with any contact there ever was."""
        known = [*self.contacts, "con_unknown"]
        fields: dict[str, Any] = {"contact_id": known[-1 - pick % len(known)], "supervising": supervising}
        if kind is AddNote:
            fields |= {"note_id": "note_1", "text": "text"}
        elif kind in {AssignContact, StartConsult, EndConsult}:
            fields["target_agent_id"] = other
        elif kind is ExtendWrapUp:
            fields["by_ms"] = pick * 7_000
        self.command(kind, agent, leap_ms, 500, again, **fields)

    @precondition(lambda self: any(c.state in {"active", "held"} for c in self.state.contacts.values()))
    @rule(
        pick=st.integers(0, 9),
        kind=st.sampled_from([TransferContact, TransferContact, HoldContact, HoldContact, UnholdContact]),
        queue=st.sampled_from([None, None, *QUEUES]),
        skills=st.sampled_from([None, None, {}, {"it": 2}, {"en": 3}]),
        colleague=st.sampled_from([None, None, *AGENTS, "nobody"]),
        leap_ms=small_leaps_ms,
        again=st.booleans(),
    )
    def pass_on_or_put_aside(
        self,
        pick: int,
        kind: Any,
        queue: str | None,
        skills: dict[str, int] | None,
        colleague: str | None,
        leap_ms: int,
        again: bool,
    ) -> None:
        """An agent does with a contact in his hands what is not finishing it."""
        held = sorted(c.id for c in self.state.contacts.values() if c.state in {"active", "held"})
        contact = self.state.contacts[held[pick % len(held)]]
        fields: dict[str, Any] = {}
        if kind is TransferContact:
            fields = {"queue": queue, "skills": skills, "target_agent_id": colleague}
        self.command(kind, contact.agent_id or "", leap_ms, 500, again, contact_id=contact.id, **fields)

    @precondition(lambda self: any(c.state in LEAVING for c in self.state.contacts.values()))
    @rule(
        pick=st.integers(0, 9),
        leap_ms=small_leaps_ms,
        writes=st.booleans(),
        declines=st.booleans(),
        after_ms=st.sampled_from([0, 5_000, 900_000]),
    )
    def leave(self, pick: int, leap_ms: int, writes: bool, declines: bool, after_ms: int) -> None:
        """A customer who waits leaves, or wants no call any more, and perhaps comes back."""
        waiting = sorted(c.id for c in self.state.contacts.values() if c.state in LEAVING)
        contact = self.state.contacts[waiting[pick % len(waiting)]]
        self.give(CustomerLeft(pool=POOL, contact_id=contact.id, declines_callback=declines), leap_ms)
        after = self.state.contacts.get(contact.id)
        if contact.callback is not None and contact.state != "abandoned":
            assert declines is (after is None)
        else:
            assert self.state.rules.abandoned_kept_ms == 0 or (after is not None and after.state == "abandoned")
        if writes:
            number = int(contact.thread_id.removeprefix("thr_"))
            self.receive(number, "orders", "email", {}, None, None, after_ms, False)

    @precondition(lambda self: any(c.state in {"active", "held"} for c in self.state.contacts.values()))
    @rule(
        pick=st.integers(0, 9),
        kind=st.sampled_from([StartConsult, StartConsult, EndConsult]),
        colleague=st.sampled_from(AGENTS),
    )
    def consult(self, pick: int, kind: Any, colleague: str) -> None:
        """An agent asks a colleague about a contact in his hands, or has been told enough."""
        held = sorted(c.id for c in self.state.contacts.values() if c.state in {"active", "held"})
        contact = self.state.contacts[held[pick % len(held)]]
        self.command(kind, contact.agent_id or "", 0, 500, True, contact_id=contact.id, target_agent_id=colleague)

    @precondition(lambda self: any(c.state == "held" for c in self.state.contacts.values()))
    @rule(pick=st.integers(0, 9), leap_ms=small_leaps_ms)
    def write_on_held(self, pick: int, leap_ms: int) -> None:
        """The customer of a held contact writes."""
        held = sorted(c.thread_id for c in self.state.contacts.values() if c.state == "held")
        self.receive(
            int(held[pick % len(held)].removeprefix("thr_")), "orders", "email", {}, None, None, leap_ms, False
        )

    @precondition(lambda self: self.state.contacts)
    @rule(
        pick=st.integers(0, 30),
        kind=st.sampled_from([AssignContact, RequeueContact, ChangeContact, ChangeContact, ResolveContact]),
        agent=st.sampled_from(AGENTS),
        queue=st.sampled_from([None, None, *QUEUES]),
        skills=st.sampled_from([None, None, {}, {"it": 2}]),
        priority=st.sampled_from([None, -99, 0, 3, 99]),
        leap_ms=small_leaps_ms,
        again=st.booleans(),
    )
    def supervise(
        self,
        pick: int,
        kind: Any,
        agent: str,
        queue: str | None,
        skills: dict[str, int] | None,
        priority: int | None,
        leap_ms: int,
        again: bool,
    ) -> None:
        """A supervisor moves contacts that are there, wherever they stand."""
        there = sorted(self.state.contacts)
        fields: dict[str, Any] = {"contact_id": there[pick % len(there)], "supervising": True}
        if kind is AssignContact:
            fields["target_agent_id"] = agent
        elif kind is ChangeContact:
            fields |= {"queue": queue, "skills": skills, "priority": priority}
        self.command(kind, "supervisor", leap_ms, 500, again, **fields)

    @rule(
        queue=st.sampled_from([*QUEUES[:3], *QUEUES]),
        to=st.sampled_from([None, *QUEUES[:3], *QUEUES]),
        lift=st.sampled_from([False, False, True]),
        leap_ms=small_leaps_ms,
        limit=st.sampled_from([1, 500]),
        again=st.booleans(),
    )
    def drain(self, queue: str, to: str | None, lift: bool, leap_ms: int, limit: int, again: bool) -> None:
        """A supervisor lets a queue run empty, or take contacts again."""
        self.command(DrainQueue, "supervisor", leap_ms, limit, again, queue=queue, to_queue=to, lift=lift)

    @precondition(lambda self: any(c.state == "queued" for c in self.state.contacts.values()))
    @rule(pick=st.integers(0, 9), agent=st.sampled_from(AGENTS), leap_ms=small_leaps_ms)
    def pull(self, pick: int, agent: str, leap_ms: int) -> None:
        """An agent helps himself."""
        waiting = sorted(c.id for c in self.state.contacts.values() if c.state == "queued")
        self.command(PullContact, agent, leap_ms, 500, False, contact_id=waiting[pick % len(waiting)])

    @rule(
        number=st.integers(200, 205),
        thread=st.integers(0, 12),
        passed=st.sampled_from([("night",), ("far", "night"), (POOL, "night")]),
        queue=st.sampled_from([None, *QUEUES]),
        skills=st.sampled_from([{}, {"it": 2}, {"orders": 9}]),
        any_of=any_of,
        known=st.booleans(),
        further=st.booleans(),
        leap_ms=small_leaps_ms,
    )
    def hand_over(
        self,
        number: int,
        thread: int,
        passed: tuple[str, ...],
        queue: str | None,
        skills: dict[str, int],
        any_of: tuple[dict[str, int], ...],
        known: bool,
        further: bool,
        leap_ms: int,
    ) -> None:
        """Another pool's contact comes here, or a further message of its customer; whatever comes again has no effect."""
        self.numbers += 1
        letter = Letter(message_id=f"msg_{number}_{self.numbers}" if further else f"msg_{number}", account="other")
        common: dict[str, Any] = {
            "pool": POOL,
            "contact_id": f"con_{number}",
            "passed": passed,
            "thread_id": f"thr_{thread}",
            "channel": CHANNELS[number % 3],
            "handle": ("mailto:other@example.com", "tel:+39020001")[number % 2],
            "received_ms": self.clock_ms - 1_000,
            "queue": queue,
            "skills": skills,
            "any_of": any_of,
        }
        event: AnyInput = (
            MessageHandedOver(**common, letter=letter, opens=f"con_{number}_{self.numbers}")
            if further
            else ContactHandedOver(
                **common, letter=letter if known else None, priority=0, due_ms=self.clock_ms, notices=2
            )
        )
        self.give(event, leap_ms)
        again = self.give(event)
        assert (
            not any(isinstance(fact, ContactQueued | MessageJoined | MessageForwarded) for fact in again) or not known
        )

    @rule(pick=st.integers(0, 9), leap_ms=small_leaps_ms)
    def hear_from_other_pools(self, pick: int, leap_ms: int) -> None:
        """What waits for others stands in their inputs; or a contact that was forwarded is over, or its customer has left."""
        if self.state.outbox and pick < 5:
            ids = tuple(self.state.outbox)[: pick + 1]
            self.give(HandoversAppended(pool=POOL, ids=(*ids, "con_unknown")), leap_ms)
            assert not set(ids) & set(self.state.outbox)
        elif self.state.forwarded:
            thread_id = list(self.state.forwarded)[pick % len(self.state.forwarded)]
            contact_id = self.state.forwarded[thread_id].contact_id
            if pick % 2:
                self.give(CustomerLeft(pool=POOL, contact_id=contact_id), leap_ms)
            else:
                self.give(ForwardedContactEnded(pool=POOL, contact_id=contact_id, thread_id=thread_id), leap_ms)
                assert thread_id not in self.state.forwarded

    @rule(leap_ms=leaps_ms, ahead_ms=st.sampled_from([0, 0, 30_000, 120_000]), limit=st.sampled_from([1, 500]))
    def pass_time(self, leap_ms: int, ahead_ms: int, limit: int) -> None:
        """The router's clock may be ahead of the log's, which is believed for a minute."""
        self.give(TimeAdvanced(pool=POOL, now_ms=self.clock_ms + leap_ms + ahead_ms), leap_ms, limit)

    @rule(limit=st.sampled_from([1, 500]))
    def wait_for_deadline(self, limit: int) -> None:
        """The shell's way: append the time when something is due. Something must then come of it, or the deadline move on."""
        deadline_ms = next_deadline_ms(self.state)
        if deadline_ms is not None:
            self.give(TimeAdvanced(pool=POOL, now_ms=deadline_ms), max(0, deadline_ms - self.clock_ms), limit)
            after_ms = next_deadline_ms(self.state)
            assert after_ms is None or after_ms > deadline_ms

    @rule(size=st.integers(1, 4000), from_facts=st.booleans())
    def restart(self, size: int, from_facts: bool) -> None:
        """The router is started anew, from its snapshot or from the facts alone, and goes on as if nothing had been."""
        if from_facts:
            fresh = new_state(POOL)
            for fact in self.facts:
                apply(fresh, fact)
        else:
            fresh = restore(POOL, list(snapshot_chunks(freeze(self.state), size)))
        assert state_equal(fresh, self.state)
        assert digest(fresh) == digest(self.state)
        self.state = fresh

    @rule(leap_ms=leaps_ms)
    def freeze_is_a_picture(self, leap_ms: int) -> None:
        """What was frozen stays as it was while the state goes on."""
        source = freeze(self.state)
        before = list(snapshot_chunks(source, 10_000))
        self.all_come(leap_ms)
        self.receive(3, "orders", "email", {}, None, None, 0, False)
        assert list(snapshot_chunks(source, 10_000)) == before

    @invariant()
    def every_number_is_called_once(self) -> None:
        joinable = {"queued", "offered", "scheduled", "active", "held"}
        called = [c.callback.handle for c in self.state.contacts.values() if c.callback and c.state in joinable]
        assert len(called) == len(set(called))

    @invariant()
    def nobody_has_two(self) -> None:
        held: dict[str, str] = {}
        for fact in self.facts[-20:]:
            if isinstance(fact, ContactAssigned):
                held[fact.contact_id] = fact.agent_id
        for contact_id, contact in self.state.contacts.items():
            if contact.state == "active" and contact_id in held:
                assert contact.agent_id == held[contact_id]

    def teardown(self) -> None:
        """Deciding the same inputs again, without restarts or splits in between, gives the same facts."""
        again = new_state(POOL)
        facts: list[PoolFact] = []
        for event, timestamp_ms in self.inputs:
            facts += step(again, event, timestamp_ms)
        assert facts == self.facts
        assert digest(again) == digest(self.state)


@pytest.mark.parametrize(
    ("module", "limit", "value"),
    [
        (matching, "_FEW", 8),  # As it is: in a small pool agents are compared one by one.
        (matching, "_FEW", 0),  # The first with each set of skills.
        (capability, "_PROFILES_MAX", 0),  # Along the idle order.
        (matching, "_DIRTY_AGENTS_MAX", 0),  # From every class of contacts, not from the freed agents.
    ],
    ids=["few agents", "by profile", "along the order", "every class"],
)
def test_every_promise_holds_in_every_history(
    module: Any, limit: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the matching goes about it: the ways that only a large pool would take are tried on small ones too."""
    monkeypatch.setattr(module, limit, value)
    run_state_machine_as_test(
        PoolHistory,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
