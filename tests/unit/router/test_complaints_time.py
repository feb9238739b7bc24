"""What users of other systems complain about when it comes to time: each promise once, on real hours in Rome.

Themes 4, 9, 12, 22, 24 and 27 of the complaints that this core was built against.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from libs.common.configuration.load import parse_configuration
from libs.common.configuration.opening import Opening, openings_of
from libs.common.events.inputs import AgentsSeen, ExtendCalendars, TransferContact
from libs.common.events.pool import Relaxation, RoutingRules
from libs.common.events.routing import (
    CalendarsExtended,
    CalendarTurned,
    ContactQueued,
    ContactRelaxed,
    OfferExpired,
    OfferMade,
    PoolFact,
    PresenceChanged,
)
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core.snapshot import freeze, restore, snapshot_chunks, state_equal
from services.router.core.step import next_deadline_ms
from services.router.pools import work_out_calendars
from tests.unit.router.pool import Pool, kinds, offered_to, the_offer

ROME = ZoneInfo("Europe/Rome")
HOURS = """\
calendars:
  shop: {hours: {mon-fri: ["09:00-13:00", "14:00-17:00"]}, holidays: IT, special: {"2026-12-24": ["09:00-12:00"]}}
  early: {hours: {mon-fri: ["09:00-12:00"]}}
pools: {care: {timezone: Europe/Rome, hours: shop}}
queues: {q: {pool: care}}
agents: {early: {name: E, pool: care, shift: early}}
"""
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def rome(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ROME).timestamp()) * 1000


def openings() -> dict[str, Opening]:
    return openings_of(parse_configuration(HOURS), "care")


def a_shop(at: str, *agents: str, **queue: Any) -> Pool:
    """A pool whose queue `orders` keeps the shop's hours, on a day in Rome; the agents are available."""
    pool = Pool()
    pool.at_ms = rome(at) - START_MS
    pool.configure(
        queues=(a_queue("orders", **{"hours": "shop", "target_ms": HOUR_MS, **queue}), a_queue("always")),
        agents=tuple(an_agent(agent, shift="early" if agent.startswith("early") else None) for agent in agents),
        calendars=work_out_calendars(openings(), rome(at)),
    )
    for agent in agents:
        pool.presence(agent)
        pool.at_ms += 1
    return pool


def until(pool: Pool, at: str) -> list[PoolFact]:
    """Time passes as the router's shell has it: from one deadline to the next, up to this moment."""
    facts: list[PoolFact] = []
    target_ms = rome(at) - START_MS
    while (deadline_ms := pool.deadline_ms()) is not None and deadline_ms <= target_ms:
        facts += pool.wait(deadline_ms - pool.at_ms)
    return facts + pool.wait(target_ms - pool.at_ms)


def turns(facts: list[PoolFact]) -> list[tuple[str, bool, int]]:
    return [(fact.calendar, fact.open, fact.since_ms) for fact in facts if isinstance(fact, CalendarTurned)]


# Theme 24: several periods a day, holidays, shifts; targets that stop outside hours


def test_lunch_splits_the_day() -> None:
    # given a contact that comes during lunch
    pool = a_shop("2026-10-02 13:05", "anna")
    assert kinds(pool.receive()) == ["ContactQueued"]
    # when the shop opens again
    facts = until(pool, "2026-10-02 14:00")
    # then it is offered in that very moment, after the calendar has turned
    assert kinds(facts) == ["CalendarTurned", "OfferMade"]
    assert the_offer(facts).at_ms == rome("2026-10-02 14:00")


