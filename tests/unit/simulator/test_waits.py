"""What customers were told of their waits, compared with their waits."""

from __future__ import annotations

import dataclasses

import pytest

from services.router.simulator.accuracy import accuracy_of, measure_accuracy
from services.router.simulator.journal import Visit
from services.router.simulator.wait_cases import WaitCase, WaitResult, all_wait_cases, simulate_waits
from services.router.simulator.wait_document import render_waits

CASES = {case.name: case for case in all_wait_cases()}
OVERLOAD = "10 agents, 4 h at load 1.2"


def a_visit(number: int, *, told_ms: int | None, expected_ms: int | None, assigned_ms: int | None) -> Visit:
    return Visit(
        contact_id=f"con_{number}",
        queue="orders",
        channel="sms",
        received_ms=0,
        due_ms=0,
        told_ms=told_ms,
        expected_ms=expected_ms,
        assigned_ms=assigned_ms,
    )


def test_errors_are_taken_over_those_who_were_told_and_answered() -> None:
    [found] = measure_accuracy(
        [
            a_visit(1, told_ms=1_000, expected_ms=10_000, assigned_ms=9_000),  # 10 s instead of 8.
            a_visit(2, told_ms=1_000, expected_ms=4_000, assigned_ms=9_000),  # 4 s instead of 8.
            a_visit(3, told_ms=1_000, expected_ms=4_000, assigned_ms=None),
            a_visit(4, told_ms=1_000, expected_ms=None, assigned_ms=9_000),
            a_visit(5, told_ms=None, expected_ms=None, assigned_ms=9_000),
        ]
    )
    assert (found.told, found.unknown, found.compared) == (4, 1, 2)
    assert (found.mean_wait_ms, found.bias_ms, found.error_ms) == (8_000, -1_000, 3_000)
    assert (found.relative_error, found.within_quarter, found.within_half) == (0.375, 0.5, 1.0)
    assert found.bias == -0.125


def test_a_wait_of_no_time_does_not_make_an_error_endless() -> None:
    assert accuracy_of(None, 1, 0, [(500, 0)]).relative_error == 0.5
    assert measure_accuracy([]) == []
    assert accuracy_of(None, 3, 3, []).bias is None


@pytest.fixture(scope="module")
def overload() -> WaitResult:
    return simulate_waits(CASES[OVERLOAD], 7)


def test_the_same_seed_tells_the_same(overload: WaitResult) -> None:
    assert simulate_waits(CASES[OVERLOAD], 7).accuracies == overload.accuracies


def test_in_steady_overload_hardly_more_or_less_is_told_than_comes(overload: WaitResult) -> None:
    own = overload.accuracies[0]
    assert own.unknown < 10
    assert own.bias is not None
    assert abs(own.bias) < 0.1
    assert own.relative_error is not None
    assert own.relative_error < 0.2


def test_those_ahead_say_more_than_the_wait_of_the_last_one(overload: WaitResult) -> None:
    for rival in ("last", "head"):
        other = overload.rivals[rival]
        assert other.compared > 500
        assert (overload.accuracies[0].error_ms or 0) < (other.error_ms or 0) * 0.8


@pytest.mark.parametrize(
    ("name", "hours", "bias_max"),
    [
        ("10 agents, load 1.2, customers stay 6 min", 8, 0.2),
        ("two queues, the same 10 agents", None, 0.15),
        ("two queues, 3 agents each and 4 for both", None, 0.15),
        ("10 agents, a day, one customer in five urgent", None, 0.15),
    ],
)
def test_it_holds_when_customers_leave_when_agents_are_shared_and_when_some_go_first(
    name: str, hours: float | None, bias_max: float
) -> None:
    case = CASES[name]
    if hours is not None:
        shorter = {
            queue: dataclasses.replace(demand, loads=[(hours, load) for _, load in demand.loads])
            for queue, demand in case.demands.items()
        }
        case = dataclasses.replace(case, demands=shorter)
    own = simulate_waits(case, 7).accuracies[0]
    assert own.compared > 300
    assert own.bias is not None
    assert abs(own.bias) < bias_max
    assert own.within_half is not None
    assert own.within_half > 0.5


def test_the_page_has_a_row_for_every_case_and_queue(overload: WaitResult) -> None:
    shared = WaitCase(name="shared", demands=CASES["two queues, the same 10 agents"].demands, servers=10)
    page = render_waits([overload, simulate_waits(shared, 7)], 7, "centralino simulate --waits")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) == (1 + 1 + 3) + (1 + 2)
    assert "| shared | short |" in page
