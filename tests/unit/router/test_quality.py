"""How well the router matches: against the best that anybody could do, and how evenly it gives work. Virtual time, chance from a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from services.bench.quality import SKILLS, Batch, jain, match_batch, share_work


def most_possible(batch: Batch) -> int:
    """The size of a maximum matching, which somebody who saw the whole batch at once could make."""
    lacking = np.ones((len(batch.agents), SKILLS), dtype=np.float32)
    asked = np.zeros((len(batch.contacts), SKILLS), dtype=np.float32)
    for row, skills in enumerate(batch.agents):
        lacking[row, list(skills)] = 0
    for row, skills in enumerate(batch.contacts):
        asked[row, list(skills)] = 1
    fits = csr_matrix(asked @ lacking.T == 0)
    return int((maximum_bipartite_matching(fits, perm_type="column") >= 0).sum())


@pytest.mark.parametrize(("size", "seeds"), [(300, range(8)), (1_000, range(3)), (3_000, (4,)), (5_000, (5,))])
def test_sparing_rare_skills_comes_near_to_the_best_possible(size: int, seeds: Sequence[int]) -> None:
    # given as many contacts as agents, with some skills common and some rare; small batches differ, so that there are several
    batches = [match_batch(size, "least_skilled", seed) for seed in seeds]
    # when they are given out one after the other, then few less find an agent than could have
    best = sum(map(most_possible, batches))
    assert best > 0.5 * size * len(batches)  # Otherwise there was little to decide.
    assert 0.96 * best <= sum(batch.matched for batch in batches) <= best


def test_sparing_rare_skills_is_what_does_it() -> None:
    longest_idle = match_batch(1_000, "longest_idle", 3).matched
    assert match_batch(1_000, "least_skilled", 3).matched > longest_idle
    assert match_batch(1_000, "most_skilled", 3).matched < longest_idle


@pytest.mark.parametrize("strategy", ["longest_idle", "least_loaded", "round_robin", "least_skilled"])
@pytest.mark.parametrize("load", [0.4, 0.9])
def test_theme_3_equal_agents_get_equal_work_over_a_day(strategy: str, load: float) -> None:
    work = share_work(12, strategy, seed=7, load=load)
    assert min(work.contacts) > 10
    assert jain(work.contacts) >= 0.98
    assert jain(work.busy_ms) >= 0.98


def test_jains_index_is_one_for_equals_and_one_nth_where_one_has_all() -> None:
    assert jain([3, 3, 3]) == 1
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)
    assert jain([0, 0]) == 1
