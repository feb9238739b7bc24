"""What users of other systems complain about when it comes to overflow: each promise once, by theme.

Themes 1, 12, 24, 26 and 27 of the complaints that this core was built against.
"""

from __future__ import annotations

from libs.common.events.inputs import CustomerLeft
from libs.common.events.pool import Calendar, Overflow
from libs.common.events.routing import ContactMoved, CustomerNotice, OfferMade
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from tests.unit.router.pool import Pool, kinds, offered_to, the_offer

MINUTE_MS = 60_000
WORDS = {"en": "Please write to us, we answer tomorrow.", "it": "Ci scriva, rispondiamo domani."}


# Theme 1: contacts that overflowed stay behind while later ones get the freed agent


def test_who_overflowed_comes_before_who_came_later() -> None:
    # given a contact that overflowed into a queue in which others came after it
    pool = Pool(
        queues=(
            a_queue(
                "orders",
                skills={"orders": 1},
                overflow=(Overflow(when="waited", at_least=5_000, to="queue", target="general"),),
            ),
            a_queue("general"),
        ),
        agents=(an_agent("anna"),),
    )
    pool.receive(1, queue="orders")
    pool.at_ms = 1_000
    pool.receive(2, queue="general")
    pool.wait(4_000)
    # when somebody is free for that queue, then it is first
    assert offered_to(pool.presence("anna")) == {"con_1": "anna"}


# Theme 12: order not respected


def test_overflow_takes_nobodys_turn() -> None:
    # given contacts of two queues, and that the later one of the first overflows
    pool = Pool(
        queues=(
            a_queue("orders", overflow=(Overflow(when="waiting", at_least=1, to="queue", target="general"),)),
            a_queue("general"),
        ),
        agents=(an_agent("anna", capacity={"email": 3}),),
    )
    for number, queue in ((1, "orders"), (2, "general"), (3, "orders")):
        pool.at_ms = number
        pool.receive(number, queue=queue)
    facts = pool.presence("anna")
    # then they are offered as they came
    assert [fact.contact_id for fact in facts if isinstance(fact, OfferMade)] == ["con_1", "con_2", "con_3"]


# Theme 24: several periods a day; automation only in hours; the clock must stop outside of them


def test_a_lunch_break_is_said_and_nothing_ends_in_it() -> None:
    # given a queue that is closed over lunch and gives up on who has waited for five minutes
    pool = Pool()
    begin = START_MS + 10 * MINUTE_MS
    calendar = Calendar(
        id="shop", spans=((START_MS, begin), (begin + 60 * MINUTE_MS, begin + 120 * MINUTE_MS)), until_ms=begin * 2
    )
    rules = (
        Overflow(when="closed", to="message", text=WORDS),
        Overflow(when="waited", at_least=5 * MINUTE_MS, to="end"),
    )
    pool.configure(queues=(a_queue("orders", hours="shop", overflow=rules),), agents=(), calendars=(calendar,))
    # when one customer comes three minutes before lunch, and another in it
    pool.wait(7 * MINUTE_MS)
    assert kinds(pool.receive(1)) == ["ContactQueued"]
    pool.wait(13 * MINUTE_MS)
    facts = pool.receive(2)
    assert [fact.texts for fact in facts if isinstance(fact, CustomerNotice)] == [WORDS]
    # then nothing ends before it is over, and then each has the rest of his time
    assert kinds(pool.wait(50 * MINUTE_MS)) == ["CalendarTurned"]
    assert "ContactCancelled" not in kinds(pool.wait(2 * MINUTE_MS - 1))
    assert kinds(pool.wait(1)) == ["ContactCancelled"]
    assert kinds(pool.wait(3 * MINUTE_MS)) == ["ContactCancelled"]


# Theme 26: to a department whose people are all busy or gone


def test_a_department_without_anybody_keeps_what_overflows_to_it_waiting() -> None:
    # given another queue with one agent, who is busy, and one who is offline
    pool = Pool(
        queues=(
            a_queue(
                "orders",
                skills={"orders": 1},
                overflow=(Overflow(when="waited", at_least=5_000, to="queue", target="general"),),
            ),
            a_queue("general"),
        ),
        agents=(an_agent("anna"), an_agent("bruno")),
    )
    pool.presence("anna")
    pool.accept("anna", the_offer(pool.receive(1, queue="general")).offer_id)
    pool.receive(2, queue="orders")
    # when it overflows, then it waits there
    facts = pool.wait(5_000)
    assert [fact.queue for fact in facts if isinstance(fact, ContactMoved)] == ["general"]
    assert not any(isinstance(fact, OfferMade) for fact in facts)
    # and whoever is free first is offered it
    assert offered_to(pool.resolve("anna", "con_1")) == {"con_2": "anna"}


# Theme 27: nobody answers: to the next, and then to an offline form


def test_after_so_long_without_an_answer_the_customer_is_told_where_to_write() -> None:
    # given one agent who lets offers run out
    rules = (Overflow(when="waited", at_least=MINUTE_MS, to="end", text=WORDS),)
    pool = Pool(queues=(a_queue("orders", overflow=rules),), agents=(an_agent("anna"), an_agent("bruno")))
    pool.presence("anna")
    pool.presence("bruno")
    assert offered_to(pool.receive(1)) == {"con_1": "anna"}
    # when the time of an offer is over, it goes to the next
    assert offered_to(pool.wait(20_000)) == {"con_1": "bruno"}
    pool.wait(20_000)
    # and after a minute in all the customer is told, and need not wait any more
    facts = pool.wait(20_000)
    assert [fact.texts for fact in facts if isinstance(fact, CustomerNotice)] == [WORDS]
    assert kinds(facts)[-1] == "ContactCancelled"


def test_who_comes_back_is_not_turned_away_for_the_time_away() -> None:
    # given a queue that ends contacts which have waited for ten minutes, and a customer who leaves after two
    rule = Overflow(when="waited", at_least=10 * MINUTE_MS, to="end", text=WORDS)
    pool = Pool(queues=(a_queue("orders", overflow=(rule,)),))
    pool.receive(1, message_thread_id="thr_1")
    due_ms = pool.state.contacts["con_1"].due_ms
    pool.wait(2 * MINUTE_MS)
    pool.give(CustomerLeft(pool=POOL, contact_id="con_1"))
    # when the customer comes back after ten more
    pool.at_ms += 10 * MINUTE_MS
    facts = pool.receive(2, message_thread_id="thr_1")
    # then the contact waits again in its old place, and goes on after as long as any that begins to wait
    assert kinds(facts) == ["ContactReturned"]
    assert pool.state.contacts["con_1"].due_ms == due_ms
    assert pool.wait(10 * MINUTE_MS - 1) == []
    assert kinds(pool.wait(1)) == ["CustomerNotice", "ContactCancelled"]
