"""How much an agent can have in hand at once, where that is more than a number on each channel."""

from __future__ import annotations

from typing import Any

from libs.common.events.pool import AgentConfiguration, ChannelConfiguration, RoutingRules
from libs.common.events.routing import ContactQueued, OfferWithdrawn
from libs.common.testing.builders import a_queue, an_agent
from services.router.core.desk import Desk
from services.router.core.entities import Agent, Presence
from services.router.core.room import RoomRules
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer

MANY = {"email": 9, "webchat": 9, "voice": 9}
CALLS = ChannelConfiguration(id="voice", units=100, excludes=("email", "webchat"), interrupts=("email",))


def a_pool_with(*channels: ChannelConfiguration, rules: RoutingRules | None = None, **agent: Any) -> Pool:
    """Anna, with room for nine contacts on each channel as far as that goes."""
    anna = an_agent("anna", **{"capacity": MANY, **agent})
    pool = a_pool(anna)
    pool.configure(queues=(a_queue("orders"),), agents=(anna,), channels=channels, rules=rules or RoutingRules())
    return pool


def offered(pool: Pool, *channels: str) -> list[bool]:
    """Whether contacts of these channels are offered as they arrive."""
    start = pool.state.arrivals + 1
    facts = [pool.receive(number, message_channel=channel) for number, channel in enumerate(channels, start)]
    return [bool(offered_to(found)) for found in facts]


def take(pool: Pool, channel: str) -> str:
    """Anna takes a contact of this channel; its id."""
    facts = pool.receive(pool.state.arrivals + 1, message_channel=channel)
    offer = the_offer(facts)
    pool.accept("anna", offer.offer_id)
    return offer.contact_id


def test_units_are_shared_by_all_channels() -> None:
    # given an agent with 100 units, mails of 30 and chats of 40
    pool = a_pool_with(
        ChannelConfiguration(id="email", units=30), ChannelConfiguration(id="webchat", units=40), units=100
    )
    # then she has room for 30 + 40 + 30, and for nothing more that uses units; a call uses none
    assert offered(pool, "email", "webchat", "webchat", "email", "email", "voice") == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


def test_the_number_on_a_channel_counts_besides_the_units() -> None:
    pool = a_pool_with(ChannelConfiguration(id="email", units=1), units=100, capacity={"email": 2})
    assert offered(pool, "email", "email", "email") == [True, True, False]


def test_without_units_of_his_own_an_agent_is_not_limited_by_them() -> None:
    pool = a_pool_with(ChannelConfiguration(id="email", units=100))
    assert offered(pool, *["email"] * 9, "email") == [True] * 9 + [False]


def test_units_that_come_free_are_used_in_the_same_step_by_another_channel() -> None:
    pool = a_pool_with(
        ChannelConfiguration(id="email", units=60), ChannelConfiguration(id="webchat", units=50), units=100
    )
    mail = take(pool, "email")
    assert offered(pool, "webchat") == [False]
    assert offered_to(pool.resolve("anna", mail)) == {"con_2": "anna"}


def test_channels_that_exclude_each_other_do_so_both_ways() -> None:
    # given chats that exclude mails
    pool = a_pool_with(ChannelConfiguration(id="webchat", excludes=("email",)))
    chat = take(pool, "webchat")
    # then during a chat no mail comes, though another chat does
    assert offered(pool, "email", "webchat") == [False, True]
    # and when all chats are over the mail comes, and keeps chats away
    pool.accept("anna", "off_3_2")
    pool.resolve("anna", chat)
    assert offered_to(pool.resolve("anna", "con_3")) == {"con_2": "anna"}
    assert offered(pool, "webchat") == [False]


def test_what_interrupts_comes_in_spite_of_exclusion_and_units() -> None:
    # given an agent whose units are used up by mails
    pool = a_pool_with(CALLS, ChannelConfiguration(id="email", units=50), units=100)
    mails = [take(pool, "email"), take(pool, "email")]
    assert offered(pool, "email") == [False]
    # when a call comes, then she gets it, and during it nothing else
    call = take(pool, "voice")
    for mail in mails:
        assert kinds(pool.resolve("anna", mail)) == ["ContactResolved"]
    assert offered(pool, "email", "voice", "webchat") == [False, False, False]
    # and afterwards both mails come in their order, and the call interrupts them at once; the chat waits for all of them
    assert offered_to(pool.resolve("anna", call)) == {"con_3": "anna", "con_5": "anna", "con_6": "anna"}


def test_what_does_not_interrupt_waits() -> None:
    # given a chat, which calls do not interrupt
    pool = a_pool_with(CALLS)
    take(pool, "webchat")
    assert offered(pool, "voice") == [False]


