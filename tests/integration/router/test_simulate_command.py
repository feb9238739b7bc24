"""`centralino simulate --log`: contacts that a real router decided, on a real log, are tried again under another configuration."""

from __future__ import annotations

import asyncio
import heapq
import json
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from libs.common.clock import VirtualClock, rfc3339
from libs.common.configuration.models import Queue
from libs.common.events.routing import ContactAssigned, OfferMade
from libs.common.log.sqlite import SqliteLog
from libs.common.testing.builders import (
    a_contact_received,
    a_message,
    a_resolve,
    a_set_presence,
    an_accept,
)
from services.cli.commands import centralino
from tests.support.router_contract import CARE, PARTITIONS
from tests.support.routing import Desk, a_configuration, working

CONTACTS: Final = 24
EVERY_MS: Final = 17_000
ACCEPT_MS: Final = 4_000
HANDLING_MS: Final = 50_000
# How long a message takes from the customer to the log.
ON_THE_WAY_MS: Final = 300

# Bruno may have two at once, and there is a third.
POLICY: Final = """
pools: {care: {}}
queues:
  orders: {pool: care, skills: {orders: 2}, target: 60s}
  general: {pool: care}
rules: [{queue: general}]
agents:
  anna: {name: Anna, pool: care, skills: {orders: 4}, capacity: {email: 2}}
  bruno: {name: Bruno, pool: care, skills: {orders: 4}, capacity: {email: 2}}
  carla: {name: Carla, pool: care, capacity: {email: 5}}
"""


async def a_day(url: Path) -> tuple[int, int]:
    """Two agents and `CONTACTS` contacts, decided by a router on this log; the times of the first and the last one."""
    clock = VirtualClock()
    log = SqliteLog(url, PARTITIONS, clock=clock)
    await log.connect()
    # Nothing ends by itself, so that the clock may jump from one input to the next.
    queues = {"orders": Queue(pool="care", skills={"orders": 2}, target_ms=60_000), "general": Queue(pool="care")}
    desk = Desk(log, clock, number=CARE, configuration=a_configuration(queues=queues))
    begin = clock.now_ms() + 60_000
    todo: list[tuple[int, int, Any]] = [
        (begin - 1_000, 0, a_set_presence("anna")),
        (begin - 1_000, 1, a_set_presence("bruno")),
    ]
    for number in range(1, CONTACTS + 1):
        at_ms = begin + number * EVERY_MS
        queue = "orders" if number % 3 == 0 else "general"
        message = a_message(number, received_ms=at_ms - ON_THE_WAY_MS, thread_id=f"thr_{number}")
        todo.append(
            (at_ms, number + 1, a_contact_received(number, message=message, contact_id=f"con_{number}", queue=queue))
        )
    heapq.heapify(todo)
    count = len(todo)
    async with working(desk) as worker:
        await desk.decided(worker)
        while todo:
            at_ms, _, event = heapq.heappop(todo)
            clock.advance_ms(max(0, at_ms - clock.now_ms()))
            seen = len(desk.notes.facts)
            await desk.give(event)
            await desk.decided(worker)
            for fact in desk.notes.facts[seen:]:
                count += 1
                if isinstance(fact, OfferMade):
                    reply = an_accept(fact.offer_id, fact.agent_id, command_id=f"cmd_{count}")
                    heapq.heappush(todo, (clock.now_ms() + ACCEPT_MS, count, reply))
                elif isinstance(fact, ContactAssigned):
                    done = a_resolve(fact.contact_id, fact.agent_id, command_id=f"cmd_{count}")
                    heapq.heappush(todo, (clock.now_ms() + HANDLING_MS, count, done))
    await log.close()
    return begin + EVERY_MS, begin + CONTACTS * EVERY_MS


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    path = tmp_path_factory.mktemp("day") / "log.db"
    first, last = asyncio.run(a_day(path))
    return path, first, last


