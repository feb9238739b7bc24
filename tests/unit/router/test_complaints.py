"""What users of other systems complain about, as far as it is about who gets what. One test for each, named after the complaint.

What agents and supervisors do by command, and what time does, have files of their own.
"""

from __future__ import annotations

import itertools
import sys

import pytest

from libs.common.events.routing import ContactQueued, MessageJoined
from libs.common.testing.builders import START_MS, a_contact_received, a_message, a_queue, a_set_presence, an_agent
from services.router.core.step import step
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer, the_refusal


def test_when_capacity_frees_up_the_oldest_that_waits_is_offered_at_once() -> None:
    """Overflow stays unassigned while later arrivals get the agent who was freed; or a job looks every quarter of an hour."""
    pool = a_pool("anna")
    first = pool.active("anna", 1)
    for number in (2, 3, 4):
        pool.at_ms += 1_000
        pool.receive(number)
    pool.at_ms += 1_000
    order = []
    contact = first
    for later in (5, 6, 7):
        offer = the_offer(pool.resolve("anna", contact))
        order.append(offer.contact_id)
        pool.receive(later)
        pool.accept("anna", offer.offer_id)
        contact = offer.contact_id
        pool.at_ms += 1_000
    assert order == ["con_2", "con_3", "con_4"]


@pytest.mark.parametrize("capacity", [1, 3])
def test_no_burst_takes_an_agent_over_the_limit(capacity: int) -> None:
    """Requests at the same moment create more active chats than the limit allows: read, then assign, is a race."""
    pool = a_pool(an_agent("anna", capacity={"email": capacity}), an_agent("bruno", capacity={"email": capacity}))
    offers = [offer for number in range(1, 20) for offer in offered_to(pool.receive(number)).values()]
    assert sorted(offers) == ["anna"] * capacity + ["bruno"] * capacity


def test_equal_agents_get_equal_shares() -> None:
    """One agent gets everything."""
    names = ("anna", "bruno", "carla", "dario")
    pool = a_pool(*names)
    taken = dict.fromkeys(names, 0)
    for number in range(1, 41):
        pool.at_ms += 1_000
        offer = the_offer(pool.receive(number))
        pool.accept(offer.agent_id, offer.offer_id)
        pool.at_ms += 500 * (number % 3)
        pool.resolve(offer.agent_id, offer.contact_id)
        taken[offer.agent_id] += 1
    assert taken == dict.fromkeys(names, 10)


def test_a_backlog_does_not_flood_who_comes_first() -> None:
    """Agents who come online are flushed with everything that waited over the night."""
    pool = a_pool(an_agent("anna", capacity={"email": 2}), an_agent("bruno", capacity={"email": 2}), come=False)
    for number in range(1, 31):
        pool.receive(number)
    assert offered_to(pool.presence("anna")) == {"con_1": "anna", "con_2": "anna"}
    assert offered_to(pool.presence("bruno")) == {"con_3": "bruno", "con_4": "bruno"}


def test_nobody_can_take_what_was_offered_to_another_or_taken() -> None:
    """Tickets have no lock, several agents take the same one."""
    pool = a_pool("anna", "bruno")
    offer = the_offer(pool.receive())
    assert the_refusal(pool.accept("bruno", offer.offer_id)) == "not-your-offer"
    pool.accept("anna", offer.offer_id)
    assert the_refusal(pool.accept("anna", offer.offer_id)) == "offer-already-accepted"
    assert the_refusal(pool.resolve("bruno", offer.contact_id)) == "contact-not-yours"


@pytest.mark.parametrize("ending", ["expired", "rejected", "withdrawn", "resolved", "wrapped up", "signed out"])
def test_no_agent_is_stuck_in_a_passing_state(ending: str) -> None:
    """Agents stay reserved, receiving or in a call for ever, and never get work again."""
    queue = a_queue("orders", wrap_up_ms=30_000 if ending == "wrapped up" else 0)
    pool = a_pool("anna", queue=queue)
    offer = the_offer(pool.receive(1))
    if ending == "expired":
        pool.wait(60_000)
    elif ending == "rejected":
        pool.reject("anna", offer.offer_id)
    elif ending == "withdrawn":
        pool.presence("anna", "break")
    else:
        pool.accept("anna", offer.offer_id)
    if ending in ("resolved", "wrapped up"):
        pool.resolve("anna", offer.contact_id)
    if ending == "wrapped up":
        assert kinds(pool.wait(30_000)) == ["ContactResolved"]
    if ending == "signed out":
        pool.presence("anna", "offline")
    if ending in ("withdrawn", "signed out"):
        pool.wait(60_000)
        assert offered_to(pool.presence("anna")) == {"con_1": "anna"}
    else:
        assert offered_to(pool.receive(2)) == {"con_2": "anna"}


def test_an_agent_who_cannot_be_reached_holds_nobody_up() -> None:
    """The last agent in the list is unavailable, and distribution stops for everybody."""
    pool = a_pool("anna", "bruno", "carla")
    pool.presence("anna", "break")
    pool.presence("carla", "offline")
    assert offered_to(pool.receive(1)) == {"con_1": "bruno"}


def test_a_contact_that_nobody_can_take_holds_nobody_up() -> None:
    """The caller at the head of the queue cannot be served, and nobody behind him is."""
    pool = a_pool(an_agent("anna", skills={"it": 3}), come=False)
    pool.receive(1, skills={"rare": 5})
    pool.receive(2, skills={"it": 3})
    assert offered_to(pool.presence("anna")) == {"con_2": "anna"}


