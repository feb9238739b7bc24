"""What becomes of an offer."""

from __future__ import annotations

import pytest

from libs.common.events.inputs import AcceptOffer, RejectOffer, TimeAdvanced
from libs.common.events.routing import (
    ContactAssigned,
    InputRefused,
    OfferExpired,
    OfferMade,
    OfferRejected,
    OfferWithdrawn,
)
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from tests.unit.router.pool import a_pool, kinds, offered_to, the_offer, the_refusal


def test_an_accepted_offer_assigns_the_contact() -> None:
    pool = a_pool("anna")
    pool.receive(1)
    pool.at_ms = 500
    assert pool.accept("anna", "off_1_1") == [
        ContactAssigned(
            pool=POOL,
            at_ms=START_MS + 500,
            command_id="cmd_2",
            contact_id="con_1",
            agent_id="anna",
            offer_id="off_1_1",
        )
    ]
    assert pool.deadline_ms() is None


def test_theme_17_two_agents_never_get_the_same_contact() -> None:
    # given a contact that was offered to one and taken
    pool = a_pool("anna", "bruno")
    pool.receive(1)
    assert the_refusal(pool.accept("bruno", "off_1_1")) == "not-your-offer"
    pool.accept("anna", "off_1_1")
    # then nobody else gets it, by whatever answer
    assert the_refusal(pool.accept("bruno", "off_1_1")) == "not-your-offer"
    assert the_refusal(pool.reject("bruno", "off_1_1")) == "not-your-offer"
    assert pool.state.contacts["con_1"].agent_id == "anna"


def test_a_second_accept_by_another_command_is_refused() -> None:
    pool = a_pool("anna")
    pool.receive(1)
    pool.accept("anna", "off_1_1")
    assert the_refusal(pool.accept("anna", "off_1_1")) == "offer-already-accepted"
    assert the_refusal(pool.reject("anna", "off_1_1")) == "offer-already-accepted"


@pytest.mark.parametrize("kind", [AcceptOffer, RejectOffer])
def test_the_same_command_again_does_nothing(kind: type) -> None:
    pool = a_pool("anna")
    pool.receive(1)
    assert len(pool.command(kind, "anna", command_id="cmd_x", offer_id="off_1_1")) == 1
    assert pool.command(kind, "anna", command_id="cmd_x", offer_id="off_1_1") == []


def test_a_refused_command_again_is_not_refused_twice() -> None:
    pool = a_pool("anna")
    assert the_refusal(pool.command(AcceptOffer, "anna", command_id="cmd_x", offer_id="off_9")) == "offer-unknown"
    assert pool.command(AcceptOffer, "anna", command_id="cmd_x", offer_id="off_9") == []


def test_theme_27_an_offer_that_is_not_answered_goes_to_the_next_agent() -> None:
    # given an offer to one of two agents
    pool = a_pool("anna", "bruno")
    pool.receive(1)
    assert pool.deadline_ms() == 20_002
    # when its time is up
    facts = pool.wait(20_000)
    # then it expires, and the next one is offered the contact in the same step
    assert facts[0] == OfferExpired(
        pool=POOL,
        at_ms=START_MS + 20_002,
        offer_id="off_1_1",
        contact_id="con_1",
        agent_id="anna",
        backoff_until_ms=START_MS + 80_002,
    )
    assert offered_to(facts) == {"con_1": "bruno"}
    assert the_offer(facts).reason.left_out == {"anna": "declined"}


def test_an_offer_does_not_run_out_early() -> None:
    pool = a_pool("anna")
    pool.receive(1)
    assert pool.wait(19_999) == []
    assert kinds(pool.wait(1)) == ["OfferExpired"]


@pytest.mark.parametrize("answer", ["accept", "reject"])
def test_an_answer_that_comes_when_the_time_is_up_is_refused(answer: str) -> None:
    # given an offer whose time is up, of which the router has not been told
    pool = a_pool("anna")
    pool.receive(1)
    pool.at_ms += 20_000
    # when the agent answers
    facts = pool.accept("anna", "off_1_1") if answer == "accept" else pool.reject("anna", "off_1_1")
    # then the offer expires first, and he is told so
    assert kinds(facts) == ["OfferExpired", "InputRefused"]
    assert isinstance(facts[1], InputRefused)
    assert facts[1].reason == "offer-expired"
    # and the same later
    assert the_refusal(pool.accept("anna", "off_1_1")) == "offer-expired"


def test_a_late_answer_long_after_is_to_an_unknown_offer() -> None:
    pool = a_pool("anna", "bruno")
    pool.receive(1)
    pool.reject("anna", "off_1_1")
    pool.at_ms += 2 * 3_600_000
    pool.presence("bruno", "break")
    assert the_refusal(pool.accept("anna", "off_1_1")) == "offer-unknown"