def simulate(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(centralino, ["simulate", "--log", f"sqlite:///{path}", *arguments])


def outcomes_of(path: Path, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    result = simulate(path, "--json", str(folder / "result.json"), *arguments)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads((folder / "result.json").read_text())
    outcomes: list[dict[str, Any]] = document["outcomes"]
    return outcomes


def test_what_was_recorded_comes_out_again_and_another_policy_differs(
    day: tuple[Path, int, int], tmp_path: Path
) -> None:
    # given a log, and a configuration with more room
    path = day[0]
    (tmp_path / "new.yaml").write_text(POLICY)

    # when
    recorded, same, new = outcomes_of(path, tmp_path, "--policy", str(tmp_path / "new.yaml"))

    # then all have every contact; and as agents always took the same time to answer, what was comes out again to the millisecond
    groups = [outcome["groups"][0] for outcome in (recorded, same, new)]
    assert [group["contacts"] for group in groups] == [CONTACTS] * 3
    assert same["groups"] == recorded["groups"]
    assert same["agents"] == recorded["agents"]
    assert same["occupancy"] == recorded["occupancy"]

    # and the new configuration shortens the waits with its third agent
    assert groups[2]["mean_wait_ms"] < groups[1]["mean_wait_ms"]
    assert [agent["id"] for agent in new["agents"]] == ["anna", "bruno", "carla"]
    assert [agent["id"] for agent in recorded["agents"]] == ["anna", "bruno"]


def test_the_same_seed_gives_the_same_result_and_a_page(day: tuple[Path, int, int], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    first, again = (simulate(day[0], "--seed", "5", "--runs", "2", "--html", str(page)).stdout for _ in range(2))

    assert first == again
    assert "as it was" in first
    assert "simulated, as configured" in page.read_text()


def test_a_window_counts_what_came_in_it(day: tuple[Path, int, int], tmp_path: Path) -> None:
    path, first, last = day
    middle = rfc3339(first + (last - first) // 2)

    before = outcomes_of(path, tmp_path, "--to", middle)
    after = outcomes_of(path, tmp_path, "--from", middle)

    counts = [outcome["groups"][0]["contacts"] for outcome in (*before, *after)]
    assert counts[0] == counts[1]
    assert counts[2] == counts[3]
    assert counts[0] + counts[2] == CONTACTS
    # and who came in it is followed to where the log ends, in what was as in what is simulated
    assert before[0]["groups"] == before[1]["groups"]
    assert before[0]["groups"][0]["waiting"] == 0
    assert after[0]["groups"] == after[1]["groups"]


def test_a_window_that_ends_after_the_log_counts_no_time_of_which_nothing_is_known(
    day: tuple[Path, int, int], tmp_path: Path
) -> None:
    whole = outcomes_of(day[0], tmp_path)
    longer = outcomes_of(day[0], tmp_path, "--to", rfc3339(day[2] + 365 * 24 * 3_600_000))

    assert longer == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pool", "other"], "the log holds no contacts of the pool other"),
        (["--from", "2031-01-01"], "no contact of the pool care came in this time"),
        (["--from", "2031-01-02", "--to", "2031-01-01"], "--from must be before --to"),
        (["--from", "yesterday"], "is no time such as"),
        (["--scenario", "x.yaml"], "say what to simulate: one of"),
        (["--policy", "none.yaml"], "none.yaml"),
    ],
)
def test_what_cannot_be_is_told(day: tuple[Path, int, int], arguments: list[str], message: str) -> None:
    result = simulate(day[0], *arguments)

    assert result.exit_code == 2
    assert message in result.stderr


def test_a_policy_without_the_pool_is_told(day: tuple[Path, int, int], tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text(POLICY.replace("care", "other"))

    result = simulate(day[0], "--policy", str(tmp_path / "new.yaml"))

    assert result.exit_code == 2
    assert "the new configuration has no pool care" in result.stderr


def test_a_log_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = simulate(tmp_path / "none.db")

    assert result.exit_code == 2
    assert not (tmp_path / "none.db").exists()


def test_the_same_log_can_be_staffed(day: tuple[Path, int, int], tmp_path: Path) -> None:
    result = CliRunner().invoke(
        centralino,
        [
            *("staffing", "--log", f"sqlite:///{day[0]}", "--interval", "1h", "--share", "0.9"),
            *("--within", "60s", "--json", str(tmp_path / "s.json"), "--html", str(tmp_path / "s.html")),
        ],
    )

    # then the hours in which they came need people, who have the skills of the configuration in force
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "s.json").read_text())
    assert [kind["queue"] for kind in document["kinds"]] == ["general", "orders"]
    assert {interval["from"] for interval in document["intervals"]} == {"22:00"}
    assert sum(document["intervals"][0]["crews"]) >= 1
    assert "People needed" in (tmp_path / "s.html").read_text()
