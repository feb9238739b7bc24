"""Letting a queue run empty: where its contacts go, and what comes of those that wait in it."""

from __future__ import annotations

import pytest

from libs.common.events.inputs import ChangeContact
from libs.common.events.pool import Overflow, QueueConfiguration, Relaxation
from libs.common.events.routing import (
    ContactMoved,
    ContactQueued,
    ContactTransferred,
    DrainLifted,
    OfferRejected,
    PoolFact,
    QueueDrained,
)
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core.explain import explain_waiting
from services.router.core.invariants import check
from services.router.core.model import PoolState
from services.router.core.snapshot import freeze, restore, snapshot_chunks, state_equal
from services.router.core.step import apply, settle
from services.router.core.transitions import IllegalFactError
from tests.unit.router.pool import Pool, kinds, offered_to, the_offer, the_refusal


def a_house(*queues: QueueConfiguration) -> Pool:
    """Three queues and two agents, one of whom speaks Italian; nobody is there yet."""
    given = queues or (
        a_queue("general"),
        a_queue("orders"),
        a_queue("billing", skills={"it": 3}, offer_timeout_ms=5_000),
    )
    return Pool(queues=given, agents=(an_agent("anna"), an_agent("bruno", skills={"it": 5})))


def where(facts: list[PoolFact]) -> tuple[str, str | None]:
    """Where a new contact waits, and which queue was asked for, where that is another one."""
    queued = facts[0]
    assert isinstance(queued, ContactQueued)
    return queued.queue, queued.queue_asked


def test_what_waits_is_moved_in_its_order_and_keeps_its_place() -> None:
    # given two contacts in a queue, the later one of which is due earlier, and one elsewhere
    pool = a_house()
    pool.receive(1, queue="orders", skills={"en": 2})
    pool.at_ms += 1_000
    pool.receive(2, queue="orders", priority=5)
    pool.receive(3, queue="general")
    before = {contact.id: contact.rank for contact in pool.state.contacts.values()}
    # when the queue is drained to another
    facts = pool.drain("orders", "billing")
    # then they go there one by one, the first first, and ask for what that queue asks for on top of their own
    now_ms = START_MS + pool.at_ms
    assert facts == [
        QueueDrained(pool=POOL, at_ms=now_ms, command_id="cmd_1", queue="orders", by="marta", to_queue="billing"),
        ContactMoved(
            pool=POOL,
            at_ms=now_ms,
            contact_id="con_2",
            queue="billing",
            cause="drain",
            skills={"it": 3},
            offer_timeout_ms=5_000,
        ),
        ContactMoved(
            pool=POOL,
            at_ms=now_ms,
            contact_id="con_1",
            queue="billing",
            cause="drain",
            skills={"en": 2, "it": 3},
            offer_timeout_ms=5_000,
        ),
    ]
    assert {contact.id: contact.rank for contact in pool.state.contacts.values()} == before
    # and new ones go there too, and say what was asked for
    assert where(pool.receive(4, queue="orders")) == ("billing", "orders")
    assert where(pool.receive(5, queue="general")) == ("general", None)


def test_settling_may_stop_between_any_two_who_are_moved() -> None:
    # given ten who wait
    pool = a_house()
    for number in range(10):
        pool.receive(number + 1, queue="orders")
    source = freeze(pool.state)
    expected = pool.drain("orders", "general")[1:]
    # when the router stops after each fact and goes on as another process
    other = restore(POOL, snapshot_chunks(source, 1_000))
    apply(other, pool.facts[-11])
    moved: list[PoolFact] = []
    while facts := settle(other, START_MS, 1):
        moved += facts
        other = restored(other)
    # then the same comes of it
    assert moved == expected
    assert state_equal(other, pool.state)


def restored(state: PoolState) -> PoolState:
    """As after a restart."""
    return restore(POOL, snapshot_chunks(freeze(state), 1_000))


def test_who_has_a_contact_of_the_queue_keeps_it_and_an_offer_stays_open() -> None:
    # given one contact with an agent, and one that is offered
    pool = a_house()
    pool.presence("anna")
    pool.active("anna", 1, queue="orders")
    pool.presence("bruno")
    offer = the_offer(pool.receive(2, queue="orders"))
    # when the queue is drained
    assert kinds(pool.drain("orders", "billing")) == ["QueueDrained"]
    # then both stay where they are until they wait again
    assert pool.state.contacts["con_1"].queue == "orders"
    rejected, moved = pool.reject("bruno", offer.offer_id)
    assert isinstance(rejected, OfferRejected)
    assert isinstance(moved, ContactMoved)
    assert moved.contact_id == "con_2"
    assert kinds(pool.resolve("anna", "con_1")) == ["ContactResolved"]


