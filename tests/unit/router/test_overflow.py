"""Overflow: contacts go on to another queue, their customers are told, or they come to their end; before they wait and after."""

from __future__ import annotations

from typing import Any

from libs.common.events.inputs import ChangeContact, ExtendCalendars, RequeueContact
from libs.common.events.pool import Calendar, Overflow, QueueConfiguration, Relaxation
from libs.common.events.routing import (
    ContactCancelled,
    ContactMoved,
    ContactQueued,
    CustomerNotice,
    PoolConfigured,
    PoolFact,
)
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core.explain import NextOverflow, explain_waiting
from services.router.core.snapshot import freeze, restore, snapshot_chunks, state_equal
from services.router.core.step import settle
from tests.unit.router.pool import Pool, kinds, offered_to, the_offer

MINUTE_MS = 60_000
TEXT = {"en": "We are busy.", "it": "Siamo occupati."}


def to_queue(when: str, target: str = "general", at_least: int = 0) -> Overflow:
    return Overflow(when=when, at_least=at_least, to="queue", target=target)


def told(when: str, at_least: int = 0) -> Overflow:
    return Overflow(when=when, at_least=at_least, to="message", text=TEXT)


def to_end(when: str, at_least: int = 0, text: dict[str, str] | None = None) -> Overflow:
    return Overflow(when=when, at_least=at_least, to="end", text=text or {})


def a_busy_pool(
    *rules: Overflow, general: tuple[Overflow, ...] = (), agents: tuple[str, ...] = (), **more: Any
) -> Pool:
    """Queue `orders` with these rules and queue `general`; nobody is there who could take anything, but these agents."""
    return Pool(
        queues=(a_queue("orders", skills={"orders": 2}, overflow=rules, **more), a_queue("general", overflow=general)),
        agents=tuple(an_agent(agent) for agent in agents),
    )


def moves(facts: list[PoolFact]) -> list[tuple[str, str | None]]:
    return [(fact.queue, fact.when) for fact in facts if isinstance(fact, ContactMoved)]


def notices(facts: list[PoolFact]) -> list[CustomerNotice]:
    return [fact for fact in facts if isinstance(fact, CustomerNotice)]


def shut(pool: Pool, *queues: QueueConfiguration, opens_ms: int) -> None:
    """The pool has these queues; the calendar `shop` opens so long from now, for ten minutes."""
    opens_ms += START_MS + pool.at_ms
    calendar = Calendar(
        id="shop", spans=((opens_ms, opens_ms + 10 * MINUTE_MS),), until_ms=opens_ms + 1_000 * MINUTE_MS
    )
    pool.configure(queues=queues, agents=(), calendars=(calendar,))


# Before it waits


def test_a_contact_goes_on_when_too_many_wait() -> None:
    # given a queue in which one may wait
    pool = a_busy_pool(to_queue("waiting", at_least=1))
    assert kinds(pool.receive(1)) == ["ContactQueued"]
    pool.at_ms = 1_000
    # when a second contact comes
    facts = pool.receive(2)
    # then it came there, and waits in the other queue at once; what it was due by stays
    queued, moved = facts
    assert isinstance(queued, ContactQueued)
    assert (queued.queue, queued.overflow, queued.due_ms) == ("orders", 1, START_MS + 61_000)
    assert moved == ContactMoved(
        pool=POOL,
        at_ms=START_MS + 1_000,
        contact_id="con_2",
        queue="general",
        cause="overflow",
        skills={},
        offer_timeout_ms=20_000,
        when="waiting",
        at_least=1,
    )
    contact = pool.state.contacts["con_2"]
    assert (contact.queue, contact.due_ms, contact.left_queues) == ("general", queued.due_ms, ("orders",))


