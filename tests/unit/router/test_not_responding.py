"""Agents who let offers run out one after the other, and contacts that too many agents decline."""

from __future__ import annotations

import pytest

from libs.common.events.pool import RoutingRules
from libs.common.events.routing import ContactFlagged, OfferWithdrawn, PresenceChanged
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core.snapshot import freeze, restore, snapshot_chunks
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer, the_refusal

OFFER_MS = 20_000
MANY = {"email": 9}


def miss(pool: Pool, times: int) -> list[object]:
    """Offers run out, as many times; what followed the last time."""
    facts: list[object] = []
    for _ in range(times):
        facts = list(pool.wait(OFFER_MS))
    return facts


def with_rules(rules: RoutingRules, *agents: str) -> Pool:
    configured = tuple(an_agent(agent) for agent in agents)
    pool = a_pool(*configured)
    pool.configure(queues=(a_queue("orders"),), agents=configured, rules=rules)
    return pool


def test_theme_27_who_lets_three_offers_in_a_row_run_out_is_not_responding() -> None:
    # given an agent who looks away, and three customers
    pool = a_pool("anna")
    for number in (1, 2, 3):
        pool.receive(number)
    assert kinds(pool.wait(OFFER_MS)) == ["OfferExpired", "OfferMade"]
    assert kinds(pool.wait(OFFER_MS)) == ["OfferExpired", "OfferMade"]
    # when the third offer runs out
    _, changed = pool.wait(OFFER_MS)
    # then he is held to be away, and is offered nothing any more
    assert changed == PresenceChanged(
        pool=POOL, at_ms=START_MS + pool.at_ms, agent_id="anna", status="not_responding", cause="not-responding"
    )
    assert kinds(pool.receive(4)) == ["ContactQueued"]
    assert pool.wait(700_000) == []


def test_theme_10_he_is_back_as_soon_as_he_says_so_and_counts_from_the_beginning() -> None:
    pool = a_pool("anna")
    for number in range(1, 7):
        pool.receive(number)
    miss(pool, 3)
    # when he says that he is there, then he is offered what waits at once, and has three more
    assert kinds(pool.presence("anna")) == ["PresenceChanged", "OfferMade"]
    miss(pool, 2)
    assert pool.state.agents["anna"].presence == "available"
    miss(pool, 1)
    assert pool.state.agents["anna"].presence == "not_responding"


@pytest.mark.parametrize("answer", ["accept", "reject"])
def test_any_answer_begins_the_count_anew(answer: str) -> None:
    # given an agent who let two offers run out and answers the third
    pool = a_pool("anna")
    for number in range(1, 8):
        pool.receive(number)
    pool.wait(OFFER_MS)
    offer = the_offer(pool.wait(OFFER_MS))
    if answer == "accept":
        pool.accept("anna", offer.offer_id)
        assert the_offer(pool.resolve("anna", offer.contact_id))
    else:
        assert the_offer(pool.reject("anna", offer.offer_id))
    # then two more are not too many
    miss(pool, 2)
    assert pool.state.agents["anna"].presence == "available"


def test_what_he_has_in_hand_stays_his_and_open_offers_go_to_others() -> None:
    # given an agent with a conversation and several offers, and one who comes later
    agents = (an_agent("anna", capacity=MANY), an_agent("bruno", capacity=MANY))
    pool = a_pool(*agents)
    pool.presence("bruno", "break")
    pool.active("anna", 1)
    for number in (2, 3, 4):
        pool.receive(number)
    pool.at_ms += 10_000
    pool.receive(5)
    pool.presence("bruno")
    # when three run out at once
    facts = pool.wait(OFFER_MS - 10_000)
    # then the fourth is taken back, everything is offered to the other one, and the conversation goes on
    assert kinds(facts[:5]) == ["OfferExpired"] * 3 + ["PresenceChanged", "OfferWithdrawn"]
    assert offered_to(facts) == dict.fromkeys(("con_2", "con_3", "con_4", "con_5"), "bruno")
    assert kinds(pool.resolve("anna", "con_1")) == ["ContactResolved"]


def test_how_many_is_configured_and_nobody_is_away_with_zero() -> None:
    pool = with_rules(RoutingRules(not_responding_after=1), "anna")
    pool.receive(1)
    assert kinds(pool.wait(OFFER_MS)) == ["OfferExpired", "PresenceChanged"]
    never = with_rules(RoutingRules(not_responding_after=0), "anna")
    for number in range(1, 10):
        never.receive(number)
    miss(never, 9)
    assert never.state.agents["anna"].presence == "available"


