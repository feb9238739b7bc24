"""Seeds of the router's simulation: short runs for every change, as many as `CENTRALINO_SIMULATION_SEEDS` says for more.

A failure names its seed; `CENTRALINO_SIMULATION_FIRST_SEED=n CENTRALINO_SIMULATION_SEEDS=1` runs that one alone.
"""

from __future__ import annotations

import os

import pytest
from structlog.testing import capture_logs

from tests.simulation.virtual_loop import run_virtual
from tests.simulation.world import World

_SEEDS = int(os.environ.get("CENTRALINO_SIMULATION_SEEDS", "40"))
_FIRST_SEED = int(os.environ.get("CENTRALINO_SIMULATION_FIRST_SEED", "1"))
_STRETCHES = 3
_STRETCH_S = 400.0


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