def test_nothing_is_offered_on_a_holiday_nor_on_the_weekend_after_it() -> None:
    # given Easter Monday 2026, and the Sunday before it
    pool = a_shop("2026-04-05 11:00", "anna")
    pool.receive()
    # when time passes until Tuesday opens
    facts = until(pool, "2026-04-07 09:00")
    # then nothing has happened before
    assert turns(facts) == [
        ("early", True, rome("2026-04-06 09:00")),
        ("early", False, rome("2026-04-06 12:00")),
        ("early", True, rome("2026-04-07 09:00")),
        ("shop", True, rome("2026-04-07 09:00")),
    ]
    assert the_offer(facts).at_ms == rome("2026-04-07 09:00")


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2026-10-02 16:30", "2026-10-05 09:30"),  # Friday; Monday.
        ("2026-10-02 12:30", "2026-10-02 14:30"),  # Over lunch.
        ("2026-10-02 16:00", "2026-10-02 17:00"),  # To the minute.
        ("2026-10-02 08:00", "2026-10-02 10:00"),  # Before it opens.
        ("2026-10-03 12:00", "2026-10-05 10:00"),  # On Saturday.
        ("2026-03-27 16:30", "2026-03-30 09:30"),  # The clocks are put forward in between ...
        ("2026-10-23 16:30", "2026-10-26 09:30"),  # ... and back.
        ("2026-12-24 11:30", "2026-12-28 09:30"),  # Christmas Eve until noon, two holidays, a weekend.
    ],
)
def test_a_target_stops_outside_hours(at: str, due: str) -> None:
    [queued, *_] = a_shop(at, target_in_open_time=True).receive()
    assert isinstance(queued, ContactQueued)
    assert queued.due_ms == rome(due)


def test_a_target_goes_on_outside_hours_where_nobody_asked_for_anything_else() -> None:
    [queued, *_] = a_shop("2026-10-02 16:30").receive()
    assert isinstance(queued, ContactQueued)
    assert queued.due_ms == rome("2026-10-02 17:30")


def test_outside_the_shift_an_available_agent_is_offered_nothing_and_the_reason_says_so() -> None:
    # given at noon the early shift ends; eva of it came first
    pool = a_shop("2026-10-02 11:59", "early-eva", "anna")
    until(pool, "2026-10-02 12:00")
    # when a contact comes
    offer = the_offer(pool.receive())
    # then the other gets it, though eva has been idle for longer
    assert offer.agent_id == "anna"
    assert offer.reason.left_out == {"early-eva": "off-shift"}
    # and the next one waits for her shift of Monday morning
    assert kinds(pool.receive(2, queue="always")) == ["ContactQueued"]


def test_what_an_agent_has_in_hand_stays_when_the_shift_ends() -> None:
    pool = a_shop("2026-10-02 11:59", "early-eva")
    contact = pool.active("early-eva")
    before = dict(pool.state.contacts)
    facts = until(pool, "2026-10-02 12:00")
    assert kinds(facts) == ["CalendarTurned"]
    assert pool.state.contacts == before
    assert kinds(pool.resolve("early-eva", contact)) == ["ContactResolved"]


def test_a_shift_that_begins_brings_the_work_that_waits() -> None:
    pool = a_shop("2026-10-02 08:00", "early-eva")
    pool.receive(queue="always")
    facts = until(pool, "2026-10-02 09:00")
    assert offered_to(facts) == {"con_1": "early-eva"}


# Theme 9: presence flips by itself


def test_business_hours_never_touch_presence() -> None:
    # given agents in every presence
    pool = a_shop("2026-10-02 08:00", "anna", "bruno", "early-eva")
    pool.presence("bruno", "break")
    # when a fortnight of opening and closing passes
    facts = until(pool, "2026-10-16 08:00")
    # then nothing but calendars has turned, and everybody is as they were
    assert set(kinds(facts)) == {"CalendarTurned"}
    assert {agent.id: agent.presence.value for agent in pool.state.agents.values()} == {
        "anna": "available",
        "bruno": "break",
        "early-eva": "available",
    }


def test_an_offer_that_is_open_at_closing_time_may_still_be_accepted() -> None:
    pool = a_shop("2026-10-02 16:59", "anna", offer_timeout_ms=5 * MINUTE_MS)
    offer = the_offer(pool.receive())
    until(pool, "2026-10-02 17:01")
    assert kinds(pool.accept("anna", offer.offer_id)) == ["ContactAssigned"]


def test_one_that_runs_out_after_closing_time_waits_until_it_opens() -> None:
    pool = a_shop("2026-10-02 16:59", "anna", "bruno", offer_timeout_ms=5 * MINUTE_MS)
    pool.receive()
    facts = until(pool, "2026-10-05 08:59")
    assert [kind for kind in kinds(facts) if kind != "CalendarTurned"] == ["OfferExpired"]
    assert len(offered_to(until(pool, "2026-10-05 09:00"))) == 1