def test_it_asks_for_what_the_new_queue_asks_for_and_for_what_was_asked_for_it() -> None:
    pool = a_busy_pool(to_queue("waiting", at_least=1))
    pool.receive(1)
    # given a contact for which its rule asks for as much of `orders` as the queue does, and for one of two languages
    languages = ({"en": 3}, {"it": 3})
    # when
    facts = pool.receive(2, skills={"orders": 1, "vip": 1}, any_of=languages)
    # then what the queue alone asked for stays behind
    [moved] = [fact for fact in facts if isinstance(fact, ContactMoved)]
    assert moved.skills == {"orders": 1, "vip": 1}
    assert moved.alternatives == ({"en": 3, "orders": 1, "vip": 1}, {"it": 3, "orders": 1, "vip": 1})


def test_the_first_rule_that_holds_counts_and_rules_are_followed_from_queue_to_queue() -> None:
    # given two queues in a row
    pool = a_busy_pool(
        to_queue("waiting", at_least=9), told("waiting", 1), to_end("waiting", 1), general=(told("waiting", 2),)
    )
    pool.receive(1)
    # when, then
    facts = pool.receive(2)
    assert kinds(facts) == ["ContactQueued", "CustomerNotice"]
    assert notices(facts) == [
        CustomerNotice(
            pool=POOL, at_ms=START_MS, contact_id="con_2", cause="overflow", texts=TEXT, when="waiting", at_least=1
        )
    ]
    # given that the first leads on to the second, where one may wait
    pool = a_busy_pool(to_queue("waiting", at_least=1), general=(told("waiting", 1),))
    assert [kinds(pool.receive(number)) for number in (1, 2, 3)] == [
        ["ContactQueued"],
        ["ContactQueued", "ContactMoved"],
        ["ContactQueued", "ContactMoved", "CustomerNotice"],
    ]


def test_it_is_offered_in_its_old_place_where_it_came_to() -> None:
    # given somebody who is there for the other queue alone, and a later contact there
    pool = Pool(
        queues=(
            a_queue("orders", skills={"orders": 2}, overflow=(to_queue("waiting", at_least=1),)),
            a_queue("general", target_ms=30_000),
        ),
        agents=(an_agent("bruno"),),
    )
    pool.receive(1)
    pool.receive(2)
    pool.at_ms = 31_000
    pool.receive(3, queue="general")
    # when he comes
    facts = pool.presence("bruno")
    # then he is offered the one that was due first
    assert the_offer(facts).contact_id == "con_2"


def test_a_closed_queue_is_left_by_its_hours_whatever_the_facts_have_said() -> None:
    # given a queue that is closed
    pool = Pool()
    orders = a_queue("orders", hours="shop", overflow=(to_queue("closed"),))
    shut(pool, orders, a_queue("general"), opens_ms=MINUTE_MS)
    assert moves(pool.receive(1)) == [("general", "closed")]
    # when it opens, which no fact has said so far
    pool.at_ms = MINUTE_MS
    # then contacts stay
    assert kinds(pool.receive(2)) == ["ContactQueued", "CalendarTurned"]
    # when it has closed, which no fact has said either
    pool.at_ms = 11 * MINUTE_MS
    facts = pool.receive(3)
    assert moves(facts) == [("general", "closed")]


def test_what_has_no_hours_is_never_closed() -> None:
    pool = a_busy_pool(told("closed"), hours="no such calendar")
    assert kinds(pool.receive(1)) == ["ContactQueued"]


def test_a_contact_comes_to_its_end_at_once_and_its_customer_is_told_before() -> None:
    pool = a_busy_pool(to_end("waiting", 1, TEXT))
    pool.receive(1)
    facts = pool.receive(2)
    assert kinds(facts) == ["ContactQueued", "CustomerNotice", "ContactCancelled"]
    assert notices(facts)[0].ends
    assert facts[-1] == ContactCancelled(pool=POOL, at_ms=START_MS, contact_id="con_2", by="router", reason="overflow")
    # and without words nothing is told
    pool = a_busy_pool(to_end("waiting", 1))
    pool.receive(1)
    assert kinds(pool.receive(2)) == ["ContactQueued", "ContactCancelled"]


