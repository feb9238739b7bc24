"""Who is offered what, and in which order."""

from __future__ import annotations

import pytest

from libs.common.events.routing import OfferMade, OfferReason
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer


def test_a_contact_is_offered_in_the_step_in_which_it_arrives() -> None:
    # given an agent who waits; when a customer writes
    pool = a_pool("anna")
    pool.at_ms = 2_000
    facts = pool.receive(1, message_occurred_ms=START_MS + 1_500)
    # then the offer is in the same facts, and says why
    assert facts[1] == OfferMade(
        pool=POOL,
        at_ms=START_MS + 2_000,
        offer_id="off_1_1",
        contact_id="con_1",
        agent_id="anna",
        expires_ms=START_MS + 22_000,
        reason=OfferReason(rank=1, waited_ms=500, strategy="longest_idle", candidates=1),
    )


def test_a_waiting_contact_is_offered_in_the_step_in_which_an_agent_comes() -> None:
    pool = a_pool("anna", come=False)
    pool.receive(1)
    assert offered_to(pool.presence("anna")) == {"con_1": "anna"}


def test_theme_1_the_oldest_waiting_contact_gets_the_freed_agent() -> None:
    # given an agent at work and three contacts waiting
    pool = a_pool("anna")
    pool.active("anna", 1)
    for number in (2, 3, 4):
        pool.at_ms += 10
        pool.receive(number)
    # when he is free, then each time the oldest comes, in the same step, also when a new one arrived meanwhile
    for number in (2, 3, 4):
        facts = pool.resolve("anna", f"con_{number - 1}")
        assert offered_to(facts) == {f"con_{number}": "anna"}
        pool.accept("anna", the_offer(facts).offer_id)


def test_theme_12_the_earliest_due_comes_first_whatever_the_order_of_arrival() -> None:
    # given contacts of different queues and priorities, and nobody at work
    pool = Pool(
        queues=(a_queue("slow", target_ms=600_000), a_queue("fast", target_ms=20_000)),
        agents=(an_agent("anna", capacity={"email": 9}),),
    )
    for number, queue, priority in ((1, "slow", 0), (2, "fast", 0), (3, "slow", 6), (4, "fast", -3), (5, "fast", 0)):
        pool.receive(number, queue=queue, priority=priority)
    # when an agent with room for all comes
    facts = pool.presence("anna")
    # then he gets them by due time: 3 (9.4 s), 2 and 5 (20 s, by arrival), 4 (160 s), 1 (600 s)
    assert list(offered_to(facts)) == ["con_3", "con_2", "con_5", "con_4", "con_1"]
    assert [fact.reason.rank for fact in facts if isinstance(fact, OfferMade)] == [1] * 5


def test_of_two_classes_of_contacts_the_earlier_due_is_served_first() -> None:
    # given contacts that ask for different skills, and one agent who has them all
    pool = a_pool(an_agent("anna", skills={"it": 5, "en": 5}), come=False)
    pool.receive(1, skills={"it": 2})
    pool.receive(2, skills={"en": 1}, priority=1)
    pool.receive(3)
    # when he comes and works, then it goes by due time across the skills
    order = []
    facts = pool.presence("anna")
    for _ in range(3):
        offer = the_offer(facts)
        order.append(offer.contact_id)
        pool.accept("anna", offer.offer_id)
        facts = pool.resolve("anna", offer.contact_id)
    assert order == ["con_2", "con_1", "con_3"]


@pytest.mark.parametrize(
    ("skills", "agent"),
    [({}, "anna"), ({"it": 1}, "bruno"), ({"it": 3}, "bruno"), ({"it": 4}, "carla"), ({"it": 3, "en": 2}, "carla")],
)
def test_an_agent_needs_every_skill_at_its_level(skills: dict[str, int], agent: str) -> None:
    pool = a_pool(
        an_agent("anna", skills={"en": 5}),
        an_agent("bruno", skills={"it": 3}),
        an_agent("carla", skills={"it": 5, "en": 2}),
    )
    assert offered_to(pool.receive(1, skills=skills)) == {"con_1": agent}


def test_a_skill_that_nobody_has_makes_a_contact_wait_and_nothing_else() -> None:
    # given a contact that nobody can take
    pool = a_pool(an_agent("anna", skills={"it": 2}))
    assert kinds(pool.receive(1, skills={"it": 3})) == ["ContactQueued"]
    assert kinds(pool.receive(2, skills={"klingon": 1})) == ["ContactQueued"]
    # then one behind it is not held up
    assert offered_to(pool.receive(3, skills={"it": 2})) == {"con_3": "anna"}


