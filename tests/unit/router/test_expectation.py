"""How long those who wait will probably wait: position, pace, and what is said of it."""

from __future__ import annotations

import itertools

import pytest

from libs.common.events.inputs import CancelContact, CustomerLeft, ExtendCalendars
from libs.common.events.pool import Calendar
from libs.common.events.routing import OfferMade, WaitExpected
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from libs.common.waits import wait_ms
from services.router.core.expectation import expected_wait_ms, position_of
from services.router.core.explain import explain_waiting
from services.router.core.snapshot import freeze, restore, snapshot_chunks
from tests.unit.router.pool import Pool, a_pool, kinds

MINUTE_MS = 60_000


def told(pool: Pool) -> list[tuple[str, int, int | None]]:
    return [(fact.contact_id, fact.position, to_the_second(fact.expected_wait_ms)) for fact in pool.told]


def expected(pool: Pool, position: int | None = None) -> int | None:
    return to_the_second(expected_wait_ms(pool.state, "orders", "email", position))


def to_the_second(wait: int | None) -> int | None:
    return None if wait is None else round(wait, -3)


def work_off(pool: Pool, *, each_ms: int, contacts: int, agent: str = "anna") -> None:
    """The agent resolves what he has, after so long for each, and takes what is offered then."""
    for _ in range(contacts):
        [in_hand] = [contact for contact in pool.state.contacts.values() if contact.agent_id == agent]
        pool.at_ms += each_ms
        facts = pool.resolve(agent, in_hand.id)
        offer = facts[-1]
        assert isinstance(offer, OfferMade)
        pool.accept(agent, offer.offer_id)


def a_busy_pool(*, waiting: int) -> Pool:
    """Anna has contact 1 and as many as said wait behind it."""
    pool = a_pool("anna")
    pool.active("anna")
    for number in range(2, waiting + 2):
        pool.receive(number)
    return pool


def test_a_contact_that_is_offered_at_once_is_told_nothing() -> None:
    pool = a_pool("anna")
    assert expected(pool) == 0
    assert kinds(pool.receive(1)) == ["ContactQueued", "OfferMade"]
    assert told(pool) == []


def test_who_waits_is_told_the_place_and_nothing_that_nobody_knows() -> None:
    # given an agent who is busy, and nothing known of how long anything takes
    pool = a_pool("anna")
    pool.active("anna")
    # when others come, one of them more urgent
    pool.receive(2)
    pool.receive(3)
    pool.receive(4, priority=5)
    # then each is told its place, once, and no time
    assert told(pool) == [("con_2", 1, None), ("con_3", 2, None), ("con_4", 1, None)]
    assert [position_of(pool.state, f"con_{number}") for number in (2, 3, 4)] == [2, 3, 1]
    assert expected_wait_ms(pool.state, "orders", "email") is None


def test_the_pace_is_what_it_took_while_somebody_waited() -> None:
    # given one agent who has taken two minutes for each of ten while others waited
    pool = a_busy_pool(waiting=14)
    work_off(pool, each_ms=2 * MINUTE_MS, contacts=10)
    # when another one comes behind the four that are left
    pool.receive(99)
    # then each of the five before its turn takes two minutes
    assert told(pool)[-1] == ("con_99", 5, 10 * MINUTE_MS)
    assert expected(pool) == 12 * MINUTE_MS
    assert expected(pool, 1) == 2 * MINUTE_MS


def test_twice_as_many_agents_take_half_as_long_at_once() -> None:
    pool = Pool(agents=(an_agent("anna"), an_agent("bruno")))
    pool.presence("anna")
    pool.active("anna")
    for number in range(2, 16):
        pool.receive(number)
    work_off(pool, each_ms=2 * MINUTE_MS, contacts=10)
    # when a second agent comes, who is offered the next
    [_, offer] = pool.presence("bruno")
    assert isinstance(offer, OfferMade)
    # then the others are expected to wait half as long
    assert expected(pool, 4) == 4 * MINUTE_MS
    # when nobody is there any more; then nobody knows
    pool.presence("bruno", "offline")
    pool.presence("anna", "break")
    assert expected(pool, 4) is None


def test_time_in_which_nobody_is_on_duty_counts_for_nothing() -> None:
    pool = a_busy_pool(waiting=14)
    work_off(pool, each_ms=2 * MINUTE_MS, contacts=5)
    # when the only agent leaves for the night and comes back
    pool.presence("anna", "break")
    pool.at_ms += 600 * MINUTE_MS
    pool.presence("anna")
    # then the pace is what it was
    assert expected(pool, 3) == 6 * MINUTE_MS


def test_time_in_which_nobody_waits_counts_for_nothing() -> None:
    pool = a_busy_pool(waiting=5)
    work_off(pool, each_ms=MINUTE_MS, contacts=5)
    # when the line is empty for hours, and then somebody waits again
    pool.at_ms += 600 * MINUTE_MS
    pool.receive(50)
    # then the pace is what it was
    assert told(pool)[-1] == ("con_50", 1, MINUTE_MS)


def test_who_leaves_makes_those_behind_wait_less() -> None:
    # given a queue from which customers leave about as fast as they are served
    pool = a_busy_pool(waiting=40)
    for number in range(12):
        work_off(pool, each_ms=MINUTE_MS, contacts=1)
        pool.give(CustomerLeft(pool=POOL, contact_id=f"con_{41 - number}"))
    # then the last of those who are left is not expected to wait for all of them
    last = expected(pool, 16)
    assert expected(pool, 1) == MINUTE_MS
    assert last is not None
    assert 8 * MINUTE_MS < last < 13 * MINUTE_MS


