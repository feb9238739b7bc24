"""Staffing keeps what is promised with as few people as it can, and agrees with the formulas where there are any."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec
import pytest

from libs.common.configuration import parse_configuration
from libs.common.events.inputs import ConfigurePool
from libs.common.events.pool import AgentConfiguration, ChannelConfiguration, QueueConfiguration
from libs.common.events.routing import PoolConfigured
from libs.common.testing.builders import POOL, START_MS, a_contact_assigned, a_contact_queued, a_contact_resolved
from services.router.simulator import theory
from services.router.simulator.crews import find_crews, try_crews
from services.router.simulator.demand import Demand, Kind, NoDemandError, Period, recording_demand, scenario_demand
from services.router.simulator.distributions import Distribution, Exponential, Fixed
from services.router.simulator.journal import Journal
from services.router.simulator.recording import Recording
from services.router.simulator.scenario import Promise, parse_scenario
from services.router.simulator.staffing import UnkeepableError, achieve, alone_need, staff
from services.router.simulator.staffing_document import as_json, render_page, render_text

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS


def a_kind(queue: str = "orders", **fields: object) -> Kind:
    plain: dict[str, object] = {
        "queue": queue,
        "channel": "voice",
        "skills": {},
        "priority": None,
        "handling": Exponential(4.0 * MINUTE_MS),
        "wrap_up": Fixed(0),
        "answer": Fixed(0),
        "patience": None,
        "share": 0.8,
        "within_ms": 20_000,
    }
    return Kind(**{**plain, **fields})  # type: ignore[arg-type]  # the defaults are of the right types


def a_demand(
    kinds: Sequence[Kind], per_hour: Sequence[Sequence[float]], agents: Mapping[str, Mapping[str, int]]
) -> Demand:
    """Queues ask for the skill of their name where somebody has it."""
    queues = tuple(
        QueueConfiguration(id=kind.queue, skills={kind.queue: 1}, target_ms=kind.within_ms) for kind in kinds
    )
    people = tuple(AgentConfiguration(id=name, name=name, skills=dict(skills)) for name, skills in agents.items())
    periods = [
        Period(
            day="", begin=f"{9 + hour:02}:00", end=f"{10 + hour:02}:00", rates=tuple(rate / HOUR_MS for rate in rates)
        )
        for hour, rates in enumerate(per_hour)
    ]
    configured = ConfigurePool(pool=POOL, version="1", queues=queues, agents=people)
    return Demand(configured=configured, kinds=kinds, periods=periods)


@pytest.mark.parametrize("patience", [None, Exponential(3.0 * MINUTE_MS)])
def test_by_itself_it_is_the_fewest_people_who_keep_it(patience: Distribution | None) -> None:
    # given 120 contacts an hour of four minutes: a load of 8
    kind, rate = a_kind(patience=patience), 120 / HOUR_MS

    need = alone_need(kind, rate, 1)

    assert achieve(kind, rate, need.people).within >= 0.8 > achieve(kind, rate, need.people - 1).within
    assert need.people == (11 if patience is None else 10)


def test_who_has_room_for_several_counts_for_several() -> None:
    kind, rate = a_kind(), 120 / HOUR_MS

    assert alone_need(kind, rate, 3).people == -(-alone_need(kind, rate, 1).people // 3)


def test_answering_offers_takes_time_too() -> None:
    # given agents who take as long to answer as the customer may wait
    assert alone_need(a_kind(answer=Fixed(15_000)), 120 / HOUR_MS, 1).people > 11
    with pytest.raises(UnkeepableError):
        alone_need(a_kind(answer=Fixed(25_000)), 120 / HOUR_MS, 1)


def test_the_simulation_finds_what_the_formula_says() -> None:
    # given one queue and one kind of people
    demand = a_demand([a_kind()], [[120.0]], {"anna": {"orders": 3}})

    found = staff(demand, 1, lambda share: None)

    assert abs(found.needs[0].crews[0] - 11) <= 1
    assert (found.needs[0].kept[0] or 0) >= 0.8
    curve = dict(found.curves[0])
    assert curve[11] == pytest.approx(theory.answered_within_c(11, 120 / HOUR_MS, 4.0 * MINUTE_MS, 20_000))


def test_people_who_share_skills_are_fewer_than_separate_teams() -> None:
    # given two queues, specialists and all-rounders
    kinds = [a_kind("orders"), a_kind("general")]
    agents = {"anna": {"orders": 1}, "bruno": {"general": 1}, "carla": {"orders": 1, "general": 1}}
    told: list[float] = []
    found = staff(a_demand(kinds, [[40.0, 40.0], [40.0, 40.0], [40.0, 0.0]], agents), 1, told.append)

    # then, and the second hour is like the first
    assert [crew.name for crew in found.crews] == ["general", "orders", "general + orders"] or [
        crew.name for crew in found.crews
    ] == ["general", "orders", "orders + general"]
    first, second, third = found.needs
    assert sum(first.crews) < sum(one.people for one in first.alone if one is not None)
    assert all(share is not None and share >= 0.8 for share in first.kept)
    assert first.crews == second.crews
    assert third.alone[1] is None
    assert third.kept[1] is None
    assert told[-1] == 1.0

    # and nobody can be spared
    for place, count in enumerate(first.crews):
        if count:
            fewer = [other - (place == index) for index, other in enumerate(first.crews)]
            shares = try_crews(found.demand, first.period, found.crews, fewer, 1)
            assert any(share is not None and share < 0.8 for share in shares)


def test_people_who_may_take_nothing_are_no_crew() -> None:
    demand = a_demand([a_kind()], [[10.0]], {"anna": {"orders": 1}, "bruno": {}, "carla": {"orders": 1}})

    assert [(crew.name, crew.skills) for crew in find_crews(demand)] == [("orders", {"orders": 1})]


def test_a_queue_that_nobody_may_take_is_told() -> None:
    demand = a_demand([a_kind()], [[10.0]], {"anna": {}})

    with pytest.raises(UnkeepableError, match="nobody in the configuration may take orders on voice"):
        staff(demand, 1, lambda share: None)


def test_who_leaves_when_not_answered_in_the_same_moment_is_lost_as_erlang_b_says() -> None:
    # given a load of 8 that waits for nothing
    achieved = achieve(a_kind(patience=Fixed(0)), 120 / HOUR_MS, 10)

    # then
    lost = theory.erlang_b(10, 8.0)
    assert achieved.within == pytest.approx(1 - lost)
    assert achieved.occupancy == pytest.approx(8.0 * (1 - lost) / 10)
    # and nobody gets an answer whom it takes a second to take on
    assert achieve(a_kind(patience=Fixed(0), answer=Fixed(1_000)), 120 / HOUR_MS, 10).within == 0.0


@pytest.mark.parametrize(
    ("answer", "patience", "words"),
    [
        (Fixed(21_000), None, "only 0% of offers are answered that soon"),
        (Exponential(20_000.0), None, "of offers are answered that soon"),
        (Fixed(10_000), Fixed(9_000), "cannot be kept"),
    ],
    ids=["answered too late", "often answered too late", "gone before the answer"],
)
def test_what_no_number_of_people_can_keep_is_told_at_once(
    answer: Distribution, patience: Distribution | None, words: str
) -> None:
    demand = a_demand([a_kind(answer=answer, patience=patience)], [[20.0]], {"anna": {"orders": 1}})

    with pytest.raises(UnkeepableError, match=words):
        staff(demand, 1, lambda share: None)


def test_people_whose_units_are_used_up_have_room_for_no_more() -> None:
    # given people with room for five calls, and units for two
    plain = a_demand([a_kind()], [[60.0]], {})
    people = (
        AgentConfiguration(id="anna", name="Anna", skills={"orders": 1}, capacity={"voice": 5}, units=100),
        AgentConfiguration(id="bruno", name="Bruno", skills={"orders": 1}, capacity={"voice": 5}, units=10),
    )
    configured = msgspec.structs.replace(
        plain.configured, agents=people, channels=(ChannelConfiguration(id="voice", units=50),)
    )

    found = staff(replace(plain, configured=configured), 1, lambda share: None)

    # then each counts for two, and who has too few units for one is not counted on
    assert [crew.units for crew in found.crews] == [100]
    assert found.needs[0].alone[0] == alone_need(a_kind(), 60 / HOUR_MS, 2)
    assert abs(found.needs[0].crews[0] - alone_need(a_kind(), 60 / HOUR_MS, 2).people) <= 1


def test_no_fewer_people_of_any_mix_would_do() -> None:
    # given two queues of unequal load, specialists, and all-rounders who have both
    kinds = [a_kind("orders", handling=Exponential(3.0 * MINUTE_MS)), a_kind("general", share=0.9, within_ms=30_000)]
    agents = {"anna": {"orders": 1}, "bruno": {"general": 1}, "carla": {"orders": 1, "general": 1}}
    found = staff(a_demand(kinds, [[16.0, 9.0]], agents), 1, lambda share: None)
    (need,) = found.needs

    # when every mix of one person fewer is tried
    fewer = sum(need.crews) - 1
    mixes = [(one, two, fewer - one - two) for one in range(fewer + 1) for two in range(fewer + 1 - one)]
    kept = [
        mix
        for mix in mixes
        if all(
            share is not None and share >= kind.share
            for kind, share in zip(kinds, try_crews(found.demand, need.period, found.crews, mix, 1), strict=True)
        )
    ]

    # then none keeps what is promised
    assert kept == []


CONFIGURATION: Final = """
pools: {care: {timezone: Europe/Rome}}
queues: {general: {pool: care, target: 60s, wrap_up: 30s}}
rules: [{queue: general}]
agents: {anna: {name: Anna, pool: care}}
"""
SCENARIO: Final = """
configuration: centralino.yaml
start: 2026-03-02
days: 2
interval: 1h
contacts:
  - queue: general
    channel: voice
    per_hour: {"09:30-11:00": 20}
    handling: {exponential: 3m}
    wrap_up: {fixed: 45s}