def test_without_another_queue_what_waits_is_worked_off_and_nothing_new_comes() -> None:
    # given a contact that waits
    pool = a_house()
    pool.receive(1, queue="orders")
    # when the queue is drained to none
    assert kinds(pool.drain("orders")) == ["QueueDrained"]
    # then it is still offered, and the explanation says how the queue stands
    assert explain_waiting(pool.state, "con_1", START_MS).drained
    assert offered_to(pool.presence("anna")) == {"con_1": "anna"}
    # and new ones go to the pool's first queue
    assert where(pool.receive(2, queue="orders")) == ("general", "orders")
    # and nobody puts one there by hand
    offer = the_offer(pool.presence("bruno"))
    pool.accept("bruno", offer.offer_id)
    assert the_refusal(pool.transfer("bruno", "con_2", queue="orders")) == "queue-drained"
    assert the_refusal(pool.supervise(ChangeContact, "con_2", queue="orders")) == "queue-drained"


def test_the_first_queue_can_be_drained_as_well() -> None:
    pool = a_house()
    pool.drain("general")
    assert where(pool.receive(1, queue="general")) == ("orders", "general")
    assert where(pool.receive(2, queue="no such queue")) == ("orders", "no such queue")
    pool.drain("orders", "billing")
    assert where(pool.receive(3, queue="general")) == ("billing", "general")


def test_it_ends_by_lifting() -> None:
    # given a queue that was drained
    pool = a_house()
    pool.receive(1, queue="orders")
    pool.drain("orders", "billing")
    # when that is lifted
    facts = pool.drain("orders", lift=True)
    # then new ones go there again, and who was moved stays where he is
    assert facts == [DrainLifted(pool=POOL, at_ms=START_MS, command_id="cmd_2", queue="orders", by="marta")]
    assert where(pool.receive(2, queue="orders")) == ("orders", None)
    assert pool.state.contacts["con_1"].queue == "billing"
    assert the_refusal(pool.drain("orders", lift=True)) == "queue-not-drained"


def test_a_drain_can_be_turned_elsewhere() -> None:
    pool = a_house()
    pool.receive(1, queue="orders")
    assert kinds(pool.drain("orders")) == ["QueueDrained"]
    assert kinds(pool.drain("orders", "general")) == ["QueueDrained", "ContactMoved"]
    assert kinds(pool.drain("orders", "billing")) == ["QueueDrained"]
    assert where(pool.receive(2, queue="orders")) == ("billing", "orders")


def test_contacts_can_neither_go_round_nor_nowhere() -> None:
    pool = a_house()
    pool.drain("orders", "billing")
    assert the_refusal(pool.drain("general", "general")) == "drain-to-itself"
    assert the_refusal(pool.drain("general", "orders")) == "drain-to-drained"
    assert the_refusal(pool.drain("billing", "general")) == "drain-target"
    assert the_refusal(pool.drain("billing")) == "drain-target"
    assert the_refusal(pool.drain("general", "nowhere")) == "queue-unknown"
    assert the_refusal(pool.drain("nowhere")) == "queue-unknown"
    assert the_refusal(pool.drain("nowhere", lift=True)) == "queue-unknown"
    pool.drain("orders")
    pool.drain("general")
    assert the_refusal(pool.drain("billing")) == "drain-without-target"


def test_a_new_configuration_keeps_what_it_leaves_possible() -> None:
    # given one queue that is drained to another, and one to none
    pool = a_house()
    pool.drain("orders", "billing")
    pool.drain("general")
    agents = (an_agent("anna"),)
    # when the configuration changes and keeps them
    pool.configure(queues=(a_queue("general"), a_queue("billing"), a_queue("orders")), agents=agents)
    # then they are drained as before
    assert where(pool.receive(1, queue="orders")) == ("billing", "orders")
    assert where(pool.receive(2, queue="general")) == ("billing", "general")
    # and where the other queue goes, what waits is worked off; a queue that comes back takes contacts
    pool.configure(queues=(a_queue("orders"), a_queue("returns")), agents=agents)
    assert pool.state.drains == {"orders": None}
    assert where(pool.receive(3, queue="orders")) == ("returns", "orders")
    pool.configure(queues=(a_queue("returns"), a_queue("billing")), agents=agents)
    pool.configure(queues=(a_queue("orders"), a_queue("billing")), agents=agents)
    assert where(pool.receive(4, queue="orders")) == ("orders", None)


