"""Arrivals: customers who know nothing of one another, at a rate that may change from one interval to the next.

Within an interval gaps are exponential; at its end the process begins anew, which a process without memory may. Pure but for the stream of
chance that is handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from libs.common.events.inputs import ContactReceived
from libs.common.events.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From `from_ms` to before `to_ms` contacts come at `rate_per_ms`."""

    from_ms: int
    to_ms: int
    rate_per_ms: float


def arrival_times(intervals: Iterable[Interval], chance: Random) -> Iterator[int]:
    """The moments of arrival, in order. `intervals` must be in order and not overlap."""
    for interval in intervals:
        if interval.rate_per_ms <= 0:
            continue
        at = float(interval.from_ms)
        while True:
            at += chance.expovariate(interval.rate_per_ms)
            if at >= interval.to_ms:
                break
            yield int(at)


def a_contact(
    pool: str,
    contact_id: str,
    *,
    queue: str,
    channel: str,
    at_ms: int,
    skills: dict[str, int] | None = None,
    priority: int | None = None,
) -> ContactReceived:
    """The input of a simulated contact: a customer of its own who writes once."""
    return ContactReceived(
        pool=pool,
        message=Message(
            id=f"msg_{contact_id}",
            thread_id=f"thr_{contact_id}",
            account="simulated",
            channel=channel,
            provider_id=contact_id,
            handle=f"simulated:{contact_id}",
            received_ms=at_ms,
        ),
        contact_id=contact_id,
        queue=queue,
        skills=skills or {},
        priority=priority,
    )