def test_a_queue_that_is_closed_is_waited_for() -> None:
    opens_ms = 120 * MINUTE_MS
    calendar = Calendar(
        id="h", spans=((START_MS, START_MS + 16 * MINUTE_MS + 1), (START_MS + opens_ms, START_MS + 2 * opens_ms))
    )
    pool = Pool(queues=(a_queue("orders", hours="h"),), agents=(an_agent("anna"),))
    pool.configure(queues=(a_queue("orders", hours="h"),), agents=(an_agent("anna"),), calendars=(calendar,))
    pool.presence("anna")
    pool.active("anna")
    for number in range(2, 12):
        pool.receive(number)
    work_off(pool, each_ms=2 * MINUTE_MS, contacts=8)
    # when it closes, and somebody comes an hour before it opens
    pool.wait(1)
    pool.wait(60 * MINUTE_MS - pool.at_ms)
    pool.receive(50)
    # then the time until it opens is waited for too, and does not count as slow
    assert told(pool)[-1] == ("con_50", 3, 60 * MINUTE_MS + 6 * MINUTE_MS)


def test_it_is_said_at_once_when_a_queue_opens_at_another_time_than_was_known() -> None:
    # given a queue whose pace is known, closed until two hours after the beginning
    def shop(opens_ms: int, until_ms: int) -> Calendar:
        spans = ((START_MS, START_MS + 16 * MINUTE_MS + 1), (START_MS + opens_ms, START_MS + until_ms))
        return Calendar(id="h", spans=spans, until_ms=START_MS + until_ms)

    pool = Pool(queues=(a_queue("orders", hours="h"),), agents=(an_agent("anna"),))
    calendar = shop(120 * MINUTE_MS, 240 * MINUTE_MS)
    pool.configure(queues=(a_queue("orders", hours="h"),), agents=(an_agent("anna"),), calendars=(calendar,))
    pool.presence("anna")
    pool.active("anna")
    for number in range(2, 12):
        pool.receive(number)
    work_off(pool, each_ms=2 * MINUTE_MS, contacts=8)
    pool.wait(1)
    assert pool.paced[-1].opens_ms == START_MS + 120 * MINUTE_MS
    # when the calendar becomes known for longer, and the day before it as another one than was thought
    pool.give(ExtendCalendars(pool=POOL, calendars=(shop(60 * MINUTE_MS, 300 * MINUTE_MS),)))
    # then that is said
    assert pool.paced[-1].opens_ms == START_MS + 60 * MINUTE_MS


def test_contacts_that_are_taken_off_the_line_are_not_in_front_any_more() -> None:
    pool = a_busy_pool(waiting=3)
    pool.supervise(CancelContact, "con_2")
    assert [position_of(pool.state, contact_id) for contact_id in ("con_3", "con_4")] == [1, 2]


def test_what_is_known_outlives_a_snapshot() -> None:
    pool = a_busy_pool(waiting=14)
    work_off(pool, each_ms=2 * MINUTE_MS, contacts=5)
    pool.give(CustomerLeft(pool=POOL, contact_id="con_15"))
    restored = restore(POOL, snapshot_chunks(freeze(pool.state), 1000))
    for position in (None, 1, 7, 1000):
        before = expected_wait_ms(pool.state, "orders", "email", position)
        assert before is not None
        assert expected_wait_ms(restored, "orders", "email", position) == before


def test_a_contact_is_told_once_whatever_becomes_of_it() -> None:
    pool = a_busy_pool(waiting=1)
    pool.resolve("anna", "con_1")
    pool.wait(20_000)
    assert [fact.contact_id for fact in pool.told if isinstance(fact, WaitExpected)] == ["con_2"]


@pytest.mark.parametrize("position", [1, 9, 100, 5_000, 500_000])
@pytest.mark.parametrize("patience_us", [10_000_000, 600_000_000, 10**12])
def test_the_sum_over_those_ahead_is_taken_in_groups(position: int, patience_us: int) -> None:
    step_us = 7_000_000
    exactly = sum(step_us * patience_us / (patience_us + ahead * step_us) for ahead in range(position)) / 1000
    assert wait_ms(position, step_us, patience_us) == pytest.approx(exactly, rel=0.005, abs=2)


def test_a_queues_pace_is_said_when_it_is_known_and_when_it_is_another() -> None:
    # given a queue of which nothing is known
    pool = a_busy_pool(waiting=30)
    work_off(pool, each_ms=2 * MINUTE_MS, contacts=2)
    assert pool.paced == []
    # when enough is known; then it is said, once as long as it stays
    work_off(pool, each_ms=2 * MINUTE_MS, contacts=6)
    assert [(fact.queue, to_the_second((fact.step_us or 0) // 1000)) for fact in pool.paced] == [
        ("orders", 2 * MINUTE_MS)
    ]
    # when the agent goes, and comes back; then nobody knows, and then it is as before
    pool.presence("anna", "break")
    pool.presence("anna")
    assert [fact.step_us is None for fact in pool.paced] == [False, True, False]
    # when contacts take ever longer
    work_off(pool, each_ms=6 * MINUTE_MS, contacts=8)
    # then it is said a few times, each an eighth above the last one
    slower = [fact.step_us or 0 for fact in pool.paced[2:]]
    assert 2 <= len(slower) <= 8
    assert all(after * 8 > before * 9 for before, after in itertools.pairwise(slower))


def test_who_asks_why_a_contact_waits_is_told_how_long_it_will() -> None:
    pool = a_busy_pool(waiting=14)
    work_off(pool, each_ms=2 * MINUTE_MS, contacts=10)
    told = explain_waiting(pool.state, "con_15", START_MS + pool.at_ms)
    assert (told.ahead_in_queue, to_the_second(told.expected_wait_ms)) == (3, 8 * MINUTE_MS)