def test_an_open_offer_stays_when_something_interrupts_it() -> None:
    pool = a_pool_with(CALLS, ChannelConfiguration(id="email", units=50), units=100)
    mail = the_offer(pool.receive(1))
    call = the_offer(pool.receive(2, message_channel="voice"))
    assert kinds(pool.accept("anna", call.offer_id)) == ["ContactAssigned"]
    assert kinds(pool.accept("anna", mail.offer_id)) == ["ContactAssigned"]


def test_an_open_offer_goes_when_what_interrupts_something_else_takes_its_units() -> None:
    # given units for a mail and a chat, and calls, which mails keep no units from
    channels = (
        ChannelConfiguration(id="email", units=50),
        ChannelConfiguration(id="webchat", units=30),
        ChannelConfiguration(id="voice", units=50, interrupts=("email",)),
    )
    pool = a_pool_with(*channels, units=100)
    take(pool, "email")
    chat = the_offer(pool.receive(2, message_channel="webchat"))
    # when a call comes while the chat is not accepted yet
    facts = pool.receive(3, message_channel="voice")
    # then the call is offered, and the chat, for which there is no room any more, waits for somebody else, at once
    assert kinds(facts) == ["ContactQueued", "OfferMade", "OfferWithdrawn"]
    withdrawn = facts[-1]
    assert isinstance(withdrawn, OfferWithdrawn)
    assert (withdrawn.offer_id, withdrawn.cause) == (chat.offer_id, "capacity")


def test_a_limit_on_open_offers_lets_them_come_one_after_the_other() -> None:
    pool = a_pool_with(rules=RoutingRules(offers_open_max=1))
    assert offered(pool, "email", "email", "webchat") == [True, False, False]
    # when the first is taken, then the next comes at once
    facts = pool.accept("anna", "off_1_1")
    assert kinds(facts) == ["ContactAssigned", "OfferMade"]
    assert kinds(pool.reject("anna", the_offer(facts).offer_id)) == ["OfferRejected", "OfferMade"]


def test_new_limits_take_back_the_offers_that_they_leave_no_room_for() -> None:
    # given two mails offered
    pool = a_pool_with()
    offered(pool, "email", "email")
    anna = an_agent("anna", capacity=MANY, units=100)
    # when a mail costs more than half of what she has
    facts = pool.configure(
        queues=(a_queue("orders"),), agents=(anna,), channels=(ChannelConfiguration(id="email", units=60),)
    )
    # then the later one is taken back
    assert [(fact.contact_id, fact.cause) for fact in facts if isinstance(fact, OfferWithdrawn)] == [
        ("con_2", "capacity")
    ]


def test_the_channel_says_times_where_the_queue_does_not() -> None:
    channel = ChannelConfiguration(id="email", target_ms=7_000, offer_timeout_ms=9_000, wrap_up_ms=5_000)
    pool = a_pool(come=False)
    anna = an_agent("anna")
    pool.configure(queues=(a_queue("orders", target_ms=None),), agents=(anna,), channels=(channel,))
    pool.presence("anna")
    queued, offer = pool.receive(1)
    assert isinstance(queued, ContactQueued)
    assert (queued.due_ms - queued.received_ms, queued.offer_timeout_ms) == (7_000, 9_000)
    pool.accept("anna", the_offer([offer]).offer_id)
    assert kinds(pool.resolve("anna", "con_1")) == ["WrapUpStarted"]
    # and the queue goes before it
    mine = a_queue("orders", target_ms=1_000, offer_timeout_ms=2_000, wrap_up_ms=0)
    pool.configure(queues=(mine,), agents=(anna,), channels=(channel,))
    [queued] = pool.receive(2)
    assert isinstance(queued, ContactQueued)
    assert (queued.due_ms - queued.received_ms, queued.offer_timeout_ms) == (1_000, 2_000)


def a_desk(agent: AgentConfiguration, rules: RoomRules, **loads: int) -> Desk:
    known = Agent(agent.id, agent.skills, agent.capacity, Presence.AVAILABLE, 0, units=agent.units)
    desk = Desk(known, 0, 0, rules)
    desk.loads.update(loads)
    return desk


def test_loads_beyond_a_limit_leave_no_room_until_they_are_below_it() -> None:
    # given an agent who was given more than she has room for
    rules = RoomRules((ChannelConfiguration(id="email", units=50),), 0)
    anna = an_agent("anna", capacity={"email": 2}, units=100)
    # then there is none with three or with two, and there is with one
    room = [a_desk(anna, rules, email=count).has_room("email") for count in (4, 3, 2, 1)]
    assert room == [False, False, False, True]
    # and the shares are what they are
    assert [a_desk(anna, rules, email=count).share() for count in (4, 3, 1)] == [2_000_000, 1_500_000, 500_000]


def test_an_agent_without_any_room_who_has_something_has_a_share_all_the_same() -> None:
    nobody = an_agent("anna", capacity={"email": 0}, units=0)
    assert a_desk(nobody, RoomRules((ChannelConfiguration(id="email", units=1),), 0), email=1).share() == 1_000_000
