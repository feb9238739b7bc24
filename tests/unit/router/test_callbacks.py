"""Callbacks: customers who are called instead of waiting, and keep their place."""

from __future__ import annotations

from typing import Any

import pytest

from libs.common.events.inputs import (
    AssignContact,
    CallbackWish,
    CancelContact,
    CustomerLeft,
    ReportNotReached,
    RequestCallback,
    ResolveContact,
)
from libs.common.events.pool import Calendar, CallbackConfiguration, Overflow
from libs.common.events.routing import (
    CallbackDue,
    CallbackMissed,
    CallbackScheduled,
    CallbackWithdrawn,
    ContactCancelled,
    ContactMerged,
    ContactQueued,
    CustomerNotice,
    MessageJoined,
    OfferMade,
    PoolFact,
)
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core import limits
from services.router.core.explain import explain_waiting
from services.router.core.policies import can_be_called
from services.router.core.snapshot import freeze, restore, snapshot_chunks, state_equal
from services.router.core.step import apply
from services.router.core.transitions import ContactState, IllegalFactError
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer, the_refusal

LUCA = "tel:+393331234567"
TEXTS = {"it": "La richiameremo.", "en": "We will call you."}
MINUTE_MS = 60_000


def wish(minutes: int | None = None, handle: str = LUCA) -> CallbackWish:
    """To be called, after so many minutes from the start."""
    return CallbackWish(handle=handle, not_before_ms=None if minutes is None else START_MS + minutes * MINUTE_MS)


def request(pool: Pool, agent: str, contact_id: str, **fields: Any) -> list[PoolFact]:
    return pool.command(RequestCallback, agent, contact_id=contact_id, **fields)


def miss(pool: Pool, agent: str, contact_id: str) -> list[PoolFact]:
    return pool.command(ReportNotReached, agent, contact_id=contact_id)


def test_who_wants_a_call_later_is_gated_until_then_and_keeps_the_place() -> None:
    # given a queue with words for it, and a customer who wants to be called in ten minutes
    pool = a_pool("anna", queue=a_queue("orders", callback=CallbackConfiguration(texts=TEXTS)), come=False)
    facts = pool.receive(1, callback=wish(10))
    queued = facts[0]
    assert isinstance(queued, ContactQueued)
    assert facts[1:] == [
        CallbackScheduled(
            pool=POOL,
            at_ms=START_MS,
            contact_id="con_1",
            handle=LUCA,
            not_before_ms=START_MS + 10 * MINUTE_MS,
            channel="voice",
            offer_timeout_ms=20_000,
            cause="customer",
        ),
        CustomerNotice(pool=POOL, at_ms=START_MS, contact_id="con_1", cause="callback", texts=TEXTS),
    ]
    # and one who writes a minute later
    pool.at_ms += MINUTE_MS
    pool.receive(2)
    # when an agent comes, she gets the second one
    facts = pool.presence("anna")
    assert offered_to(facts) == {"con_2": "anna"}
    pool.accept("anna", the_offer(facts).offer_id)
    assert pool.deadline_ms() == 10 * MINUTE_MS
    # and when the time has come the first one waits, before one who came meanwhile
    pool.receive(3)
    assert pool.wait(9 * MINUTE_MS) == [
        CallbackDue(pool=POOL, at_ms=START_MS + 10 * MINUTE_MS, contact_id="con_1", cause="time"),
        *pool.facts[-1:],
    ]
    offer = pool.facts[-1]
    assert isinstance(offer, OfferMade)
    # on the telephone she has room beside what she has in hand
    assert (offer.contact_id, offer.reason.waited_ms) == ("con_1", 10 * MINUTE_MS)
    contact = pool.state.contacts["con_1"]
    assert (contact.channel, contact.rank) == ("voice", (queued.due_ms, 1))
    # and the contact ends like any other
    pool.accept("anna", offer.offer_id)
    assert kinds(pool.resolve("anna", "con_1"))[0] == "ContactResolved"


def test_who_wants_a_call_as_soon_as_possible_is_due_at_once() -> None:
    pool = a_pool("anna")
    assert kinds(pool.receive(1, callback=wish())) == ["ContactQueued", "CallbackScheduled", "CallbackDue", "OfferMade"]