def test_a_declined_contact_keeps_its_place_and_goes_to_another() -> None:
    # given two contacts, the older of which is offered to one agent; another is at work
    pool = a_pool("anna", "bruno")
    pool.active("anna", 9)
    pool.receive(1)
    pool.receive(2)
    # when he declines
    facts = pool.reject("bruno", "off_1_2", reason="not mine")
    # then he gets the other one, and the declined one is the first for the next agent with room
    assert facts[0] == OfferRejected(
        pool=POOL,
        at_ms=START_MS + 2,
        command_id="cmd_4",
        offer_id="off_1_2",
        contact_id="con_1",
        agent_id="bruno",
        reason="not mine",
        backoff_until_ms=START_MS + 60_002,
    )
    assert offered_to(facts) == {"con_2": "bruno"}
    pool.receive(3)
    assert offered_to(pool.resolve("anna", "con_9")) == {"con_1": "anna"}


def test_a_contact_that_one_agent_alone_can_take_comes_back_to_him_but_never_at_once() -> None:
    # given one agent, who declines
    pool = a_pool("anna")
    pool.receive(1)
    waits = []
    for number in range(1, 14):
        assert kinds(pool.reject("anna", f"off_1_{number}")) == ["OfferRejected"]
        # when nothing else happens, then the router wakes when he may be asked again, later each time
        deadline_ms = pool.deadline_ms()
        assert deadline_ms is not None
        waits.append(deadline_ms - pool.at_ms)
        assert pool.wait(waits[-1] - 1) == []
        assert offered_to(pool.wait(1)) == {"con_1": "anna"}
    assert waits == [60_000 * min(number, 10) for number in range(1, 14)]


def test_an_agent_who_declined_gets_it_again_only_when_his_time_has_come_even_if_he_is_the_only_one_free() -> None:
    # given a contact that both agents declined, the second later
    pool = a_pool("anna", "bruno")
    pool.receive(1)
    pool.reject("anna", "off_1_1")
    pool.at_ms += 15_000
    assert kinds(pool.reject("bruno", "off_1_2")) == ["OfferRejected"]
    # then the first to decline is the first to be asked again
    assert pool.wait(44_999) == []
    assert offered_to(pool.wait(1)) == {"con_1": "anna"}


def test_a_declined_contact_does_not_hold_up_those_behind_it() -> None:
    pool = a_pool("anna")
    pool.receive(1)
    pool.receive(2)
    assert offered_to(pool.reject("anna", "off_1_1")) == {"con_2": "anna"}


def test_who_lets_an_offer_run_out_goes_to_the_end_of_the_line() -> None:
    # given the longest idle agent is not at his desk
    pool = a_pool("anna", "bruno", "carla")
    pool.receive(1)
    pool.wait(20_000)
    # when more contacts come, then they do not wait for him first, each in turn
    assert offered_to(pool.receive(2)) == {"con_2": "carla"}
    assert offered_to(pool.receive(3)) == {"con_3": "anna"}


@pytest.mark.parametrize("status", ["busy", "break", "offline"])
def test_who_is_no_longer_available_loses_his_offers_and_they_keep_their_place(status: str) -> None:
    # given two offers to one agent, and an older contact behind them for another channel
    pool = a_pool(an_agent("anna", capacity={"email": 2}), an_agent("bruno", capacity={"email": 2}), come=False)
    pool.presence("anna")
    pool.receive(1)
    pool.receive(2)
    # when he goes
    facts = pool.presence("anna", status)
    # then both are taken back
    assert kinds(facts) == ["PresenceChanged", "OfferWithdrawn", "OfferWithdrawn"]
    assert isinstance(facts[1], OfferWithdrawn)
    assert (facts[1].contact_id, facts[1].cause) == ("con_1", "presence")
    assert the_refusal(pool.accept("anna", "off_1_1")) == "offer-taken-back"
    # and wait in their place
    pool.receive(3)
    assert list(offered_to(pool.presence("bruno"))) == ["con_1", "con_2"]


def test_theme_27_a_change_of_presence_during_an_offer_makes_no_loop() -> None:
    # given an agent who is offered a contact and goes on a break and comes back, again and again
    pool = a_pool("anna")
    pool.receive(1)
    for _ in range(3):
        assert kinds(pool.presence("anna", "break")) == ["PresenceChanged", "OfferWithdrawn"]
        # then every offer is the answer to one wish of his, and nothing happens by itself
        assert kinds(pool.presence("anna")) == ["PresenceChanged"]
        # and the same contact comes again only after a moment, of itself
        assert kinds(pool.wait(5_000)) == ["OfferMade"]