def test_a_further_message_of_one_that_came_to_its_end_begins_anew() -> None:
    pool = a_busy_pool(to_end("waiting", 1))
    pool.receive(1)
    pool.receive(2)
    [thread_id] = [
        fact.thread_id for fact in pool.facts if isinstance(fact, ContactQueued) and fact.contact_id == "con_2"
    ]
    facts = pool.receive(3, message_thread_id=thread_id)
    assert kinds(facts) == ["ContactQueued", "ContactCancelled"]


# After it has waited


def test_who_has_waited_goes_on() -> None:
    pool = a_busy_pool(to_queue("waited", at_least=MINUTE_MS))
    pool.receive(1)
    assert pool.deadline_ms() == MINUTE_MS
    # when
    facts = pool.wait(MINUTE_MS)
    # then
    assert moves(facts) == [("general", "waited")]
    assert pool.state.contacts["con_1"].due_ms == START_MS + 60_000
    assert pool.deadline_ms() is None


def test_each_step_is_taken_once_and_late_ones_in_their_order() -> None:
    # given three steps that nobody was there to take
    pool = a_busy_pool(told("waited", MINUTE_MS), told("waited", 2 * MINUTE_MS), to_end("waited", 3 * MINUTE_MS, TEXT))
    pool.receive(1)
    # when the router is back
    facts = pool.wait(5 * MINUTE_MS)
    # then
    assert kinds(facts) == ["CustomerNotice", "CustomerNotice", "CustomerNotice", "ContactCancelled"]
    assert [notice.at_least for notice in notices(facts)] == [MINUTE_MS, 2 * MINUTE_MS, 3 * MINUTE_MS]
    assert [notice.ends for notice in notices(facts)] == [False, False, True]


def test_settling_may_stop_between_the_words_and_the_end() -> None:
    pool = a_busy_pool(to_end("waited", MINUTE_MS, TEXT))
    pool.receive(1)
    pool.at_ms = MINUTE_MS
    # given a router that stopped after the words; when another goes on from its snapshot
    words = settle(pool.state, START_MS + pool.at_ms, 1)
    restored = restore(POOL, list(snapshot_chunks(freeze(pool.state), 100)))
    assert state_equal(restored, pool.state)
    rest = settle(restored, START_MS + pool.at_ms)
    # then the customer is told once
    assert kinds(words) == ["CustomerNotice"]
    assert kinds(rest) == ["ContactCancelled"]


def test_an_offer_is_not_taken_away_by_it() -> None:
    # given a contact that is offered while its time comes
    pool = a_busy_pool(to_queue("waited", at_least=10_000), agents=())
    pool.configure(
        queues=(a_queue("orders", overflow=(to_queue("waited", at_least=10_000),)), a_queue("general")),
        agents=(an_agent("anna"),),
    )
    pool.presence("anna")
    offer = the_offer(pool.receive(1))
    assert pool.wait(10_000) == []
    # when it runs out, then the contact goes on
    assert moves(pool.wait(10_000)) == [("general", "waited")]
    # and one that is accepted does not
    assert offer.agent_id == "anna"


def test_a_contact_that_comes_back_from_an_agent_waits_anew() -> None:
    # given a contact that an agent has had for longer than anybody is to wait
    pool = a_busy_pool()
    rules = (told("waited", 5_000), to_end("waited", MINUTE_MS))
    pool.configure(queues=(a_queue("orders", overflow=rules),), agents=(an_agent("anna"),))
    pool.receive(1)
    assert len(notices(pool.wait(5_000))) == 1
    pool.accept("anna", the_offer(pool.presence("anna")).offer_id)
    pool.wait(10 * MINUTE_MS)
    # when he leaves
    facts = pool.presence("anna", "offline")
    # then it does not end at once, nor is its customer told again
    assert kinds(facts) == ["PresenceChanged", "ContactRequeued"]
    assert pool.wait(MINUTE_MS - 1) == []
    assert kinds(pool.wait(1)) == ["ContactCancelled"]


