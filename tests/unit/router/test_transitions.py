"""The table of a contact's life, and folding: what is legal, and that what is not leaves everything as it was."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from libs.common.events.inputs import CallbackWish, CancelContact, CustomerLeft, StartConsult
from libs.common.events.pool import Overflow
from libs.common.events.routing import (
    CallbackDue,
    CallbackScheduled,
    ConsultEnded,
    ConsultStarted,
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactChanged,
    ContactForwarded,
    ContactHeld,
    ContactLapsed,
    ContactMoved,
    ContactRequeued,
    ContactResolved,
    ContactReturned,
    ContactTransferred,
    ContactUnheld,
    Fact,
    MessageJoined,
    OfferExpired,
    OfferMade,
    OfferReason,
    OfferRejected,
    OfferWithdrawn,
    PresenceChanged,
    WrapUpExtended,
    WrapUpStarted,
)
from libs.common.testing.builders import POOL, START_MS, a_contact_queued, a_queue, an_agent
from services.router.core.invariants import check
from services.router.core.snapshot import digest
from services.router.core.step import apply
from services.router.core.transitions import OVER, TABLE, ContactState, IllegalFactError, next_state
from tests.unit.router.pool import Pool, a_pool, the_offer

AT: dict[str, Any] = {"pool": POOL, "at_ms": START_MS + 99}
REASON = OfferReason(rank=1, waited_ms=0, strategy="longest_idle", candidates=1)

# One fact of each kind about contact `con_1`, as it would be if the contact were in the right state with agent anna and offer off_1_1.
FACTS: dict[type[Fact], Fact] = {
    type(fact): fact
    for fact in (
        a_contact_queued(1, contact_id="con_1", message_id="msg_new", at_ms=START_MS + 99),
        MessageJoined(**AT, contact_id="con_1", message_id="msg_joined"),
        CallbackScheduled(
            **AT,
            contact_id="con_1",
            handle="tel:+390299999",
            not_before_ms=START_MS + 70_000,
            channel="voice",
            offer_timeout_ms=5_000,
            cause="agent",
            agent_id="anna",
        ),
        CallbackDue(**AT, contact_id="con_1", cause="time"),
        ContactForwarded(
            **AT,
            contact_id="con_1",
            to_pool="night",
            passed=(POOL,),
            thread_id="thr_1",
            channel="email",
            handle="mailto:x@example.com",
            priority=0,
            received_ms=START_MS,
            due_ms=START_MS,
        ),
        ContactMoved(**AT, contact_id="con_1", queue="other", cause="drain", skills={}, offer_timeout_ms=5_000),
        OfferMade(**AT, offer_id="off_1_9", contact_id="con_1", agent_id="anna", expires_ms=START_MS, reason=REASON),
        OfferRejected(**AT, offer_id="off_1_1", contact_id="con_1", agent_id="anna"),
        OfferExpired(**AT, offer_id="off_1_1", contact_id="con_1", agent_id="anna"),
        OfferWithdrawn(**AT, offer_id="off_1_1", contact_id="con_1", agent_id="anna", cause="presence"),
        ContactAssigned(**AT, contact_id="con_1", agent_id="anna", offer_id="off_1_1"),
        ContactRequeued(**AT, contact_id="con_1", agent_id="anna", cause="sign-out"),
        ContactTransferred(
            **AT,
            contact_id="con_1",
            agent_id="anna",
            by="anna",
            queue="orders",
            skills={"it": 1},
            offer_timeout_ms=5_000,
            transfers=1,
        ),
        ContactHeld(**AT, contact_id="con_1", agent_id="anna", frees_room=True),
        ContactUnheld(**AT, contact_id="con_1", agent_id="anna", cause="agent"),
        ContactChanged(
            **AT,
            contact_id="con_1",
            by="marta",
            queue="orders",
            skills={},
            priority=5,
            due_ms=START_MS,
            offer_timeout_ms=5_000,
        ),
        ContactCancelled(**AT, contact_id="con_1", by="marta", agent_id="anna"),
        ConsultStarted(**AT, contact_id="con_1", agent_id="anna", target_agent_id="bruno"),
        ConsultEnded(**AT, contact_id="con_1", agent_id="anna", target_agent_id="carla"),
        ContactAbandoned(**AT, contact_id="con_1", resumable_until_ms=START_MS + 9_000, waited_ms=99),
        ContactReturned(**AT, contact_id="con_1", message_id="msg_returned"),
        ContactLapsed(**AT, contact_id="con_1"),
        WrapUpStarted(**AT, contact_id="con_1", agent_id="anna", until_ms=START_MS + 5_000),
        WrapUpExtended(**AT, contact_id="con_1", agent_id="anna", until_ms=START_MS + 50_000),
        ContactResolved(**AT, contact_id="con_1", agent_id="anna", queue="orders", channel="email"),
    )
}


def forwarding(pool: Pool) -> Pool:
    """The pool has forwarded its contact."""
    rule = Overflow(when="waited", at_least=1_000, to="pool", target="night")
    agents = tuple(an_agent(agent) for agent in ("anna", "bruno", "carla"))
    pool.configure(queues=(a_queue("orders", skills={"rare": 5}, overflow=(rule,)),), agents=agents)
    pool.receive(1)
    pool.wait(1_000)
    return pool


def scheduling(pool: Pool) -> Pool:
    """The contact's customer is to be called back."""
    pool.receive(1, callback=CallbackWish(handle="tel:+390212345", not_before_ms=START_MS + 60_000))
    return pool


