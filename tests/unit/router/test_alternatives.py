"""Contacts that ask for one of several sets of skills."""

from __future__ import annotations

import pytest

from libs.common.events.routing import ContactQueued, OfferWithdrawn
from libs.common.testing.builders import a_queue, an_agent
from services.router.core import limits, policies
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer, the_refusal

ITALIAN_OR_ENGLISH = ({"it": 3}, {"en": 4})


@pytest.mark.parametrize(
    ("skills", "fits"),
    [({"it": 3}, True), ({"en": 4}, True), ({"it": 2, "en": 3}, False), ({}, False), ({"it": 5, "en": 5}, True)],
)
def test_one_alternative_is_enough_and_it_must_be_met_wholly(skills: dict[str, int], fits: bool) -> None:
    pool = a_pool(an_agent("anna", skills=skills), queue=a_queue("orders", any_of=ITALIAN_OR_ENGLISH))
    assert (offered_to(pool.receive(1)) == {"con_1": "anna"}) is fits


def test_what_is_asked_for_in_any_case_must_be_met_besides() -> None:
    pool = a_pool(
        an_agent("anna", skills={"it": 3}),
        an_agent("bruno", skills={"it": 3, "orders": 2}),
        queue=a_queue("orders", skills={"orders": 2}, any_of=ITALIAN_OR_ENGLISH),
    )
    assert offered_to(pool.receive(1)) == {"con_1": "bruno"}


def test_the_queues_alternatives_and_the_inputs_are_multiplied_out() -> None:
    pool = a_pool(come=False, queue=a_queue("orders", skills={"orders": 1}, any_of=ITALIAN_OR_ENGLISH))
    [queued] = pool.receive(1, skills={"vip": 1}, any_of=({"orders": 3}, {"billing": 2, "it": 5}))
    assert isinstance(queued, ContactQueued)
    assert queued.skills == {"orders": 1, "vip": 1}
    assert (
        queued.alternatives
        == (
            {"billing": 2, "en": 4, "it": 5, "orders": 1, "vip": 1},
            {"billing": 2, "it": 5, "orders": 1, "vip": 1},
            {"en": 4, "orders": 3, "vip": 1},
            {"it": 3, "orders": 3, "vip": 1},
        )[1:]
    )


def test_what_adds_nobody_is_left_out_and_one_that_is_left_is_no_alternative() -> None:
    queue = a_queue("orders", any_of=({"it": 2}, {"it": 4, "en": 1}, {"it": 2}))
    assert policies.asked_needs(queue, {}, ()) == ({"it": 2}, ())
    assert policies.asked_needs(a_queue("orders", any_of=({}, {"it": 4})), {"en": 1}, ()) == ({"en": 1}, ())


def test_alternatives_are_limited() -> None:
    # given as many of the queue and of the input as one can say
    queue = a_queue("orders", any_of=tuple({f"a{number}": 1} for number in range(8)))
    asked = tuple({f"b{number}": 9} for number in range(100))
    _, alternatives = policies.asked_needs(queue, {}, asked)
    assert len(alternatives) == limits.ALTERNATIVES_MAX
    assert all(set(alternative.values()) == {1, 5} for alternative in alternatives)
    # and a configuration with more is refused whole
    many = tuple({f"a{number}": 1} for number in range(limits.ANY_OF_MAX + 1))
    assert the_refusal(a_pool().configure(queues=(a_queue("orders", any_of=many),), agents=())) == "limit-reached"


def test_a_freed_agent_finds_what_he_fits_by_any_alternative_in_the_order_of_due_times() -> None:
    # given contacts that wait for Italian or English, for one of them, and for anybody
    pool = a_pool(an_agent("anna", skills={"en": 4}), come=False)
    pool.receive(1, any_of=ITALIAN_OR_ENGLISH)
    pool.receive(2, skills={"it": 1}, priority=5)
    pool.receive(3, skills={"en": 2}, priority=1)
    pool.receive(4)
    # when one with English comes, then she gets those that she fits, the earliest due first
    order = []
    facts = pool.presence("anna")
    for _ in range(3):
        offer = the_offer(facts)
        order.append(offer.contact_id)
        pool.accept("anna", offer.offer_id)
        facts = pool.resolve("anna", offer.contact_id)
    assert (order, offered_to(facts)) == (["con_3", "con_1", "con_4"], {})


def test_an_alternative_that_nobody_fits_does_no_harm() -> None:
    pool = a_pool(an_agent("anna", skills={"en": 4}))
    assert offered_to(pool.receive(1, any_of=({"klingon": 1}, {"en": 1}))) == {"con_1": "anna"}
    assert kinds(pool.receive(2, any_of=({"klingon": 1}, {"quenya": 1}))) == ["ContactQueued"]


def test_an_offer_stays_while_its_agent_fits_by_another_alternative() -> None:
    # given an agent who fits by both alternatives
    queue = a_queue("orders", any_of=ITALIAN_OR_ENGLISH)
    pool = Pool(queues=(queue,), agents=(an_agent("anna", skills={"it": 3, "en": 4}),))
    pool.presence("anna")
    pool.receive(1)
    # when she loses the one, then the offer stays, and with the other it goes
    assert kinds(pool.configure(queues=(queue,), agents=(an_agent("anna", skills={"en": 4}),))) == ["PoolConfigured"]
    facts = pool.configure(queues=(queue,), agents=(an_agent("anna"),))
    assert [fact.cause for fact in facts if isinstance(fact, OfferWithdrawn)] == ["configuration"]


def test_contacts_with_the_same_alternatives_in_another_order_wait_together() -> None:
    pool = a_pool(come=False)
    pool.receive(1, any_of=ITALIAN_OR_ENGLISH)
    pool.receive(2, any_of=tuple(reversed(ITALIAN_OR_ENGLISH)))
    assert len(pool.state.index.waiting.classes) == 1
