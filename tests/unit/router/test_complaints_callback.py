"""What users of other systems complain about, as far as it is about callbacks and about queues that run empty.

Each test is named after the complaint that it answers; the numbers are those of the list.
"""

from __future__ import annotations

from libs.common.events.inputs import CallbackWish, ReportNotReached
from libs.common.events.pool import Calendar, CallbackConfiguration, Overflow
from libs.common.events.routing import ContactQueued
from libs.common.testing.builders import START_MS, a_queue, an_agent
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer

LUCA = "tel:+393331234567"
MINUTE_MS = 60_000


def wish(minutes: int | None = None, handle: str = LUCA) -> CallbackWish:
    return CallbackWish(handle=handle, not_before_ms=None if minutes is None else START_MS + minutes * MINUTE_MS)


def served(pool: Pool, agent: str, number: int) -> list[str]:
    """So many contacts, in the order in which the agent is offered them; each is resolved at once."""
    order = []
    facts = pool.presence(agent)
    for _ in range(number):
        offer = the_offer(facts)
        order.append(offer.contact_id)
        pool.accept(agent, offer.offer_id)
        facts = pool.resolve(agent, offer.contact_id)
    return order


def test_theme_1_a_queue_that_is_drained_leaves_nobody_behind() -> None:
    # given thirty contacts of one queue, and agents of another alone who are full
    queues = (a_queue("general", skills={"it": 1}), a_queue("orders", skills={"en": 5}))
    pool = Pool(queues=queues, agents=(an_agent("anna", skills={"it": 5, "en": 5}),))
    for number in range(30):
        pool.at_ms += 10
        pool.receive(number + 1, queue="orders")
    # when the queue is drained into the other
    pool.drain("orders", "general")
    # then every one of them is served there as the agent has room, the first first
    assert served(pool, "anna", 30) == [f"con_{number + 1}" for number in range(30)]


def test_theme_10_an_agent_whose_call_nobody_answers_has_room_again_at_once() -> None:
    pool = a_pool(an_agent("anna", capacity={"voice": 1}))
    offer = the_offer(pool.receive(1, callback=wish()))
    pool.accept("anna", offer.offer_id)
    assert kinds(pool.receive(2, callback=wish(None, "tel:+390211111"))) == [
        "ContactQueued",
        "CallbackScheduled",
        "CallbackDue",
    ]
    facts = pool.command(ReportNotReached, "anna", contact_id="con_1")
    assert offered_to(facts) == {"con_2": "anna"}


def test_theme_12_who_asked_for_a_call_first_is_called_first_and_before_who_came_later() -> None:
    # given customers who want to be called, one of them later, and one who writes after them
    pool = a_pool("anna", come=False)
    pool.receive(1, callback=wish(30))
    pool.at_ms += 1_000
    pool.receive(2, callback=wish(None, "tel:+390211111"))
    pool.at_ms += 1_000
    pool.receive(3, message_channel="voice")
    # when an agent comes once the time of all has come
    pool.wait(30 * MINUTE_MS)
    # then they are served in the order in which they came
    assert served(pool, "anna", 3) == ["con_1", "con_2", "con_3"]


def test_theme_12_who_is_moved_out_of_a_drained_queue_keeps_the_place_among_those_of_the_other() -> None:
    pool = Pool(queues=(a_queue("general"), a_queue("orders")), agents=(an_agent("anna"),))
    for number, queue in enumerate(("general", "orders", "general", "orders"), 1):
        pool.receive(number, queue=queue)
        pool.at_ms += 1_000
    pool.drain("orders", "general")
    assert served(pool, "anna", 4) == ["con_1", "con_2", "con_3", "con_4"]


def test_theme_17_two_agents_do_not_call_the_same_customer() -> None:
    # given a customer who asks for a call in a form, in a chat and by a text message
    pool = a_pool("anna", "bruno")
    facts = pool.receive(1, callback=wish())
    facts += pool.receive(2, callback=wish(), message_channel="webchat")
    facts += pool.receive(3, message_channel="sms", message_handle=LUCA)
    # then one agent is offered one call
    assert kinds(facts).count("OfferMade") == 1
    assert list(pool.state.contacts) == ["con_1"]


def test_theme_19_the_same_request_delivered_twice_is_one_callback() -> None:
    pool = a_pool("anna", come=False)
    pool.receive(1, callback=wish(10))
    assert pool.receive(1, callback=wish(10)) == []
    assert len(pool.state.contacts) == 1


def test_theme_24_a_customer_is_called_within_opening_hours_and_not_in_the_lunch_break() -> None:
    # given a shop that is open for ten minutes, closes for lunch, and opens again after an hour
    spans = ((START_MS, START_MS + 10 * MINUTE_MS), (START_MS + 60 * MINUTE_MS, START_MS + 90 * MINUTE_MS))
    pool = Pool()
    pool.configure(
        queues=(a_queue("orders", hours="shop"),),
        agents=(an_agent("anna"),),
        calendars=(Calendar(id="shop", spans=spans, until_ms=START_MS + 10**10),),
    )
    pool.presence("anna")
    # when somebody wants to be called in the break
    pool.receive(1, callback=wish(20))
    assert offered_to(pool.wait(20 * MINUTE_MS)) == {}
    # then the call is made when the shop opens
    assert offered_to(pool.wait(40 * MINUTE_MS)) == {"con_1": "anna"}


def test_theme_26_new_contacts_of_a_drained_queue_go_where_somebody_is() -> None:
    pool = Pool(
        queues=(a_queue("general"), a_queue("orders", skills={"it": 5})),
        agents=(an_agent("anna"), an_agent("bruno", skills={"it": 5})),
    )
    pool.presence("anna")
    pool.drain("orders")
    facts = pool.receive(1, queue="orders")
    queued = facts[0]
    assert isinstance(queued, ContactQueued)
    assert (queued.queue, queued.queue_asked) == ("general", "orders")
    assert offered_to(facts) == {"con_1": "anna"}


def test_theme_27_who_has_waited_for_too_long_is_called_back_instead_of_being_turned_away() -> None:
    # given a queue that overflows to callbacks
    rules = (Overflow(when="waited", at_least=MINUTE_MS, to="callback"),)
    told = CallbackConfiguration(texts={"en": "We will call you."})
    pool = a_pool("anna", queue=a_queue("orders", overflow=rules, callback=told), come=False)
    pool.receive(1, message_handle=LUCA)
    # when nobody has time for so long
    assert kinds(pool.wait(MINUTE_MS)) == ["CustomerNotice", "CallbackScheduled", "CallbackDue"]
    # then the customer is called when somebody has, whether or not the line is still held
    assert offered_to(pool.presence("anna")) == {"con_1": "anna"}
    assert pool.state.contacts["con_1"].channel == "voice"