def test_the_agent_who_was_not_reached_by_tries_again_and_in_the_end_it_is_over() -> None:
    # given a callback with two attempts
    queue = a_queue("orders", callback=CallbackConfiguration(attempts=2, retry_ms=5 * MINUTE_MS))
    pool = a_pool("anna", queue=queue)
    offer = the_offer(pool.receive(1, callback=wish()))
    pool.accept("anna", offer.offer_id)
    # when nobody answers
    facts = miss(pool, "anna", "con_1")
    # then it is tried again after the pause
    assert facts == [
        CallbackMissed(
            pool=POOL,
            at_ms=START_MS + 1,
            command_id="cmd_3",
            contact_id="con_1",
            agent_id="anna",
            attempts=1,
            not_before_ms=START_MS + 1 + 5 * MINUTE_MS,
        )
    ]
    assert pool.wait(5 * MINUTE_MS - 1) == []
    facts = pool.wait(1)
    assert kinds(facts) == ["CallbackDue", "OfferMade"]
    pool.accept("anna", the_offer(facts).offer_id)
    # and after the last attempt it is over, with a word that says why
    assert miss(pool, "anna", "con_1") == [
        ContactCancelled(
            pool=POOL,
            at_ms=START_MS + 1 + 5 * MINUTE_MS,
            command_id="cmd_5",
            contact_id="con_1",
            by="anna",
            agent_id="anna",
            reason="not-reached",
        )
    ]


def test_an_agent_asks_for_it_for_a_customer_whose_contact_he_has() -> None:
    pool = a_pool("anna")
    pool.active("anna")
    assert the_refusal(request(pool, "anna", "con_1")) == "handle-missing"
    assert the_refusal(miss(pool, "anna", "con_1")) == "no-callback"
    at_ms = START_MS + pool.at_ms
    facts = request(pool, "anna", "con_1", handle=LUCA, not_before_ms=at_ms + MINUTE_MS)
    assert facts == [
        CallbackScheduled(
            pool=POOL,
            at_ms=at_ms,
            command_id=facts[0].command_id,
            contact_id="con_1",
            handle=LUCA,
            not_before_ms=at_ms + MINUTE_MS,
            channel="voice",
            offer_timeout_ms=20_000,
            cause="agent",
            agent_id="anna",
            by="anna",
        )
    ]
    # she has room again, and it comes back when it is due
    assert offered_to(pool.receive(2)) == {"con_2": "anna"}
    assert offered_to(pool.wait(MINUTE_MS))["con_1"] == "anna"


def test_an_agent_asks_for_it_for_a_customer_who_waits_or_is_offered() -> None:
    pool = a_pool("anna", come=False)
    pool.receive(1, message_handle=LUCA)
    assert kinds(request(pool, "anna", "con_1")) == ["CallbackScheduled", "CallbackDue"]
    pool.receive(2, message_handle="tel:+39021")
    pool.presence("anna")
    facts = pool.receive(3, message_handle="tel:+390299")
    offered = next(contact for contact in pool.state.contacts.values() if contact.id == "con_2")
    assert offered.state is ContactState.OFFERED
    assert facts != []
    facts = request(pool, "anna", "con_2", not_before_ms=START_MS + MINUTE_MS)
    assert kinds(facts)[:2] == ["OfferWithdrawn", "CallbackScheduled"]
    assert the_refusal(request(pool, "nobody", "con_3")) == "agent-unknown"
    assert the_refusal(request(pool, "anna", "con_9")) == "contact-unknown"
    # a number is called back for one contact at a time
    assert the_refusal(request(pool, "anna", "con_3", handle=LUCA)) == "callback-open"


def test_what_another_agent_has_is_not_asked_for() -> None:
    pool = a_pool("anna", "bruno")
    pool.active("anna")
    assert the_refusal(request(pool, "bruno", "con_1", handle=LUCA)) == "contact-not-yours"
    pool.supervise(RequestCallback, "con_1", handle=LUCA)
    assert pool.state.contacts["con_1"].callback is not None