def test_closed_time_is_worked_in_where_the_queue_asks_for_it() -> None:
    pool = a_shop("2026-10-03 20:00", "anna", offer_when_closed=True)
    assert kinds(pool.receive()) == ["ContactQueued", "OfferMade"]


# Theme 12: the order is kept; theme 4: no flood when it opens


def test_opening_offers_the_night_in_the_order_of_due_and_within_capacity() -> None:
    # given contacts that came in the night, the last one of them most urgent
    pool = a_shop("2026-10-02 02:00", "anna", "bruno")
    for number in range(1, 5):
        pool.at_ms += MINUTE_MS
        pool.receive(number, priority=3 if number == 4 else 0)
    # when the shop opens
    facts = until(pool, "2026-10-02 09:00")
    # then two agents have the two that are due first, and no more than they have room for
    assert list(offered_to(facts)) == ["con_4", "con_1"]


def test_a_closed_queue_holds_up_no_other_one() -> None:
    pool = a_shop("2026-10-03 20:00", "anna")
    pool.receive(1)
    assert offered_to(pool.receive(2, queue="always")) == {"con_2": "anna"}


# Theme 22: the time is the log's; it is told late, and still what happened is right


def test_a_router_that_was_away_over_several_turns_says_when_each_happened() -> None:
    # given the router was down from before opening until after lunch
    pool = a_shop("2026-10-02 08:00", "anna")
    pool.receive()
    # when the next input comes at three
    facts = pool.wait(7 * HOUR_MS)
    # then the calendar has turned three times, each with its own time, and the contact is offered now
    assert turns(facts) == [
        ("early", True, rome("2026-10-02 09:00")),
        ("shop", True, rome("2026-10-02 09:00")),
        ("early", False, rome("2026-10-02 12:00")),
        ("shop", False, rome("2026-10-02 13:00")),
        ("shop", True, rome("2026-10-02 14:00")),
    ]
    assert the_offer(facts).at_ms == START_MS + pool.at_ms


@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
def test_the_shop_opens_by_the_clock_on_the_wall_after_the_clocks_changed(change: str) -> None:
    pool = a_shop(f"{change} 00:30", "anna")
    pool.receive()
    monday = datetime.fromisoformat(change).day + 1
    opens = f"{change[:-2]}{monday:02d} 09:00"
    assert the_offer(until(pool, opens)).at_ms == rome(opens)


# Theme 27: nobody answers


def test_an_unanswered_offer_goes_to_the_next_agent_not_to_one_off_shift() -> None:
    pool = a_shop("2026-10-02 12:30", "early-eva", "anna", "bruno")
    first = the_offer(pool.receive())
    facts = pool.wait(20_000)
    assert isinstance(facts[0], OfferExpired)
    assert {first.agent_id, the_offer(facts).agent_id} == {"anna", "bruno"}
    # when that one does not answer either
    facts = pool.wait(20_000)
    # then it does not go round in a circle, but waits until the first has been left alone with it for a minute
    assert kinds(facts) == ["OfferExpired"]
    assert offered_to(pool.wait(39_999)) == {}
    assert offered_to(pool.wait(1)) == {"con_1": first.agent_id}


# Themes 9 and 10: agents that vanish; nobody and nothing is stuck, and an outage signs nobody out


def a_watched_pool(*agents: str, **rules: Any) -> Pool:
    """A pool that looks for who has vanished for two minutes; the agents are available, and the agent API begins to tell."""
    pool = Pool()
    pool.configure(
        queues=(a_queue("orders"),),
        agents=tuple(an_agent(agent) for agent in agents),
        rules=RoutingRules(**{"vanish_after_ms": 2 * MINUTE_MS, **rules}),
    )
    for agent in agents:
        pool.presence(agent)
        pool.at_ms += 1
    pool.give(AgentsSeen(pool=POOL, agents=agents))
    return pool


def told(pool: Pool, minutes: float, *agents: str) -> list[PoolFact]:
    """The agent API tells every 15 seconds that these are there."""
    facts: list[PoolFact] = []
    for _ in range(int(minutes * 4)):
        pool.at_ms += 15_000
        facts += pool.give(AgentsSeen(pool=POOL, agents=agents))
    return facts


def changes(facts: list[PoolFact]) -> list[tuple[str, str, str]]:
    return [(fact.agent_id, fact.status, fact.cause) for fact in facts if isinstance(fact, PresenceChanged)]


