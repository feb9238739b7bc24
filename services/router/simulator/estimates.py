"""What a simulated mean is worth: the mean of a long run with its standard error, from the means of its batches or of several runs.

Contacts that come one after the other fare alike, so that their spread says too little about the mean's error; the means of long batches
are nearly independent. Pure arithmetic; used by the proof and by staffing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BATCHES: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean and its standard error; `count` values went into it."""

    mean: float
    error: float
    count: int

    def distance(self, expected: float) -> float:
        """How many standard errors the mean is off what was expected."""
        if self.error == 0:
            return 0.0 if math.isclose(self.mean, expected, abs_tol=1e-12) else math.inf
        return (self.mean - expected) / self.error


def batch_means(values: Sequence[float], batches: int = BATCHES) -> Estimate:
    """The estimate from one long run, its values in order. There must be as many values as batches at least."""
    size = len(values) // batches
    assert size > 0, "a batch has a value"
    # What does not fill a batch is left out at the beginning, where the run is least settled.
    start = len(values) - size * batches
    means = [statistics.fmean(values[start + index * size : start + (index + 1) * size]) for index in range(batches)]
    return of_runs(means, count=size * batches)


def of_runs(means: Sequence[float], *, count: int | None = None) -> Estimate:
    """The estimate from the means of independent runs, two at least."""
    return Estimate(
        mean=statistics.fmean(means),
        error=statistics.stdev(means) / math.sqrt(len(means)),
        count=len(means) if count is None else count,
    )