def test_who_writes_or_asks_again_meanwhile_joins_the_callback() -> None:
    # given a callback in ten minutes
    pool = a_pool("anna")
    pool.receive(1, callback=wish(10))
    # when the customer writes in the same thread, from the number, or asks for another time by another way
    [joined] = pool.receive(1, message_provider_id="again", contact_id="con_x")
    assert isinstance(joined, MessageJoined)
    [joined] = pool.receive(2, message_handle=LUCA)
    assert isinstance(joined, MessageJoined)
    assert joined.contact_id == "con_1"
    facts = pool.receive(3, callback=wish(5))
    # then there is still one callback, at the time asked for last
    assert kinds(facts) == ["MessageJoined", "CallbackScheduled"]
    assert list(pool.state.contacts) == ["con_1"]
    assert pool.deadline_ms() == 5 * MINUTE_MS
    # and who calls by himself need not wait for the time
    facts = pool.receive(4, message_handle=LUCA, message_channel="voice")
    assert kinds(facts) == ["MessageJoined", "CallbackDue", "OfferMade"]
    # nor does what he wishes take the contact away from who has it
    pool.accept("anna", the_offer(facts).offer_id)
    assert kinds(pool.receive(5, callback=wish(20))) == ["MessageJoined"]


def test_what_waits_already_becomes_a_callback_when_its_customer_asks_for_one() -> None:
    pool = a_pool("anna")
    facts = pool.receive(1)
    assert kinds(facts) == ["ContactQueued", "OfferMade"]
    facts = pool.receive(1, message_provider_id="again", contact_id="con_x", callback=wish(10))
    assert kinds(facts) == ["MessageJoined", "OfferWithdrawn", "CallbackScheduled"]


def test_who_left_and_comes_back_may_ask_for_a_callback() -> None:
    pool = a_pool("anna", come=False)
    pool.receive(1)
    pool.give(CustomerLeft(pool=POOL, contact_id="con_1"))
    facts = pool.receive(1, message_provider_id="again", contact_id="con_x", callback=wish(10))
    assert kinds(facts) == ["ContactReturned", "CallbackScheduled"]
    assert kinds(decline(pool, "con_x")) == ["CallbackWithdrawn"]


def test_who_is_called_back_does_not_abandon_but_may_decline() -> None:
    pool = a_pool("anna", come=False)
    pool.receive(1, callback=wish(10))
    assert pool.give(CustomerLeft(pool=POOL, contact_id="con_1")) == []
    [cancelled] = pool.give(CustomerLeft(pool=POOL, contact_id="con_1", declines_callback=True))
    assert isinstance(cancelled, ContactCancelled)
    assert (cancelled.by, cancelled.reason, cancelled.agent_id) == ("customer", "callback-declined", None)
    assert pool.deadline_ms() is None


def decline(pool: Pool, contact_id: str) -> list[PoolFact]:
    """The customer wants no call any more that was asked for under this id."""
    return pool.give(CustomerLeft(pool=POOL, contact_id=contact_id, declines_callback=True))


def test_a_request_that_joined_another_callback_is_declined_by_its_own_id() -> None:
    # given a callback, and a second request for the same number that joined it
    pool = a_pool("anna", come=False)
    pool.receive(1, callback=wish(10))
    [joined, _] = pool.receive(2, callback=wish(5))
    assert isinstance(joined, MessageJoined)
    assert (joined.contact_id, joined.callback_request) == ("con_1", "con_2")
    # when the customer wants no call any more and says so of the second one
    [cancelled] = decline(pool, "con_2")
    # then nobody is called
    assert isinstance(cancelled, ContactCancelled)
    assert (cancelled.contact_id, cancelled.reason) == ("con_1", "callback-declined")
    # and neither request is known any more
    assert the_refusal(decline(pool, "con_2")) == "contact-unknown"