def test_a_stricter_rule_acts_at_once() -> None:
    pool = a_pool("anna")
    pool.receive(1)
    pool.receive(2)
    miss(pool, 2)
    facts = pool.configure(
        queues=(a_queue("orders"),), agents=(an_agent("anna"),), rules=RoutingRules(not_responding_after=2)
    )
    assert kinds(facts) == ["PoolConfigured", "PresenceChanged"]


def test_nobody_can_ask_to_be_not_responding() -> None:
    assert the_refusal(a_pool("anna").presence("anna", "not_responding")) == "presence-unknown"


def test_theme_27_who_leaves_during_an_offer_is_left_alone_with_that_contact_for_a_moment() -> None:
    # given an agent who is offered a contact, and leaves and comes back at once
    pool = a_pool("anna")
    pool.receive(1)
    _, withdrawn = pool.presence("anna", "break")
    assert isinstance(withdrawn, OfferWithdrawn)
    assert withdrawn.backoff_until_ms == START_MS + pool.at_ms + 5_000
    # then he is not offered it again in that moment, while another one comes at once
    assert kinds(pool.presence("anna")) == ["PresenceChanged"]
    assert offered_to(pool.receive(2)) == {"con_2": "anna"}
    pool.accept("anna", "off_2_2")
    pool.resolve("anna", "con_2")
    # and a moment later he is; leaving was no decline
    assert pool.wait(4_999) == []
    offer = the_offer(pool.wait(1))
    assert offer.contact_id == "con_1"
    pool.reject("anna", offer.offer_id)
    assert pool.wait(59_999) == []
    assert offered_to(pool.wait(1)) == {"con_1": "anna"}


def test_a_contact_that_three_agents_declined_is_flagged_once() -> None:
    # given a contact that nobody wants
    pool = a_pool("anna", "bruno", "carla", "dario")
    facts = pool.receive(1)
    found = []
    for _ in range(4):
        offer = the_offer(facts)
        facts = pool.reject(offer.agent_id, offer.offer_id)
        found.append(kinds(facts))
    # then somebody is told when the third declines, before it is offered to the fourth, and not again
    assert found == [
        ["OfferRejected", "OfferMade"],
        ["OfferRejected", "OfferMade"],
        ["OfferRejected", "ContactFlagged", "OfferMade"],
        ["OfferRejected"],
    ]
    [flagged] = [fact for fact in pool.facts if isinstance(fact, ContactFlagged)]
    assert (flagged.contact_id, flagged.reason, flagged.agents) == ("con_1", "declined", 3)
    assert restore(POOL, snapshot_chunks(freeze(pool.state), 100)).contacts["con_1"].flagged


def test_one_agent_who_declines_again_and_again_is_one() -> None:
    pool = a_pool("anna")
    offer = the_offer(pool.receive(1))
    for minutes in range(1, 5):
        pool.reject("anna", offer.offer_id)
        offer = the_offer(pool.wait(minutes * 60_000))
    assert not pool.state.contacts["con_1"].flagged


def test_leaving_is_no_decline() -> None:
    pool = with_rules(RoutingRules(flag_after_declines=1), "anna")
    pool.receive(1)
    assert kinds(pool.presence("anna", "break")) == ["PresenceChanged", "OfferWithdrawn"]


def test_a_stricter_rule_flags_what_waits_at_once_and_what_is_offered_when_it_waits_again() -> None:
    # given two contacts that one agent each declined, one of them offered to somebody else
    pool = a_pool("anna")
    for number in (1, 2):
        pool.reject("anna", the_offer(pool.receive(number)).offer_id)
    agents = (an_agent("anna"), an_agent("bruno"))
    pool.configure(queues=(a_queue("orders"),), agents=agents)
    assert offered_to(pool.presence("bruno")) == {"con_1": "bruno"}
    # when one is enough
    facts = pool.configure(queues=(a_queue("orders"),), agents=agents, rules=RoutingRules(flag_after_declines=1))
    # then somebody is told of the one at once, of the other when it waits again
    assert [fact.contact_id for fact in facts if isinstance(fact, ContactFlagged)] == ["con_2"]
    assert kinds(pool.reject("bruno", "off_1_3"))[:2] == ["OfferRejected", "ContactFlagged"]


def test_a_flagged_contact_that_is_kept_for_an_agent_is_not_flagged_again() -> None:
    pool = with_rules(RoutingRules(flag_after_declines=1), "anna", "bruno")
    pool.active("anna", 9)
    pool.presence("anna", "break")
    offer = the_offer(pool.receive(1, preferred_agent="bruno"))
    assert kinds(pool.reject("bruno", offer.offer_id)) == ["OfferRejected", "ContactFlagged"]
    pool.presence("bruno", "break")
    assert kinds(pool.presence("bruno")) == ["PresenceChanged"]