answers: {after: {fixed: 5s}}
promises: {general: {share: 0.9, within: 30s}}
"""


def test_a_scenario_says_who_comes_when_and_what_is_promised() -> None:
    demand = scenario_demand(parse_scenario(SCENARIO), parse_configuration(CONFIGURATION))

    # then an hour of which half has contacts has half the rate, and of the wrap-up no more is used than there is
    rates = [(period.label, round(period.rates[0] * HOUR_MS, 6)) for period in demand.periods]
    assert rates[:2] == [("Mon 02 Mar 09:00", 10.0), ("Mon 02 Mar 10:00", 20.0)]
    assert len(rates) == 4
    kind = demand.kinds[0]
    assert (kind.share, kind.within_ms) == (0.9, 30_000)
    assert kind.busy_ms == pytest.approx(180_000 + 30_000 + 5_000)


def test_a_scenario_without_contacts_needs_nobody() -> None:
    with pytest.raises(NoDemandError):
        scenario_demand(parse_scenario(SCENARIO.replace(": 20}", ": 0}")), parse_configuration(CONFIGURATION))


def test_a_recording_says_how_an_average_day_is() -> None:
    # given three contacts within an hour on one day and one on the next, each in somebody's hands for a minute
    recording = Recording(pool=POOL, from_ms=0, to_ms=2**60, end_ms=2**60, journal=Journal())
    queues = (QueueConfiguration(id="orders", target_ms=30_000),)
    recording.note(PoolConfigured(pool=POOL, at_ms=0, version="1", queues=queues, agents=()))
    day_ms = START_MS // (24 * HOUR_MS) * 24 * HOUR_MS
    for number, at_ms in enumerate((0, 10, 20, 24 * 60), start=1):
        received_ms = day_ms + at_ms * MINUTE_MS
        contact = f"con_{number}"
        recording.note(a_contact_queued(number, contact_id=contact, received_ms=received_ms, at_ms=received_ms))
        recording.note(a_contact_assigned(contact, at_ms=received_ms))
        recording.note(a_contact_resolved(contact, at_ms=received_ms + MINUTE_MS))

    # when
    demand = recording_demand(
        recording,
        recording.newest_configuration(),
        interval_ms=HOUR_MS,
        zone=zoneinfo.ZoneInfo("UTC"),
        promise=Promise(share=0.7),
    )

    # then
    assert [(period.begin, round(period.rates[0] * HOUR_MS, 6)) for period in demand.periods] == [("00:00", 2.0)]
    kind = demand.kinds[0]
    assert (kind.queue, kind.busy_ms, kind.within_ms, kind.share) == ("orders", 60_000, 30_000, 0.7)


def test_what_recorded_contacts_ask_for_beyond_their_queue_needs_people_who_have_it() -> None:
    # given contacts of one queue, of which some ask for a language that one of two speaks
    recording = Recording(pool=POOL, from_ms=0, to_ms=2**60, end_ms=2**60, journal=Journal())
    queue = QueueConfiguration(id="orders", skills={"orders": 1}, target_ms=60_000)
    people = (
        AgentConfiguration(id="anna", name="Anna", skills={"orders": 1, "it": 3}),
        AgentConfiguration(id="bruno", name="Bruno", skills={"orders": 1}),
    )
    recording.note(PoolConfigured(pool=POOL, at_ms=START_MS, version="1", queues=(queue,), agents=people))
    for number in range(1, 9):
        asked = {"it": 2, "orders": 1} if number % 2 else {}
        recording.note(a_contact_queued(number, contact_id=f"con_{number}", queue="orders", asked=asked))
        recording.note(a_contact_assigned(f"con_{number}", "anna"))
        recording.note(a_contact_resolved(f"con_{number}", "anna", at_ms=START_MS + 60_000))

    demand = recording_demand(
        recording,
        recording.newest_configuration(),
        interval_ms=HOUR_MS,
        zone=zoneinfo.ZoneInfo("UTC"),
        promise=Promise(share=0.8),
    )

    # then they are a kind of their own, which not everybody may take
    assert [(kind.queue, kind.skills) for kind in demand.kinds] == [("orders", {}), ("orders", {"it": 2})]
    assert [crew.takes for crew in find_crews(demand)] == [frozenset({0}), frozenset({0, 1})]
    text = render_text("Staffing", staff(demand, 1, lambda share: None))
    assert "orders, email, it 2" in text


def test_text_page_and_json_say_the_same() -> None:
    demand = a_demand([a_kind()], [[30.0], [30.0], [60.0]], {"anna": {"orders": 3}})
    found = staff(demand, 1, lambda share: None)

    text, page, document = render_text("T", found), render_page("T", found), as_json(found)

    # then intervals of the same demand are told as one
    assert "09:00-11:00" in text
    assert "11:00-12:00" in text
    assert "09:00-11:00" in page
    assert page.count("<svg") == 3
    assert [interval["from"] for interval in document["intervals"]] == ["09:00", "10:00", "11:00"]
    assert document["intervals"][2]["skills"] == {"orders": found.needs[2].crews[0]}