def test_who_wrote_before_waits_for_an_answer_again_where_no_call_is_wanted_any_more() -> None:
    # given a mail that waits, whose customer then asks for a call
    rules = (Overflow(when="waited", at_least=MINUTE_MS, to="callback"),)
    pool = a_pool("anna", queue=a_queue("orders", overflow=rules))
    pool.receive(1, message_handle=LUCA)
    before = pool.state.contacts["con_1"]
    pool.receive(1, message_provider_id="again", contact_id="con_x", message_handle=LUCA, callback=wish(10))
    # when no call is wanted any more
    facts = decline(pool, "con_x")
    # then what was written waits in its old place and is answered where it came from
    assert kinds(facts) == ["CallbackWithdrawn", "OfferMade"]
    after = pool.state.contacts["con_1"]
    assert (after.rank, after.channel, after.callback) == (before.rank, "email", None)
    # and no rule of the queue has its customer called
    pool.presence("anna", "break")
    assert pool.wait(60 * MINUTE_MS) == []


def test_a_request_that_joined_what_an_agent_has_changes_nothing_and_ends_with_it() -> None:
    pool = a_pool("anna")
    pool.active("anna")
    [joined] = pool.receive(1, message_provider_id="again", contact_id="con_x", callback=wish(10))
    assert isinstance(joined, MessageJoined)
    assert decline(pool, "con_x") == []
    pool.presence("anna", "offline")
    assert decline(pool, "con_x") == []
    assert pool.state.contacts["con_1"].state is ContactState.QUEUED
    pool.supervise(CancelContact, "con_1")
    assert the_refusal(decline(pool, "con_x")) == "contact-unknown"


def test_only_the_newest_requests_of_a_contact_are_known() -> None:
    pool = a_pool("anna", come=False)
    pool.receive(1, callback=wish(10))
    for number in range(2, 2 + limits.REQUESTS_PER_CONTACT_MAX + 1):
        pool.receive(number, callback=wish(10))
    assert the_refusal(decline(pool, "con_2")) == "contact-unknown"
    assert kinds(decline(pool, "con_3")) == ["ContactCancelled"]


def test_a_wish_that_cannot_be_called_leaves_the_contact_as_it_is() -> None:
    pool = a_pool("anna", come=False)
    assert kinds(pool.receive(1, callback=wish(10, "mailto:luca@example.com"))) == ["ContactQueued"]


@pytest.mark.parametrize(
    ("handle", "good"),
    [
        (LUCA, True),
        ("tel:+39021", True),
        ("tel:+3902", False),
        ("tel:+123456789012345", True),
        ("tel:+1234567890123456", False),
        ("tel:+0391234567", False),
        ("tel:393331234567", False),
        ("tel:+39 333", False),
        ("tel:+٣٩٣٣٣١٢٣٤", False),
        ("tel:+", False),
        ("", False),
        ("mailto:luca@example.com", False),
    ],
)
def test_only_numbers_are_called(handle: str, good: bool) -> None:
    assert can_be_called(handle) is good


def test_nobody_is_called_while_the_queue_is_closed_though_its_contacts_are_offered() -> None:
    # given a queue whose contacts are offered while it is closed, too; it opens in an hour
    pool = Pool()
    shop = Calendar(
        id="shop", spans=((START_MS + 60 * MINUTE_MS, START_MS + 90 * MINUTE_MS),), until_ms=START_MS + 10**10
    )
    queue = a_queue("orders", hours="shop", offer_when_closed=True)
    pool.configure(queues=(queue,), agents=(an_agent("anna"),), calendars=(shop,))
    pool.presence("anna")
    # when two come, one of whom wants to be called
    assert kinds(pool.receive(1, callback=wish())) == ["ContactQueued", "CallbackScheduled", "CallbackDue"]
    assert offered_to(pool.receive(2)) == {"con_2": "anna"}
    closed = explain_waiting(pool.state, "con_1", START_MS).standing.obstacles
    assert closed == {"closed": 1}
    # then the call waits until it opens
    assert offered_to(pool.wait(60 * MINUTE_MS)) == {"con_1": "anna"}


def test_it_is_said_why_a_scheduled_callback_is_not_offered() -> None:
    pool = a_pool("anna")
    pool.receive(1, callback=wish(10))
    waiting = explain_waiting(pool.state, "con_1", START_MS + pool.at_ms)
    [blocker] = waiting.standing.left_out[0].blockers
    assert (blocker.obstacle, blocker.until_ms) == ("callback", START_MS + 10 * MINUTE_MS)