def merging(pool: Pool) -> Pool:
    """The contact of the pool is served by the call for another one."""
    rule = Overflow(when="waited", at_least=1_000, to="callback")
    agents = tuple(an_agent(agent) for agent in ("anna", "bruno", "carla"))
    pool.configure(queues=(a_queue("orders", skills={"rare": 5}, overflow=(rule,)),), agents=agents)
    for number in (2, 1):
        pool.receive(number, message_handle="tel:+390212345")
        pool.wait(500)
    pool.wait(500)
    return pool


def a_pool_with(state: ContactState | None) -> Pool:
    """A pool whose contact `con_1` is in that state, with anna where it is with anybody."""
    pool = a_pool("anna", "bruno", "carla", queue=a_queue("orders", wrap_up_ms=30_000))
    if state is None:
        return pool
    made = {
        ContactState.FORWARDED: forwarding,
        ContactState.MERGED: merging,
        ContactState.SCHEDULED: scheduling,
    }.get(state)
    if made is not None:
        return made(pool)
    facts = pool.receive(1)
    if state is ContactState.QUEUED:
        pool.presence("carla", "break")
        pool.presence("bruno", "break")
        pool.presence("anna", "break")
        return pool
    if state is ContactState.OFFERED:
        return pool
    if state in {ContactState.ABANDONED, ContactState.LAPSED}:
        pool.give(CustomerLeft(pool=POOL, contact_id="con_1"))
        if state is ContactState.LAPSED:
            pool.wait(900_000)
        return pool
    pool.accept("anna", the_offer(facts).offer_id)
    if state in {ContactState.ACTIVE, ContactState.HELD}:
        pool.command(StartConsult, "anna", contact_id="con_1", target_agent_id="carla")
    if state is ContactState.HELD:
        pool.hold("anna", "con_1")
        return pool
    if state is ContactState.CANCELLED:
        pool.command(CancelContact, "marta", contact_id="con_1", supervising=True)
        return pool
    if state is not ContactState.ACTIVE:
        pool.resolve("anna", "con_1")
    if state is ContactState.RESOLVED:
        pool.finish_wrap_up("anna", "con_1")
    return pool


def table_state(state: ContactState | None) -> ContactState | None:
    # A contact that is over has left the pool, which then does not know it apart from one that never was.
    return None if state in OVER else state


