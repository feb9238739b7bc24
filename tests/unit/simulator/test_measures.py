"""What a journal comes to, and how it is shown."""

from __future__ import annotations

import re

import pytest

from services.router.simulator.comparison import as_json, as_share, as_time, render_page, render_text
from services.router.simulator.journal import AgentTime, Journal, Visit
from services.router.simulator.measures import jain, summarise


def a_visit(number: int, **fields: object) -> Visit:
    plain: dict[str, object] = {
        "contact_id": f"con_{number}",
        "queue": "orders",
        "channel": "voice",
        "received_ms": 1_000,
        "due_ms": 61_000,
    }
    return Visit(**{**plain, **fields})  # type: ignore[arg-type]  # the defaults are of the right types


def a_journal(*visits: Visit, agents: tuple[AgentTime, ...] = ()) -> Journal:
    return Journal(
        visits={visit.contact_id: visit for visit in visits}, agents={agent.agent_id: agent for agent in agents}
    )


def test_in_time_are_those_answered_by_their_due_time_of_all_whose_outcome_is_known() -> None:
    # given one answered in time, one late, one who left, one overdue, and one who waits and is not due yet
    journal = a_journal(
        a_visit(1, assigned_ms=31_000),
        a_visit(2, assigned_ms=91_000),
        a_visit(3, left_ms=5_000),
        a_visit(4),
        a_visit(5, due_ms=500_000),
        a_visit(6, received_ms=900_000),
    )

    # when
    outcome = summarise("test", [journal], from_ms=0, to_ms=400_000)

    # then the one after the window does not count
    group = outcome.all
    assert (group.contacts, group.answered, group.left, group.waiting, group.overdue) == (5, 2, 1, 2, 1)
    assert group.service_level == pytest.approx(1 / 4)
    assert group.mean_wait_ms == pytest.approx(60_000)
    assert (group.wait_percentile_ms(0.5), group.wait_percentile_ms(0.9)) == (30_000, 90_000)
    assert group.share_waiting_longer(30_000) == pytest.approx(0.5)


def test_groups_are_by_queue_and_channel() -> None:
    journal = a_journal(a_visit(1, assigned_ms=1_000), a_visit(2, queue="general"), a_visit(3, channel="email"))

    outcome = summarise("test", [journal], from_ms=0, to_ms=10_000)

    places = [(group.queue, group.channel, group.contacts) for group in outcome.groups]
    assert places == [("general", "voice", 1), ("orders", "email", 1), ("orders", "voice", 1)]


def test_people_are_put_together_over_runs() -> None:
    # given an agent busy half of the time in one run and all of it in another, and one who never came
    runs = [
        a_journal(agents=(AgentTime(agent_id="anna", available_ms=1_000, busy_ms=busy), AgentTime(agent_id="bruno")))
        for busy in (500, 1_000)
    ]

    outcome = summarise("test", runs, from_ms=0, to_ms=1_000)

    assert [(agent.agent_id, agent.occupancy) for agent in outcome.agents] == [("anna", 0.75)]
    assert outcome.occupancy == 0.75
    assert outcome.fairness == 1.0


def test_fairness_is_one_for_even_shares_and_falls_with_uneven_ones() -> None:
    assert jain([0.5, 0.5]) == pytest.approx(1.0)
    assert jain([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert jain([0.0]) == 1.0


@pytest.mark.parametrize(
    ("length_ms", "text"),
    [(None, "-"), (1_250, "1.2 s"), (61_400, "1 min 01 s"), (3_600_000, "1 h 00 min"), (5_430_000, "1 h 30 min")],
)
def test_times_are_as_exact_as_is_of_use(length_ms: int | None, text: str) -> None:
    assert as_time(length_ms) == text


def test_the_page_stands_by_itself_and_believes_no_name() -> None:
    # given a queue with a name that would be a script
    outcome = summarise(
        "so <it> is",
        [a_journal(a_visit(1, queue="<script>", assigned_ms=2_000), a_visit(2))],
        from_ms=0,
        to_ms=100_000,
    )

    page = render_page("A <title>", [outcome], ["a note"])

    # then nothing is fetched and nothing is run
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="', page) == []
    assert "default-src 'none'" in page
    assert page.count("<svg") == page.count("</svg>") >= 3
    assert "prefers-color-scheme:dark" in page
    assert "&lt;script&gt;" in page


def test_text_and_json_say_the_same() -> None:
    outcome = summarise("it", [a_journal(a_visit(1, assigned_ms=11_000))], from_ms=0, to_ms=100_000)

    text, document = render_text("Title", [outcome], ["a note"]), as_json([outcome])

    assert "10.0 s" in text
    assert "note: a note" in text
    assert document[0]["groups"][0]["mean_wait_ms"] == 10_000
    assert as_share(document[0]["groups"][0]["service_level"]) == "100.0%"