def test_a_supervisor_does_with_a_scheduled_callback_what_may_be_done_with_one_that_waits() -> None:
    pool = a_pool("anna")
    for number in (1, 2, 3):
        pool.receive(number, callback=wish(10, f"tel:+3902000{number}"))
    assert kinds(pool.supervise(AssignContact, "con_1", target_agent_id="anna")) == ["ContactAssigned"]
    assert kinds(pool.supervise(CancelContact, "con_2")) == ["ContactCancelled"]
    assert kinds(pool.supervise(ResolveContact, "con_3")) == ["ContactResolved"]
    assert kinds(miss(pool, "anna", "con_1")) == ["CallbackMissed"]


def test_an_overflow_makes_callbacks_of_who_can_be_called() -> None:
    # given a queue that overflows to callbacks after a minute, and who has no number is told something
    rules = (
        Overflow(when="waited", at_least=MINUTE_MS, to="callback"),
        Overflow(when="waited", at_least=MINUTE_MS, to="message", text={"en": "Busy."}),
    )
    queue = a_queue("orders", overflow=rules, callback=CallbackConfiguration(texts=TEXTS))
    pool = a_pool("anna", queue=queue, come=False)
    pool.receive(1, message_handle=LUCA)
    pool.receive(2, message_handle="mailto:luca@example.com")
    before = pool.state.contacts["con_1"].rank
    # when they have waited for so long
    facts = pool.wait(MINUTE_MS)
    # then one is told and called back, in the old place
    told = [(type(fact).__name__, getattr(fact, "contact_id", None)) for fact in facts]
    assert told == [
        ("CustomerNotice", "con_1"),
        ("CallbackScheduled", "con_1"),
        ("CustomerNotice", "con_2"),
        ("CallbackDue", "con_1"),
    ]
    notice = facts[0]
    assert isinstance(notice, CustomerNotice)
    assert (notice.cause, notice.texts) == ("callback", TEXTS)
    contact = pool.state.contacts["con_1"]
    assert (contact.rank, contact.notified) == (before, False)
    assert pool.wait(60 * MINUTE_MS) == []


def test_an_overflow_at_arrival_passes_over_the_callback_for_who_has_no_number() -> None:
    rules = (
        Overflow(when="waiting", at_least=1, to="callback"),
        Overflow(when="waiting", at_least=1, to="message", text={"en": "Busy."}),
    )
    pool = a_pool("anna", queue=a_queue("orders", overflow=rules), come=False)
    assert kinds(pool.receive(1)) == ["ContactQueued"]
    assert kinds(pool.receive(3, message_handle=LUCA)) == ["ContactQueued", "CallbackScheduled", "CallbackDue"]
    assert kinds(pool.receive(2, message_handle="mailto:a@example.com")) == ["ContactQueued", "CustomerNotice"]


def a_pool_that_overflows_to_calls(**fields: Any) -> Pool:
    """Two contacts of one number wait, on different threads, and overflow to a call one after the other; the facts of the second."""
    rules = (Overflow(when="waited", at_least=MINUTE_MS, to="callback"),)
    pool = a_pool("anna", queue=a_queue("orders", overflow=rules, **fields), come=False)
    pool.receive(1, message_handle=LUCA)
    pool.at_ms += 1_000
    pool.receive(2, message_handle=LUCA, message_channel="sms", message_thread_id="thr_sms", priority=5)
    pool.wait(MINUTE_MS - 1_000)
    return pool