def test_an_agent_who_vanishes_goes_offline_and_what_he_has_waits_again() -> None:
    # given anna works on a contact and is offered nothing else
    pool = a_watched_pool("anna", "bruno")
    contact = pool.active("anna")
    # when only bruno is heard of
    facts = told(pool, 2.5, "bruno")
    # then she is offline, and bruno is offered what she had
    assert changes(facts) == [("anna", "offline", "vanished")]
    assert offered_to(facts) == {contact: "bruno"}
    assert [kind for kind in kinds(facts) if kind != "PresenceConfirmed"][:3] == [
        "PresenceChanged",
        "ContactRequeued",
        "OfferMade",
    ]


def test_an_agent_who_is_heard_of_stays_however_idle() -> None:
    pool = a_watched_pool("anna", "bruno")
    facts = told(pool, 60, "anna", "bruno")
    assert set(kinds(facts)) == {"PresenceConfirmed"}
    # It is said once in half a minute, not every time.
    assert len(facts) <= 121


def test_the_last_of_all_agents_vanishes_too() -> None:
    pool = a_watched_pool("anna")
    assert changes(told(pool, 2.5)) == [("anna", "offline", "vanished")]


def test_one_who_was_never_heard_of_is_judged_by_his_last_command() -> None:
    # given anna came, and answered an offer a minute later
    pool = a_watched_pool("anna")
    told(pool, 1)
    contact = pool.active("anna")
    # then she is there for two minutes from then
    assert changes(told(pool, 1.75)) == []
    pool.resolve("anna", contact)
    assert changes(told(pool, 1.75)) == []
    assert changes(told(pool, 0.5)) == [("anna", "offline", "vanished")]


def test_an_outage_of_the_agent_api_signs_nobody_out() -> None:
    # given nobody told anything for an hour
    pool = a_watched_pool("anna", "bruno")
    assert pool.wait(HOUR_MS) == []
    # when it is back, and bruno's desktop is too
    facts = told(pool, 1, "bruno")
    assert changes(facts) == []
    # then anna has the time that she always has, from then
    assert changes(told(pool, 1.5, "bruno")) == [("anna", "offline", "vanished")]


def test_who_is_on_a_break_or_busy_may_close_the_laptop() -> None:
    pool = a_watched_pool("anna", "bruno")
    pool.presence("anna", "break")
    pool.presence("bruno", "busy")
    assert changes(told(pool, 30)) == []


def test_nobody_vanishes_where_the_pool_does_not_look() -> None:
    pool = a_watched_pool("anna", vanish_after_ms=0)
    assert told(pool, 30) == []


def test_whoever_begins_to_look_gives_everybody_their_time() -> None:
    pool = a_watched_pool("anna", vanish_after_ms=0)
    told(pool, 30)
    pool.configure(
        queues=(a_queue("orders"),), agents=(an_agent("anna"),), rules=RoutingRules(vanish_after_ms=2 * MINUTE_MS)
    )
    assert changes(told(pool, 1.75)) == []


def test_a_restart_forgets_nobody_and_makes_nobody_vanish() -> None:
    pool = a_watched_pool("anna", "bruno")
    told(pool, 1.5, "bruno")
    pool.state = restore(POOL, list(snapshot_chunks(freeze(pool.state), 1000)))
    assert changes(told(pool, 0.5, "bruno")) == [("anna", "offline", "vanished")]


# Calendars go on, through restarts and extensions


def test_extending_changes_nothing_but_how_far_is_known() -> None:
    pool = a_shop("2026-10-02 10:00", "anna")
    later = work_out_calendars(openings(), rome("2026-11-05 10:00"))
    until(pool, "2026-11-05 10:00")
    [extended] = pool.give(ExtendCalendars(pool=POOL, calendars=later))
    assert isinstance(extended, CalendarsExtended)
    assert pool.give(ExtendCalendars(pool=POOL, calendars=later)) == []
    assert turns(until(pool, "2026-12-24 13:00"))[-2:] == [
        ("early", False, rome("2026-12-24 12:00")),
        ("shop", False, rome("2026-12-24 12:00")),
    ]


