"""Seeds of the whole system: every service with its store, short runs for every change, more with `CENTRALINO_SIMULATION_SEEDS`.

A failure names its seed; `CENTRALINO_SIMULATION_FIRST_SEED=n CENTRALINO_SIMULATION_SEEDS=1 pytest tests/simulation/test_whole.py`
runs that one alone, step by step the same.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.simulation.stores import Stores
from tests.simulation.virtual_loop import run_virtual
from tests.simulation.whole import WholeWorld

_SEEDS = int(os.environ.get("CENTRALINO_SIMULATION_SEEDS", "16"))
_FIRST_SEED = int(os.environ.get("CENTRALINO_SIMULATION_FIRST_SEED", "1"))
_STRETCHES = 1
_STRETCH_S = 100.0

# A killed process's tasks are cancelled wherever they are, also while they give a connection back; what is left the collector finds.
pytestmark = pytest.mark.filterwarnings("ignore:The garbage collector is trying to clean up:sqlalchemy.exc.SAWarning")


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """The services' databases as their migrations make them."""
    return Stores.make(tmp_path_factory.mktemp("templates"))


async def live(seed: int, folder: Path, templates: Stores) -> WholeWorld:
    """One world's life."""
    world = WholeWorld(seed, folder, templates)
    for _ in range(_STRETCHES):
        await world.run_stretch(_STRETCH_S)
    await world.close()
    return world


@pytest.mark.parametrize("seed", range(_FIRST_SEED, _FIRST_SEED + _SEEDS))
def test_the_whole_loses_nothing_and_does_nothing_twice(seed: int, tmp_path: Path, templates: Stores) -> None:
    with capture_logs():
        run_virtual(live(seed, tmp_path, templates))


def test_the_same_seed_is_the_same_run(tmp_path: Path, templates: Stores) -> None:
    def run(name: str) -> tuple[object, ...]:
        with capture_logs():
            world = run_virtual(live(_FIRST_SEED, tmp_path / name, templates))
        histories = [(history.facts, history.fenced, history.terms) for history in world.histories.values()]
        return histories, world.troubles.happened, world.box.taken, world.now_ms

    first, second = run("first"), run("second")
    assert first[:-1] == second[:-1]


def test_the_storm_is_a_storm(tmp_path: Path, templates: Stores) -> None:
    """What the seeds are to withstand does happen in them."""
    happened: Counter[str] = Counter()
    with capture_logs():
        for seed in range(12):
            world = run_virtual(live(seed, tmp_path / str(seed), templates))
            happened += world.troubles.happened
            happened.update(mails=len(world.box.taken), stalls=world.stalls, crashes=world.crashes)
            happened.update(connections=sum(desktop.connections for desktop in world.desktops.values()))
    # Of all that a mail server may say the runs are too short to bring everything.
    assert sum(happened[kind] for kind in ("mail refused", "mail later", "mail lost"))
    for kind in (
        "store failed",
        "commit's answer lost",
        "store busy",
        "crash of agent-api",
        "crash of followup",
        "kill of ingest",
        "mail server away",
        "mail's reply lost",
        "mails",
        "wait told",
        "message handed in again",
        "command asked again",
        "command done",
        "command refused",
        "stalls",
        "crashes",
        "connections",
    ):
        assert happened[kind], f"no seed had any: {kind}"