def test_one_call_serves_two_contacts_of_one_number() -> None:
    # given two contacts of one number, of which the first is to be called back
    pool = a_pool_that_overflows_to_calls(callback=CallbackConfiguration(texts=TEXTS))
    assert pool.state.contacts["con_1"].callback is not None
    due_ms = pool.state.contacts["con_2"].due_ms
    assert due_ms < pool.state.contacts["con_1"].due_ms
    # when the second one overflows to a call, too
    facts = pool.wait(1_000)
    # then it is told so and is part of the call, which has the better one of the two places
    assert kinds(facts) == ["CustomerNotice", "ContactMerged"]
    assert facts[1] == ContactMerged(
        pool=POOL, at_ms=START_MS + pool.at_ms, contact_id="con_2", into_contact_id="con_1", due_ms=due_ms
    )
    assert [contact.due_ms for contact in pool.state.contacts.values()] == [due_ms]
    # and its customer's next message belongs to the call
    [joined] = pool.receive(3, message_handle=LUCA, message_thread_id="thr_sms")
    assert isinstance(joined, MessageJoined)
    assert joined.contact_id == "con_1"
    # and an agent is offered one contact
    assert offered_to(pool.presence("anna")) == {"con_1": "anna"}


def test_who_is_being_called_is_not_called_again() -> None:
    pool = a_pool_that_overflows_to_calls()
    offers = pool.presence("anna")
    for offer in [fact for fact in offers if isinstance(fact, OfferMade) and fact.contact_id == "con_1"]:
        pool.accept("anna", offer.offer_id)
    pool.presence("anna", "break")
    assert pool.state.contacts["con_1"].state is ContactState.ACTIVE
    assert kinds(pool.wait(MINUTE_MS)) == ["ContactMerged"]


def test_what_was_merged_is_not_lost_when_no_call_is_wanted_any_more() -> None:
    pool = a_pool_that_overflows_to_calls()
    pool.wait(1_000)
    facts = decline(pool, "con_2")
    assert kinds(facts) == ["CallbackWithdrawn"]
    assert pool.state.contacts["con_1"].callback is None


def test_a_contact_is_merged_into_none_but_a_callback() -> None:
    pool = a_pool("anna", come=False)
    pool.receive(1)
    pool.receive(2)
    for into in ("con_1", "con_2", "con_9"):
        with pytest.raises(IllegalFactError):
            apply(
                pool.state,
                ContactMerged(pool=POOL, at_ms=START_MS, contact_id="con_1", into_contact_id=into, due_ms=START_MS),
            )


def test_a_restart_in_between_forgets_nothing() -> None:
    pool = a_pool("anna", queue=a_queue("orders", callback=CallbackConfiguration(retry_ms=5 * MINUTE_MS)))
    pool.receive(1, callback=wish(10))
    offer = the_offer(pool.receive(2, callback=wish(None, "tel:+390211111")))
    pool.accept("anna", offer.offer_id)
    miss(pool, "anna", "con_2")
    again = restore(POOL, snapshot_chunks(freeze(pool.state), 100))
    assert state_equal(again, pool.state)
    pool.state = again
    assert kinds(pool.wait(5 * MINUTE_MS)) == ["CallbackDue", "OfferMade"]
    assert kinds(pool.receive(3, message_handle=LUCA)) == ["MessageJoined"]
    # nor what calls were asked for under other ids
    pool.receive(4, callback=wish(20))
    pool.state = restore(POOL, snapshot_chunks(freeze(pool.state), 100))
    assert kinds(decline(pool, "con_4")) == ["ContactCancelled"]


def test_facts_that_cannot_follow_change_nothing() -> None:
    pool = a_pool("anna")
    pool.active("anna", 1)
    pool.receive(2, callback=wish(10))
    pool.receive(3)
    before = freeze(pool.state)
    for fact in (
        CallbackDue(pool=POOL, at_ms=START_MS, contact_id="con_1", cause="time"),
        CallbackWithdrawn(
            pool=POOL, at_ms=START_MS, contact_id="con_3", channel="email", offer_timeout_ms=1_000, overflowed_ms=0
        ),
        CallbackMissed(
            pool=POOL, at_ms=START_MS, contact_id="con_1", agent_id="anna", attempts=1, not_before_ms=START_MS
        ),
        CallbackMissed(
            pool=POOL, at_ms=START_MS, contact_id="con_2", agent_id="anna", attempts=1, not_before_ms=START_MS
        ),
    ):
        with pytest.raises(IllegalFactError):
            apply(pool.state, fact)
    assert freeze(pool.state) == before