def test_the_earlier_due_is_served_first_whatever_came_in_between() -> None:
    """The eighth of thirteen by score is connected first."""
    pool = a_pool("anna")
    pool.active("anna", 1)
    for number, priority in enumerate((0, 2, 0, 5, 1, 0, 3), 2):
        pool.at_ms += 10
        pool.receive(number, priority=priority)
    due = {fact.contact_id: fact.due_ms for fact in pool.facts if isinstance(fact, ContactQueued)}
    contact, served = "con_1", []
    for _ in range(7):
        offer = the_offer(pool.resolve("anna", contact))
        pool.accept("anna", offer.offer_id)
        contact = offer.contact_id
        served.append(contact)
    assert served == sorted(served, key=lambda contact_id: due[contact_id])
    assert served[0] == "con_5"


def test_what_is_counted_is_what_is_there() -> None:
    """Counters drift under concurrency, and whoever has the fewest calls by the counter is not who has the fewest."""
    events = [a_contact_received(number, message=a_message(number), contact_id=f"con_{number}") for number in (1, 2)]
    for order in itertools.permutations((*events, *events)):
        pool = a_pool("anna", "bruno")
        for event in order:
            pool.give(event)  # Every input is followed by a comparison of what is kept at hand with what is there.
        assert len(pool.state.index.waiting) == 0
        # when one is declined and so comes to the other agent, who has accepted and resolved what he had
        first, second = pool.state.offers.values()
        pool.reject(first.agent_id, first.id)
        pool.accept(second.agent_id, second.id)
        pool.resolve(second.agent_id, second.contact_id)
        # then one offer is open, and nobody has anything else
        [offer] = pool.state.offers.values()
        desks = pool.state.index.desks.values()
        assert {desk.agent_id: desk.offers_open for desk in desks} == {first.agent_id: 0, offer.agent_id: 1}
        assert {desk.agent_id: desk.loads for desk in desks} == {first.agent_id: {}, offer.agent_id: {"email": 1}}


def test_a_message_that_is_delivered_twice_is_there_once() -> None:
    """At-least-once webhooks make two conversations, or duplicate messages, or fail on a unique key and are lost."""
    pool = a_pool(come=False)
    message = a_contact_received(1, contact_id="con_1")
    assert kinds(pool.give(message)) == ["ContactQueued"]
    assert pool.give(message) == []
    pool.at_ms += 7 * 86_400_000
    assert pool.give(message) == []


def test_messages_of_one_customer_at_the_same_moment_are_one_contact() -> None:
    """An album of pictures, or two messages 200 ms apart, open several conversations."""
    pool = a_pool(come=False)
    for number in (1, 2, 3):
        pool.receive(number, message_thread_id="thr_1", contact_id=f"con_{number}")
    queued, *joined = pool.facts[1:]
    assert isinstance(queued, ContactQueued)
    assert all(isinstance(fact, MessageJoined) and fact.contact_id == queued.contact_id for fact in joined)
    assert len(joined) == 2


def test_the_wait_counts_from_when_the_customer_wrote() -> None:
    """The time of arrival is the time of processing, not the provider's."""
    pool = a_pool("anna", come=False)
    pool.at_ms = 600_000
    pool.receive(1, message_occurred_ms=START_MS)
    pool.receive(2, message_occurred_ms=START_MS + 30_000)
    offer = the_offer(pool.presence("anna"))
    assert (offer.contact_id, offer.reason.waited_ms) == ("con_1", 600_000)


def test_agents_who_are_freed_are_free_in_their_own_order() -> None:
    """Agents who finish up are released by the last of them, not each in turn."""
    pool = a_pool("anna", "bruno", queue=a_queue("orders", wrap_up_ms=30_000))
    for agent, number in (("anna", 1), ("bruno", 2)):
        pool.active(agent, number)
    pool.receive(3)
    pool.receive(4)
    pool.resolve("anna", "con_1")
    pool.at_ms += 10_000
    pool.resolve("bruno", "con_2")
    assert offered_to(pool.wait(20_000)) == {"con_3": "anna"}
    assert offered_to(pool.wait(10_000)) == {"con_4": "bruno"}


@pytest.mark.parametrize("busy", [False, True])
def test_many_queues_and_agents_cost_an_arrival_nothing(busy: bool) -> None:
    """Every conversation counts every agent's conversations in the database; forty thousand queues stall the routing."""
    few, many = (calls_of_an_arrival(size, busy=busy) for size in (20, 1_000))
    assert many <= few * 1.2


def calls_of_an_arrival(size: int, *, busy: bool) -> int:
    """How many calls one arrival takes in a pool of so many queues and agents; `busy`: who could take it has no room."""
    pool = Pool(
        queues=tuple(a_queue(f"q{number}", skills={f"s{number}": 1}) for number in range(size)),
        agents=tuple(an_agent(f"a{number}", skills={f"s{number}": 3}) for number in range(size)),
    )
    state = pool.state
    for number in range(size):
        step(state, a_set_presence(f"a{number}"), START_MS + number)
    # The first contact of a channel has a look at everybody.
    step(state, a_contact_received(1, queue="q7" if busy else "q8"), START_MS + size)
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    arrival = a_contact_received(2, queue="q7")
    sys.setprofile(count)
    try:
        facts = step(state, arrival, START_MS + size + 1)
    finally:
        sys.setprofile(None)
    assert kinds(facts) == (["ContactQueued", "WaitExpected"] if busy else ["ContactQueued", "OfferMade"])
    return calls