def test_an_offer_of_no_time_at_all_still_leaves_a_second() -> None:
    pool = a_pool("anna", queue=a_queue("orders", offer_timeout_ms=0))
    offer = the_offer(pool.receive(1))
    assert offer.expires_ms - offer.at_ms == 1_000


def test_an_unknown_offer_and_an_unknown_agent_are_refused() -> None:
    pool = a_pool("anna")
    pool.receive(1)
    assert the_refusal(pool.accept("anna", "off_none")) == "offer-unknown"
    assert the_refusal(pool.accept("nobody", "off_1_1")) == "agent-unknown"
    assert the_refusal(pool.reject("nobody", "off_1_1")) == "agent-unknown"


def test_a_declined_offer_cannot_be_accepted_afterwards() -> None:
    pool = a_pool("anna")
    pool.receive(1)
    pool.reject("anna", "off_1_1")
    assert the_refusal(pool.accept("anna", "off_1_1")) == "offer-taken-back"


def test_offers_are_numbered_and_never_named_twice() -> None:
    pool = a_pool("anna", "bruno")
    pool.receive(1)
    pool.reject("anna", "off_1_1")
    pool.receive(2)
    pool.presence("anna", "break")
    pool.presence("anna")
    pool.wait(5_000)
    offers = [fact.offer_id for fact in pool.facts if isinstance(fact, OfferMade)]
    assert offers == ["off_1_1", "off_1_2", "off_2_3", "off_2_4"]


def test_an_input_with_an_earlier_time_is_decided_for_its_own_time() -> None:
    # given an agent in back-off until 60,002 and the contact offered to another; the time went by that without a fact
    pool = a_pool("anna", "bruno", queue=a_queue("orders", offer_timeout_ms=600_000))
    pool.receive(1)
    pool.reject("anna", "off_1_1")
    pool.at_ms = 60_500
    assert pool.wait(0) == []
    # when the other declines at a time before, as a log's new leader may have it
    pool.at_ms = 60_000
    facts = pool.reject("bruno", "off_1_2")
    # then the first is still in back-off: only so would a restarted router decide the same
    assert kinds(facts) == ["OfferRejected"]
    assert offered_to(pool.wait(2)) == {"con_1": "anna"}


def test_a_backoff_that_ended_without_effect_is_taken_back_when_the_time_falls() -> None:
    # given an agent at work who declined a contact until 60,001, and the time has gone by that without a fact
    pool = a_pool("anna")
    pool.receive(1)
    pool.reject("anna", "off_1_1")
    pool.active("anna", 2)
    pool.at_ms = 60_500
    assert pool.wait(0) == []
    # when inputs with an earlier time follow, one of them without effect, and he is free again
    pool.at_ms = 59_999
    assert pool.wait(0) == []
    assert kinds(pool.resolve("anna", "con_2")) == ["ContactResolved"]
    # then the contact is his only when its time has come
    assert pool.wait(1) == []
    assert offered_to(pool.wait(1)) == {"con_1": "anna"}


def test_a_backoff_that_ended_while_another_had_the_offer_no_longer_counts() -> None:
    # given a contact that one agent declined, offered to another for longer than the first is left alone
    pool = a_pool("anna", "bruno", queue=a_queue("orders", offer_timeout_ms=600_000))
    pool.receive(1)
    pool.reject("anna", "off_1_1")
    pool.at_ms = 70_000
    # when the other goes on a break, then the first is asked again in the same step
    assert offered_to(pool.presence("bruno", "break")) == {"con_1": "anna"}


def test_folding_for_long_does_not_pile_up_what_was_due() -> None:
    # given an agent who takes and finishes many contacts over a long time
    pool = a_pool("anna")
    for number in range(1, 101):
        pool.active("anna", number)
        pool.resolve("anna", f"con_{number}")
        pool.at_ms += 30_000
    # then neither the live state nor one that only folds keeps the times of offers that ended long ago
    assert len(pool.state.index.timers) <= 1
    assert len(pool.folded.index.timers) <= 1
    assert pool.deadline_ms() is None


def test_the_routers_own_clock_is_not_believed_far_ahead_of_the_log() -> None:
    # given an offer of ten minutes
    pool = a_pool("anna", queue=a_queue("orders", offer_timeout_ms=600_000))
    pool.receive(1)
    # when a router whose clock is hours ahead says that it has run out
    assert pool.give(TimeAdvanced(pool=POOL, now_ms=START_MS + 9_000_000)) == []
    # then the agent still has his time; a clock that is a little ahead is believed
    pool.at_ms += 560_000
    assert kinds(pool.give(TimeAdvanced(pool=POOL, now_ms=START_MS + 600_001))) == ["OfferExpired"]