def test_a_calendar_of_which_nothing_more_is_known_is_closed_until_more_is() -> None:
    pool = a_shop("2026-10-02 10:00", "anna")
    until(pool, "2027-01-15 10:00")
    assert kinds(pool.receive()) == ["ContactQueued"]
    assert next_deadline_ms(pool.state) is None
    facts = pool.give(ExtendCalendars(pool=POOL, calendars=work_out_calendars(openings(), rome("2027-01-15 10:00"))))
    assert kinds(facts) == ["CalendarsExtended", "CalendarTurned", "CalendarTurned", "OfferMade"]


def test_a_new_configuration_with_the_same_calendar_turns_nothing() -> None:
    pool = a_shop("2026-10-02 10:00", "anna")
    at = "2026-10-02 10:00"
    facts = pool.configure(
        queues=(a_queue("orders", hours="shop"),),
        agents=(an_agent("anna"),),
        calendars=work_out_calendars(openings(), rome(at)),
    )
    assert kinds(facts) == ["PoolConfigured"]


def test_a_queue_that_loses_its_hours_is_open_at_once() -> None:
    pool = a_shop("2026-10-03 20:00", "anna")
    pool.receive()
    facts = pool.configure(queues=(a_queue("orders"),), agents=(an_agent("anna"),))
    assert [type(fact) for fact in facts][-1] is OfferMade


def test_a_restart_in_the_night_still_opens_in_the_morning() -> None:
    pool = a_shop("2026-10-02 03:00", "anna", "early-eva")
    pool.receive()
    pool.state = restore(POOL, list(snapshot_chunks(freeze(pool.state), 1000)))
    assert state_equal(pool.state, pool.folded)
    assert offered_to(until(pool, "2026-10-02 09:00")) == {"con_1": "anna"}


def test_a_calendar_that_nobody_worked_out_closes_nothing() -> None:
    pool = Pool(queues=(a_queue("orders", hours="lost"),), agents=(an_agent("anna", shift="lost"),))
    pool.presence("anna")
    assert kinds(pool.receive()) == ["ContactQueued", "OfferMade"]


# Theme 12 again: who waits for long asks for less, and keeps the place


RELAX = (
    Relaxation(after_ms=30_000, drop=("lang.it",)),
    Relaxation(after_ms=60_000, lower={"orders": 1}),
    Relaxation(after_ms=90_000, widen="general"),
)


def a_relaxing_pool(*agents: tuple[str, dict[str, int]], **queue: Any) -> Pool:
    """A pool whose queue `orders` relaxes in three steps."""
    pool = Pool(
        queues=(
            a_queue("orders", **{"skills": {"orders": 3, "lang.it": 3}, "relax": RELAX, **queue}),
            a_queue("general", skills={"general": 2}),
        ),
        agents=tuple(an_agent(name, skills=skills) for name, skills in agents),
    )
    for name, _ in agents:
        pool.presence(name)
    return pool


def relaxed(facts: list[PoolFact]) -> list[tuple[int, dict[str, int], tuple[dict[str, int], ...]]]:
    return [(fact.step, fact.skills, fact.alternatives) for fact in facts if isinstance(fact, ContactRelaxed)]


def test_each_step_asks_for_less_and_is_written_down() -> None:
    pool = a_relaxing_pool()
    pool.receive()
    assert relaxed(pool.wait(29_999)) == []
    assert relaxed(pool.wait(1)) == [(1, {"orders": 3}, ())]
    assert relaxed(pool.wait(30_000)) == [(2, {"orders": 1}, ())]
    assert relaxed(pool.wait(30_000)) == [(3, {}, ({"general": 2}, {"orders": 1}))]
    assert pool.deadline_ms() is None


@pytest.mark.parametrize(
    ("skills", "after_ms"),
    [
        ({"orders": 3, "lang.it": 3}, 0),
        ({"orders": 3}, 30_000),
        ({"orders": 1}, 60_000),
        ({"general": 2}, 90_000),
    ],
)
def test_an_agent_gets_the_contact_in_the_moment_that_he_is_good_enough(skills: dict[str, int], after_ms: int) -> None:
    pool = a_relaxing_pool(("anna", skills))
    facts = pool.receive()
    while not offered_to(facts):
        deadline_ms = pool.deadline_ms()
        assert deadline_ms is not None
        facts = pool.wait(deadline_ms - pool.at_ms)
    assert pool.at_ms == after_ms


