"""How near what was said of waits came to the waits: errors over those who were told how long and were then answered.

Pure arithmetic. Called by the comparison of policies and by the page about expected waits. Who left before being answered says nothing of
how long the wait would have been, and counts as told alone.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.router.simulator.journal import Visit

# A wait that was shorter counts as one of so long when errors are taken in relation to it.
_SHORTEST_MS: Final = 1_000

# What was expected, and what it came to; in milliseconds.
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Of one queue, or of all (None). `told`: contacts that were told that they would wait, `unknown`: for nobody knew how long.

    `compared`: those who were told how long, and were answered. `bias_ms`: how much longer than their waits they were told on average;
    `mean_wait_ms`: their waits. `error_ms`: by how much it was wrong on average, either way. `relative_error`: by which part of the
    wait it was wrong for half of them at most. `within_quarter`, `within_half`: the shares for whom that was 25 % or 50 % at most.
    """

    queue: str | None
    told: int
    unknown: int
    compared: int
    mean_wait_ms: float | None = None
    bias_ms: float | None = None
    error_ms: float | None = None
    relative_error: float | None = None
    within_quarter: float | None = None
    within_half: float | None = None

    @property
    def bias(self) -> float | None:
        """The bias as a part of the mean wait."""
        return self.bias_ms / self.mean_wait_ms if self.bias_ms is not None and self.mean_wait_ms else None


def measure_accuracy(visits: Iterable[Visit]) -> list[Accuracy]:
    """Over all, and by queue where there are several; nothing where nobody was told anything."""
    told: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        if visit.told_ms is not None:
            told[visit.queue].append(visit)
    if not told:
        return []
    everybody = _of(None, [visit for queue in told.values() for visit in queue])
    return [everybody, *(_of(queue, own) for queue, own in sorted(told.items()) if len(told) > 1)]


def _of(queue: str | None, told: Sequence[Visit]) -> Accuracy:
    pairs = [
        (visit.expected_ms, visit.assigned_ms - visit.told_ms)
        for visit in told
        if visit.expected_ms is not None and visit.told_ms is not None and visit.assigned_ms is not None
    ]
    return accuracy_of(queue, len(told), sum(visit.expected_ms is None for visit in told), pairs)


def accuracy_of(queue: str | None, told: int, unknown: int, pairs: Sequence[Pair]) -> Accuracy:
    """The accuracy over these pairs."""
    if not pairs:
        return Accuracy(queue=queue, told=told, unknown=unknown, compared=0)
    errors = [expected - wait for expected, wait in pairs]
    relative = [abs(expected - wait) / max(wait, _SHORTEST_MS) for expected, wait in pairs]
    return Accuracy(
        queue=queue,
        told=told,
        unknown=unknown,
        compared=len(pairs),
        mean_wait_ms=statistics.fmean(wait for _, wait in pairs),
        bias_ms=statistics.fmean(errors),
        error_ms=statistics.fmean(map(abs, errors)),
        relative_error=statistics.median(relative),
        within_quarter=sum(error <= 0.25 for error in relative) / len(pairs),
        within_half=sum(error <= 0.5 for error in relative) / len(pairs),
    )