def test_time_stands_still_while_the_queue_is_closed() -> None:
    # given a contact that comes a minute before the queue opens
    pool = Pool()
    shut(pool, a_queue("orders", hours="shop", overflow=(to_end("waited", 5 * MINUTE_MS),)), opens_ms=MINUTE_MS)
    pool.receive(1)
    # then its five minutes begin with the opening
    assert kinds(pool.wait(MINUTE_MS)) == ["CalendarTurned"]
    assert pool.wait(5 * MINUTE_MS - 1) == []
    assert kinds(pool.wait(1)) == ["ContactCancelled"]


def test_a_calendar_that_goes_further_counts() -> None:
    # given a contact whose time is not over by what is known of the hours
    pool = Pool()
    orders = a_queue("orders", hours="shop", overflow=(to_end("waited", 15 * MINUTE_MS),))
    shut(pool, orders, opens_ms=0)
    pool.receive(1)
    assert pool.wait(10 * MINUTE_MS) != []
    # when more is known
    opens_ms = START_MS + 20 * MINUTE_MS
    calendar = Calendar(
        id="shop",
        spans=((START_MS, START_MS + 10 * MINUTE_MS), (opens_ms, opens_ms + 10 * MINUTE_MS)),
        until_ms=opens_ms * 2,
    )
    pool.give(ExtendCalendars(pool=POOL, calendars=(calendar,)))
    # then
    assert kinds(pool.wait(10 * MINUTE_MS)) == ["CalendarTurned"]
    assert kinds(pool.wait(5 * MINUTE_MS)) == ["ContactCancelled"]


def test_a_contact_does_not_come_back() -> None:
    # given two queues, each of which sends on to the other who has waited
    pool = a_busy_pool(
        to_queue("waited", at_least=MINUTE_MS),
        general=(to_queue("waited", "orders", MINUTE_MS), told("waited", 2 * MINUTE_MS)),
    )
    pool.receive(1)
    # when, then: it goes there, and the rule that would send it back is passed over
    assert moves(pool.wait(MINUTE_MS)) == [("general", "waited")]
    assert pool.wait(MINUTE_MS) == []
    assert len(notices(pool.wait(MINUTE_MS))) == 1
    assert pool.wait(100 * MINUTE_MS) == []


def test_the_rules_of_the_queue_that_it_comes_to_hold_at_once() -> None:
    pool = a_busy_pool(to_queue("waited", at_least=MINUTE_MS), general=(to_end("waiting", 1),))
    pool.receive(1)
    pool.receive(2)
    facts = pool.wait(MINUTE_MS)
    assert kinds(facts) == ["ContactMoved", "ContactMoved", "ContactCancelled"]


def test_a_person_may_put_it_back_and_then_it_waits_anew() -> None:
    pool = a_busy_pool(to_queue("waited", at_least=MINUTE_MS))
    pool.receive(1)
    pool.wait(MINUTE_MS)
    # when a supervisor puts it back
    facts = pool.supervise(ChangeContact, "con_1", queue="orders")
    # then it stays where he put it
    assert kinds(facts) == ["ContactChanged"]
    assert moves(pool.wait(MINUTE_MS)) == [("general", "waited")]


def test_what_asks_for_less_asks_anew_in_the_other_queue() -> None:
    step = Relaxation(after_ms=5_000, drop=("lang.it",))
    pool = a_busy_pool(to_queue("waited", at_least=10_000), relax=(step,))
    pool.receive(1, skills={"lang.it": 3})
    assert kinds(pool.wait(5_000)) == ["ContactRelaxed"]
    facts = pool.wait(5_000)
    assert [fact.skills for fact in facts if isinstance(fact, ContactMoved)] == [{"lang.it": 3}]


# The configuration


def test_new_rules_are_true_of_who_waits_already() -> None:
    # given a contact that has waited for a while
    pool = a_busy_pool()
    pool.receive(1)
    pool.at_ms = 2 * MINUTE_MS
    # when a rule comes that it has waited long enough for
    facts = pool.configure(
        queues=(a_queue("orders", overflow=(to_queue("waited", at_least=MINUTE_MS),)), a_queue("general")), agents=()
    )
    assert kinds(facts) == ["PoolConfigured", "ContactMoved"]