def test_the_place_is_kept_however_little_is_asked_for() -> None:
    # given two contacts, of which the first has been relaxed and the second has not
    pool = a_relaxing_pool(("anna", {"orders": 5, "lang.it": 5}))
    pool.presence("anna", "break")
    pool.receive(1)
    rank = pool.state.contacts["con_1"].rank
    pool.wait(30_001)
    pool.receive(2)
    pool.wait(30_000)
    assert (pool.state.contacts["con_1"].relaxed, pool.state.contacts["con_1"].rank) == (2, rank)
    # when somebody comes who can take both
    assert offered_to(pool.presence("anna")) == {"con_1": "anna"}


def test_a_contact_that_is_offered_is_not_relaxed_until_it_waits_again() -> None:
    # given an offer that stays open over the first two steps
    pool = a_relaxing_pool(("anna", {"orders": 3, "lang.it": 3}), offer_timeout_ms=70_000)
    pool.receive()
    assert pool.wait(69_999) == []
    # when it runs out
    facts = pool.wait(1)
    # then both are taken at once, in their order
    assert kinds(facts) == ["OfferExpired", "ContactRelaxed", "ContactRelaxed"]


def test_what_waits_through_the_night_is_not_relaxed_by_the_morning() -> None:
    # given a contact that comes after closing time
    pool = a_shop("2026-10-02 18:00", skills={"orders": 3}, relax=RELAX)
    pool.receive()
    # when the shop opens on Monday
    facts = until(pool, "2026-10-05 09:00")
    # then the steps are counted from there
    assert relaxed(facts) == []
    assert [step for step, _, _ in relaxed(pool.wait(30_000))] == [1]


def test_a_step_that_the_configuration_no_longer_has_is_not_taken() -> None:
    pool = a_relaxing_pool()
    pool.receive()
    pool.configure(queues=(a_queue("orders"),), agents=())
    assert pool.wait(HOUR_MS) == []
    pool.configure(queues=(a_queue("orders", relax=RELAX[:1]),), agents=())
    assert [step for step, _, _ in relaxed(pool.facts)] == [1]


def test_a_restart_between_two_steps_goes_on_with_the_next() -> None:
    pool = a_relaxing_pool(("anna", {"orders": 1}))
    pool.receive()
    pool.wait(30_000)
    pool.state = restore(POOL, list(snapshot_chunks(freeze(pool.state), 1000)))
    assert kinds(pool.wait(30_000)) == ["ContactRelaxed", "OfferMade"]


def test_a_supervisor_who_reads_the_facts_sees_every_step() -> None:
    """Folding the facts alone gives the same state: `Pool.give` compares the two after every input."""
    pool = a_relaxing_pool(("anna", {"general": 2}))
    pool.receive()
    pool.wait(HOUR_MS)
    assert [fact.step for fact in pool.facts if isinstance(fact, ContactRelaxed)] == [1, 2, 3]
    assert pool.state.contacts["con_1"].relaxed == 3


def test_a_contact_that_is_passed_on_begins_anew_with_the_steps_of_its_new_queue() -> None:
    # given a contact that was relaxed twice, and came to anna
    pool = a_relaxing_pool(("anna", {"orders": 1, "general": 2}))
    pool.receive(queue="general")
    [offer] = pool.state.offers.values()
    pool.accept("anna", offer.id)
    pool.wait(HOUR_MS)
    # when she passes it on to the queue that relaxes
    pool.command(TransferContact, "anna", contact_id="con_1", queue="orders")
    # then it is a while until it asks for less
    assert relaxed(pool.wait(29_999)) == []
    assert [step for step, _, _ in relaxed(pool.wait(1))] == [1]


def test_who_vanished_while_offers_ran_out_does_not_keep_what_he_had() -> None:
    # given anna has a contact, is gone, and lets offers run out until she counts as not responding
    pool = a_watched_pool("anna", not_responding_after=1)
    contact = pool.active("anna")
    pool.receive(2, message_channel="sms")
    facts = told(pool, 1)
    assert changes(facts) == [("anna", "not_responding", "not-responding")]
    # then what she has waits again when her time is over
    facts = told(pool, 1.5)
    assert changes(facts) == [("anna", "offline", "vanished")]
    assert pool.state.contacts[contact].state == "queued"
