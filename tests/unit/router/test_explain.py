"""Why: what an explanation says of offers and of contacts that wait."""

from __future__ import annotations

from libs.common.events.pool import Relaxation
from libs.common.events.routing import OfferMade
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core import explain
from services.router.core.explain import Blocker, NextRelaxation, Obstacle, explain_offer, explain_waiting
from services.router.core.model import new_state
from services.router.core.step import apply
from tests.unit.router.pool import Pool, a_pool, the_offer


def before(pool: Pool, offer: OfferMade) -> explain.OfferExplanation:
    """The explanation of an offer that the pool has made, from the state before it."""
    state = new_state(POOL)
    for fact in pool.facts:
        if fact == offer:
            return explain_offer(state, offer)
        apply(state, fact)
    raise AssertionError("the pool has made no such offer")


def test_an_offer_is_explained_by_its_candidates_and_by_who_was_left_out() -> None:
    pool = a_pool(
        an_agent("anna", skills={"orders": 4}),
        an_agent("bruno", skills={"orders": 4}),
        an_agent("carla", skills={"orders": 1}),
        an_agent("dario"),
        an_agent("elena", skills={"orders": 5}),
        queue=a_queue("orders", skills={"orders": 2}),
    )
    pool.presence("elena", "break")
    pool.at_ms = 5_000
    facts = pool.receive(1, message_received_ms=START_MS + 1_000)

    told = before(pool, the_offer(facts))

    assert [(agent.agent_id, agent.place) for agent in told.standing.candidates] == [("anna", 1), ("bruno", 2)]
    assert {agent.agent_id: agent.blockers for agent in told.standing.left_out} == {
        "carla": (Blocker(obstacle=Obstacle.LEVEL, subject="orders", asked=2, has=1),),
        "dario": (Blocker(obstacle=Obstacle.SKILL, subject="orders", asked=2, has=0),),
        "elena": (Blocker(obstacle=Obstacle.PRESENCE, subject="break"),),
    }
    assert told.standing.obstacles == {"level": 1, "presence": 1, "skill": 1}
    assert (told.agent_id, told.waited_ms, told.skills, told.overtaken) == ("anna", 4_000, {"orders": 2}, 0)
    assert told.policy_version == "v1"
    assert told.due_ms == START_MS + 61_000


def test_an_offer_tells_how_many_with_an_earlier_place_nobody_could_take() -> None:
    pool = a_pool(an_agent("anna", skills={"it": 3}))
    pool.receive(1, skills={"en": 2})
    pool.receive(2, skills={"de": 2})
    assert before(pool, the_offer(pool.receive(3, skills={"it": 1}))).overtaken == 2


def test_a_waiting_contact_is_told_what_would_help() -> None:
    pool = a_pool(
        an_agent("anna", skills={"orders": 4}),
        an_agent("bruno", skills={"orders": 1}),
        an_agent("carla"),
        queue=a_queue("orders", skills={"orders": 2}),
    )
    pool.active("anna", 1)
    pool.presence("carla", "break")
    pool.receive(2)
    pool.at_ms += 10_000
    pool.receive(3)

    told = explain_waiting(pool.state, "con_3", START_MS + pool.at_ms + 500)

    assert told.standing.candidates == ()
    assert told.would_help == {
        "anna": Blocker(obstacle=Obstacle.CAPACITY, subject="email", asked=1, has=1),
        "bruno": Blocker(obstacle=Obstacle.LEVEL, subject="orders", asked=2, has=1),
    }
    assert [blocker.obstacle for blocker in told.standing.left_out[-1].blockers] == [Obstacle.PRESENCE, Obstacle.SKILL]
    assert (told.ahead_in_queue, told.ahead_in_pool, told.waited_ms) == (1, 1, 500)


def test_who_declined_is_left_out_until_he_is_asked_again() -> None:
    pool = a_pool("anna")
    offer = the_offer(pool.receive())
    pool.reject("anna", offer.offer_id)
    until_ms = START_MS + pool.at_ms + 60_000
    told = explain_waiting(pool.state, offer.contact_id, START_MS + pool.at_ms)
    assert told.would_help == {"anna": Blocker(obstacle=Obstacle.DECLINED, until_ms=until_ms)}


def test_a_large_pool_is_counted_and_not_listed() -> None:
    pool = a_pool(
        *(an_agent(f"able-{number:03}", skills={"orders": 3}) for number in range(explain.CANDIDATES_SHOWN_MAX + 1)),
        *(an_agent(f"other-{number:03}") for number in range(explain.LEFT_OUT_SHOWN_MAX + 1)),
        queue=a_queue("orders", skills={"orders": 2}),
    )
    standing = before(pool, the_offer(pool.receive())).standing
    assert len(standing.candidates) == explain.CANDIDATES_SHOWN_MAX
    assert standing.candidates_total == explain.CANDIDATES_SHOWN_MAX + 1
    assert len(standing.left_out) == explain.LEFT_OUT_SHOWN_MAX
    assert standing.left_out_total == standing.obstacles["skill"] == explain.LEFT_OUT_SHOWN_MAX + 1


def test_a_contact_that_asks_for_less_in_time_is_told_when_and_what_and_an_offer_says_how_often_it_did() -> None:
    # given a queue that asks for Italian at first, and then lets people of another queue help
    pool = a_pool(
        an_agent("anna", skills={"orders": 3}),
        queue=a_queue(
            "orders",
            skills={"orders": 2, "it": 3},
            relax=(Relaxation(after_ms=30_000, lower={"it": 1}), Relaxation(after_ms=60_000, drop=("it",))),
        ),
    )
    pool.receive(1)

    begin_ms = pool.state.contacts["con_1"].received_ms

    # when it waits
    told = explain_waiting(pool.state, "con_1", begin_ms)
    pool.wait(30_001)
    later = explain_waiting(pool.state, "con_1", begin_ms + 30_000)
    offered = before(pool, the_offer(pool.wait(30_000)))

    # then each time it is said what comes next
    assert (told.relaxed, told.skills) == (0, {"it": 3, "orders": 2})
    assert told.relaxation == NextRelaxation(at_ms=begin_ms + 30_000, step=1, skills={"it": 1, "orders": 2})
    assert (later.relaxed, later.skills) == (1, {"it": 1, "orders": 2})
    assert later.relaxation == NextRelaxation(at_ms=begin_ms + 60_000, step=2, skills={"orders": 2})
    assert (offered.relaxed, offered.skills) == (2, {"orders": 2})


def test_of_several_ways_to_fit_all_are_told() -> None:
    pool = a_pool(an_agent("anna"), queue=a_queue("orders", any_of=({"it": 3}, {"en": 4})))
    pool.receive(1)

    told = explain_waiting(pool.state, "con_1", START_MS)

    assert (told.skills, told.any_of) == ({}, ({"en": 4}, {"it": 3}))
    assert told.would_help["anna"].subject in {"it", "en"}


def test_room_that_nobody_can_make_free_is_told_from_room_that_is_taken() -> None:
    pool = a_pool(an_agent("anna", capacity={"email": 0}), an_agent("bruno", capacity={"email": 1}))
    pool.active("bruno", 1)
    pool.receive(2)

    told = explain_waiting(pool.state, "con_2", START_MS)

    assert {agent: blocker.can_pass for agent, blocker in told.would_help.items()} == {"anna": False, "bruno": True}
