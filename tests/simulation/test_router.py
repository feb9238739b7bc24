"""Seeds of the router's simulation: short runs for every change, as many as `CENTRALINO_SIMULATION_SEEDS` says for more.

A failure names its seed; `CENTRALINO_SIMULATION_FIRST_SEED=n CENTRALINO_SIMULATION_SEEDS=1` runs that one alone.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from structlog.testing import capture_logs

from tests.simulation.virtual_loop import run_virtual
from tests.simulation.world import World

_SEEDS = int(os.environ.get("CENTRALINO_SIMULATION_SEEDS", "120"))
_FIRST_SEED = int(os.environ.get("CENTRALINO_SIMULATION_FIRST_SEED", "1"))
_STRETCHES = 2
_STRETCH_S = 200.0


OVERFLOWS = (
    "overflow",
    "ContactForwarded",
    "MessageForwarded",
    "LeavingForwarded",
    "ForwardEnded",
    "HandoversDelivered",
)
CALLS = ("CallbackMissed", "CallbackWithdrawn", "ContactMerged")


async def live(seed: int) -> World:
    """One world's life."""
    world = World(seed)
    for _ in range(_STRETCHES):
        await world.run_stretch(_STRETCH_S)
    await world.close()
    return world


@pytest.mark.parametrize("seed", range(_FIRST_SEED, _FIRST_SEED + _SEEDS))
def test_nothing_is_lost_or_done_twice(seed: int) -> None:
    # Thousands of lines would tell less than the seed does.
    with capture_logs():
        run_virtual(live(seed))


def test_the_same_seed_is_the_same_run() -> None:
    def facts() -> list[tuple[int, int, int]]:
        with capture_logs():
            world = run_virtual(live(_FIRST_SEED))
        return [(history.facts, history.fenced, history.terms) for history in world.histories.values()]

    assert facts() == facts()


def test_the_storm_is_a_storm() -> None:
    """What the seeds are to withstand does happen in them: a simulation of good weather would prove nothing."""
    happened: Counter[str] = Counter()
    with capture_logs() as lines:
        for seed in range(12):
            world = run_virtual(live(seed))
            happened.update(crashes=world.crashes, stalls=world.stalls)
            for history in world.histories.values():
                happened.update(history.kinds)
                happened.update(fenced=history.fenced, facts=history.facts, terms=history.terms)
    happened.update(str(line["event"]) for line in lines)
    weather = ("crashes", "stalls", "fenced", "deposed", "state dropped", "snapshot written", "partition released")
    for kind in (*weather, "CalendarTurned", "ContactRelaxed", "vanished", "not-responding", *OVERFLOWS, *CALLS):
        assert happened[kind], f"no seed had any: {kind}"