def test_what_no_rule_can_do_is_passed_over() -> None:
    # given rules that lead nowhere, or that this router does not know
    pool = a_busy_pool(
        to_queue("waited", "gone", 1_000),
        to_queue("waited", "orders", 2_000),
        Overflow(when="waited", at_least=3_000, to="elsewhere"),
        Overflow(when="no such condition", to="end"),
    )
    assert kinds(pool.receive(1)) == ["ContactQueued"]
    assert pool.wait(MINUTE_MS) == []


def test_rules_are_bounded() -> None:
    pool = a_busy_pool(
        *(told("waited", -number) for number in range(25)), Overflow(when="closed", at_least=3, to="end")
    )
    [configured] = [fact for fact in pool.facts if isinstance(fact, PoolConfigured)]
    assert len(configured.queues[0].overflow) == 20
    assert {rule.at_least for rule in configured.queues[0].overflow} == {1}


# Explained


def test_what_comes_next_is_explained() -> None:
    pool = a_busy_pool(told("waited", 1_000), to_queue("waited", at_least=MINUTE_MS))
    pool.receive(1)
    pool.wait(1_000)
    explained = explain_waiting(pool.state, "con_1", START_MS + 1_000)
    assert explained.overflow == NextOverflow(
        at_ms=START_MS + MINUTE_MS, when="waited", to="queue", at_least=MINUTE_MS, target="general"
    )
    pool.wait(MINUTE_MS)
    assert explain_waiting(pool.state, "con_1", START_MS + 61_000).overflow is None


def test_agents_of_both_queues_take_what_is_theirs() -> None:
    pool = Pool(
        queues=(
            a_queue("orders", skills={"orders": 2}, overflow=(to_queue("waited", at_least=5_000),)),
            a_queue("general"),
        ),
        agents=(an_agent("anna", skills={"orders": 3}), an_agent("bruno")),
    )
    pool.presence("bruno")
    assert offered_to(pool.receive(1)) == {}
    assert offered_to(pool.wait(5_000)) == {"con_1": "bruno"}


def test_requeued_by_a_supervisor_it_waits_anew_too() -> None:
    pool = a_busy_pool()
    pool.configure(
        queues=(a_queue("orders", overflow=(to_end("waited", 5_000),)),), agents=(an_agent("anna"), an_agent("bruno"))
    )
    pool.presence("anna")
    pool.accept("anna", the_offer(pool.receive(1)).offer_id)
    pool.wait(MINUTE_MS)
    facts = pool.supervise(RequeueContact, "con_1")
    assert kinds(facts) == ["ContactRequeued"]
    assert kinds(pool.wait(5_000)) == ["ContactCancelled"]


def test_a_copy_of_the_message_makes_nothing_new() -> None:
    pool = a_busy_pool(to_queue("waiting", at_least=1))
    pool.receive(1)
    pool.receive(2)
    again = pool.receive(2)
    assert again == []


def test_a_long_wait_that_is_to_be_expected_is_not_begun() -> None:
    # given a pool whose one agent takes ten minutes for each contact
    pool = a_busy_pool(agents=("anna",))
    rule = Overflow(when="expected_wait", at_least=15 * MINUTE_MS, to="end")
    pool.configure(queues=(a_queue("orders", overflow=(rule,)),), agents=(an_agent("anna"),))
    pool.presence("anna")
    for number in range(1, 7):
        assert "ContactCancelled" not in kinds(pool.receive(number))
        if number > 1:
            pool.wait(10 * MINUTE_MS)
            pool.resolve("anna", f"con_{number - 1}")
        pool.accept("anna", next(iter(pool.state.offers)))
    # when contacts come of which the second would wait for twenty minutes
    first, second = pool.receive(7), pool.receive(8)
    # then
    assert "ContactCancelled" not in kinds(first)
    assert "ContactCancelled" in kinds(second)
