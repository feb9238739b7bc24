"""How long things take: handling, patience, the time until an offer is answered. Drawn in whole milliseconds from a stream of chance.

Pure but for the stream that is handed in. Used by scenarios, by the proof and by what was recorded; knows nothing of routing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol


def stream(seed: int, name: str) -> Random:
    """A stream of chance of its own for each thing that varies.

    So a change of one thing (more agents, another patience) leaves what is drawn for the others as it was, and two policies can be
    compared on the same customers.
    """
    return Random(f"{seed}/{name}")  # noqa: S311  # a simulation, in which being repeatable is the point


class Distribution(Protocol):
    """Lengths of time in milliseconds."""

    @property
    def mean_ms(self) -> float:
        """The expected length."""
        ...

    def draw(self, chance: Random) -> int:
        """One length, at least 0."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same."""

    length_ms: int

    @property
    def mean_ms(self) -> float:
        """The expected length."""
        return float(self.length_ms)

    def draw(self, chance: Random) -> int:
        """One length."""
        return self.length_ms


@dataclass(frozen=True, slots=True)
class Exponential:
    """Without memory: what has lasted for long is as likely to go on as what has just begun."""

    mean_ms: float

    def draw(self, chance: Random) -> int:
        """One length."""
        return round(chance.expovariate(1.0) * self.mean_ms)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Most are short and a few are long, as handling times are. Mean and standard deviation are those of the lengths themselves."""

    mean_ms: float
    sd_ms: float

    def draw(self, chance: Random) -> int:
        """One length."""
        variance = math.log1p((self.sd_ms / self.mean_ms) ** 2)
        return round(chance.lognormvariate(math.log(self.mean_ms) - variance / 2, math.sqrt(variance)))


@dataclass(frozen=True, slots=True)
class Observed:
    """One of these lengths, each as likely as the others."""

    lengths_ms: Sequence[int]

    @property
    def mean_ms(self) -> float:
        """The expected length."""
        return statistics.fmean(self.lengths_ms)

    def draw(self, chance: Random) -> int:
        """One length."""
        return chance.choice(self.lengths_ms)