def fact_for(state: ContactState | None, kind: type[Fact]) -> Any:
    """The fact as it is about a contact that is in that state: what waits is with nobody."""
    waits = state in {ContactState.QUEUED, ContactState.SCHEDULED}
    if waits and kind is ContactAssigned:
        return ContactAssigned(**AT, contact_id="con_1", agent_id="anna", by="marta")
    if waits and kind is ContactCancelled:
        return ContactCancelled(**AT, contact_id="con_1", by="marta")
    if waits and kind is CallbackScheduled:
        return replace(FACTS[kind], agent_id=None)
    return FACTS[kind]


@pytest.mark.parametrize(("state", "kind"), list(itertools.product([None, *ContactState], FACTS)))
def test_every_fact_in_every_state(state: ContactState | None, kind: type[Fact]) -> None:
    # given a contact in that state
    pool = a_pool_with(state)
    before = digest(pool.state)
    fact = fact_for(state, kind)
    expected = TABLE[table_state(state)].get(kind)
    if expected is None:
        # when a fact comes that the table does not name, then it is refused and nothing has changed
        with pytest.raises(IllegalFactError):
            apply(pool.state, fact)
        assert digest(pool.state) == before
        check(pool.state, settled_at_ms=START_MS + pool.at_ms)
        return
    # when one comes that it names, then the contact is where the table says
    apply(pool.state, fact)
    check(pool.state)
    contact = pool.state.contacts.get("con_1")
    assert expected in OVER if contact is None else contact.state is expected
    assert digest(pool.state) != before


def test_every_state_can_be_left_but_the_last_ones_and_every_state_is_reached() -> None:
    assert {state for state, row in TABLE.items() if not row} == OVER
    reached = {after for row in TABLE.values() for after in row.values()}
    assert reached == set(ContactState)


def test_an_illegal_step_is_named() -> None:
    with pytest.raises(IllegalFactError, match="ContactHeld on contact con_1 in state queued"):
        next_state(ContactState.QUEUED, ContactHeld, "con_1")


@pytest.mark.parametrize(
    "fact",
    [
        OfferMade(**AT, offer_id="off_9", contact_id="con_2", agent_id="nobody", expires_ms=START_MS, reason=REASON),
        OfferMade(**AT, offer_id="off_1_1", contact_id="con_2", agent_id="bruno", expires_ms=START_MS, reason=REASON),
        OfferExpired(**AT, offer_id="off_1_7", contact_id="con_1", agent_id="anna"),
        OfferExpired(**AT, offer_id="off_1_1", contact_id="con_1", agent_id="bruno"),
        ContactAssigned(**AT, contact_id="con_1", agent_id="anna"),
        ContactAssigned(**AT, contact_id="con_1", agent_id="bruno", offer_id="off_1_1"),
        ContactAssigned(**AT, contact_id="con_2", agent_id="nobody"),
        ContactAssigned(**AT, contact_id="con_2", agent_id="anna", offer_id="off_1_1"),
        ContactCancelled(**AT, contact_id="con_2", by="marta", agent_id="anna"),
        PresenceChanged(**AT, agent_id="nobody", status="available"),
        PresenceChanged(**AT, agent_id="anna", status="asleep"),
        PresenceChanged(pool="other", at_ms=START_MS, agent_id="anna", status="available"),
        a_contact_queued(3, contact_id="con_3", thread_id="the thread of con_1"),
    ],
)
def test_a_fact_about_the_wrong_offer_agent_thread_or_pool_is_refused(fact: Any) -> None:
    # given an offered contact and one that waits
    pool = a_pool("anna", an_agent("bruno", capacity={"email": 0}))
    pool.receive(1, message_thread_id="the thread of con_1")
    pool.receive(2)
    before = digest(pool.state)
    # when a fact comes that does not fit, then it is refused and nothing has changed
    with pytest.raises(IllegalFactError):
        apply(pool.state, fact)
    assert digest(pool.state) == before
    check(pool.state, settled_at_ms=START_MS + pool.at_ms)