def test_theme_3_the_longest_idle_agent_comes_first() -> None:
    # given three agents who came one after the other
    pool = a_pool("anna", "bruno", "carla")
    # then contacts go round, and whoever was free first is the next
    first = [pool.active(agent, number) for number, agent in enumerate(("anna", "bruno", "carla"), 1)]
    for number, agent in ((2, "bruno"), (1, "anna"), (3, "carla")):
        pool.at_ms += 10
        pool.resolve(agent, first[number - 1])
    assert [the_offer(pool.receive(number)).agent_id for number in (4, 5, 6)] == ["bruno", "anna", "carla"]


def test_theme_3_an_agent_with_less_in_hand_comes_before_a_longer_idle_one() -> None:
    # given two agents with room for several mails, one of whom came earlier
    pool = a_pool(an_agent("anna", capacity={"email": 3}), an_agent("bruno", capacity={"email": 3}))
    # then mails are spread over both
    assert [the_offer(pool.receive(number)).agent_id for number in range(1, 7)] == ["anna", "bruno"] * 3


def test_equally_idle_agents_go_by_id() -> None:
    # given agents who came at the same millisecond, the last in the alphabet first
    pool = a_pool("anna", "bruno", "carla", come=False)
    for agent in ("carla", "bruno", "anna"):
        pool.presence(agent)
    assert [the_offer(pool.receive(number)).agent_id for number in (1, 2, 3)] == ["anna", "bruno", "carla"]


def test_capacity_is_per_channel_and_one_where_it_is_not_named() -> None:
    # given an agent with room for two mails
    pool = a_pool(an_agent("anna", capacity={"email": 2, "voice": 0}))
    # then he gets two mails, one chat, no call
    sent = [(1, "email"), (2, "email"), (3, "email"), (4, "webchat"), (5, "webchat"), (6, "voice")]
    offers = [offered_to(pool.receive(number, message_channel=channel)) for number, channel in sent]
    assert offers == [{"con_1": "anna"}, {"con_2": "anna"}, {}, {"con_4": "anna"}, {}, {}]


def test_theme_2_an_offer_takes_up_room_as_an_active_contact_does() -> None:
    # given an agent with room for one, and a burst of contacts
    pool = a_pool("anna")
    offers = [offered_to(pool.receive(number)) for number in range(1, 6)]
    # then he is offered one
    assert offers == [{"con_1": "anna"}, {}, {}, {}, {}]
    # and it stays one when he takes it
    assert kinds(pool.accept("anna", "off_1_1")) == ["ContactAssigned"]


@pytest.mark.parametrize("status", ["busy", "break", "offline"])
def test_only_available_agents_get_offers(status: str) -> None:
    pool = a_pool("anna")
    pool.presence("anna", status)
    assert kinds(pool.receive(1)) == ["ContactQueued"]


def test_theme_4_those_who_come_are_not_given_more_than_they_have_room_for() -> None:
    # given a backlog of fifty
    pool = a_pool(*(an_agent(agent, capacity={"email": 2}) for agent in ("anna", "bruno")), come=False)
    for number in range(1, 51):
        pool.receive(number)
    # when the agents come, then each gets two, the oldest ones
    assert offered_to(pool.presence("anna")) == {"con_1": "anna", "con_2": "anna"}
    assert offered_to(pool.presence("bruno")) == {"con_3": "bruno", "con_4": "bruno"}


def test_an_offer_says_who_was_passed_over_and_why() -> None:
    # given agents idle for longer than the one who fits: without the skill, without room
    pool = a_pool(
        an_agent("anna"),
        an_agent("bruno", skills={"it": 3}, capacity={"email": 0}),
        an_agent("carla", skills={"it": 3}),
        an_agent("dario", skills={"it": 3}),
    )
    # when a contact comes, then its reason names them
    reason = the_offer(pool.receive(1, skills={"it": 2})).reason
    assert reason.left_out == {"anna": "skill", "bruno": "no-room"}
    assert (reason.candidates, reason.candidates_more) == (2, False)


def test_a_reason_names_a_handful_only() -> None:
    pool = a_pool(*(f"agent{n:02d}" for n in range(20)), an_agent("zoe", skills={"it": 1}))
    assert len(the_offer(pool.receive(1, skills={"it": 1})).reason.left_out) == 5


def test_many_freed_agents_at_once_are_matched_in_the_order_of_rank() -> None:
    # given forty agents at rest and forty contacts of four kinds
    names = [f"agent{n:02d}" for n in range(40)]
    pool = Pool(agents=tuple(an_agent(name) for name in names))
    for number in range(40):
        pool.at_ms += 1
        pool.receive(number + 1, skills={f"s{number % 4}": 1})
    for name in names:
        assert kinds(pool.presence(name)) == ["PresenceChanged"]
    # when the configuration gives all of them all skills
    skills = {f"s{n}": 1 for n in range(4)}
    facts = pool.configure(queues=(a_queue("orders"),), agents=tuple(an_agent(name, skills=skills) for name in names))
    # then every contact is offered, the oldest first
    assert list(offered_to(facts)) == [f"con_{number + 1}" for number in range(40)]