def test_where_every_queue_is_drained_after_all_contacts_are_not_lost() -> None:
    pool = a_house()
    pool.drain("orders")
    pool.configure(queues=(a_queue("orders"),), agents=())
    assert where(pool.receive(1, queue="orders")) == ("orders", None)


def test_what_is_passed_on_into_a_drained_queue_goes_where_that_is_drained_to() -> None:
    pool = a_house()
    pool.presence("anna")
    pool.active("anna", 1, queue="general")
    pool.drain("orders", "billing")
    transferred, moved = pool.transfer("anna", "con_1", queue="orders")
    assert isinstance(transferred, ContactTransferred)
    assert isinstance(moved, ContactMoved)
    assert (moved.queue, moved.skills) == ("billing", {"it": 3})


def test_who_comes_to_another_queue_asks_for_less_as_that_one_says() -> None:
    # given a contact that asked for less already
    pool = a_house(
        a_queue("orders", skills={"it": 4}, relax=(Relaxation(after_ms=1_000, drop=("it",)),)),
        a_queue("billing", skills={"it": 5}, relax=(Relaxation(after_ms=2_000, lower={"it": 1}),)),
    )
    pool.receive(1, queue="orders")
    assert kinds(pool.wait(1_000)) == ["ContactRelaxed"]
    # when it is moved
    [_, moved] = pool.drain("orders", "billing")
    # then it asks for what the other queue asks for, and the time counts anew
    assert isinstance(moved, ContactMoved)
    assert (moved.skills, moved.relax_ms) == ({"it": 5}, START_MS + pool.at_ms + 2_000)
    assert kinds(pool.wait(2_000)) == ["ContactRelaxed"]


def test_facts_that_cannot_follow_change_nothing() -> None:
    pool = a_house()
    pool.drain("orders", "billing")
    before = freeze(pool.state)
    for fact in (
        QueueDrained(pool=POOL, at_ms=START_MS, queue="nowhere", by="marta"),
        QueueDrained(pool=POOL, at_ms=START_MS, queue="general", by="marta", to_queue="orders"),
        QueueDrained(pool=POOL, at_ms=START_MS, queue="billing", by="marta"),
        DrainLifted(pool=POOL, at_ms=START_MS, queue="general", by="marta"),
    ):
        with pytest.raises(IllegalFactError):
            apply(pool.state, fact)
    assert freeze(pool.state) == before


def test_who_is_drained_back_is_told_there_like_anybody_and_does_not_overflow_again() -> None:
    # given a contact that went on from a queue in which it had waited for too long
    on = Overflow(when="waited", at_least=60_000, to="queue", target="general")
    rules = (Overflow(when="waiting", at_least=1, to="message", text={"en": "We are busy."}), on)
    pool = Pool(queues=(a_queue("orders", overflow=rules), a_queue("general")))
    pool.receive(1)
    pool.receive(2)
    assert kinds(pool.wait(60_000)) == ["ContactMoved", "ContactMoved"]
    pool.receive(3)
    state = restore(POOL, snapshot_chunks(freeze(pool.state), 1000))
    # when a supervisor has both back, while somebody waits there
    facts = pool.drain("general", "orders")
    assert kinds(facts) == ["QueueDrained", "ContactMoved", "CustomerNotice", "ContactMoved", "CustomerNotice"]
    for fact in facts:
        apply(state, fact)
        check(state)
    # then they wait there for good
    pool.drain("general", lift=True)
    [moved] = pool.wait(60_000)
    assert isinstance(moved, ContactMoved)
    assert moved.contact_id == "con_3"
    assert pool.state.contacts["con_1"].queue == "orders"
    # and no fact can have it otherwise
    back = ContactMoved(
        pool=POOL,
        at_ms=pool.state.now_ms,
        contact_id="con_1",
        queue="general",
        cause="overflow",
        skills={},
        offer_timeout_ms=20_000,
    )
    with pytest.raises(IllegalFactError, match="by overflow"):
        apply(pool.state, back)
