"""One step of a pool: an input in, facts out. What the router's shell, replay and the simulation call.

    facts = step(state, event, now_ms)

The core never reads a clock: `now_ms` is the log's time of the input. The shell writes the facts of one step as one batch, with the
input's offset, and drops the state when that fails.
"""

from __future__ import annotations

from libs.common.events.inputs import AnyInput, TimeAdvanced
from libs.common.events.routing import PoolFact
from services.router.core import limits
from services.router.core.apply import apply
from services.router.core.decide import decide
from services.router.core.invariants import check
from services.router.core.model import PoolState, new_state
from services.router.core.settle import settle
from services.router.core.snapshot import freeze, restore, snapshot_chunks
from services.router.core.timers import next_deadline_ms

__all__ = [
    "apply",
    "check",
    "decide",
    "freeze",
    "new_state",
    "next_deadline_ms",
    "restore",
    "settle",
    "snapshot_chunks",
    "step",
]


def step(state: PoolState, event: AnyInput, now_ms: int, limit: int = limits.SETTLE_FACTS_MAX) -> list[PoolFact]:
    """Decide one input that the log took at `now_ms`, apply what follows and settle. Returns the facts, already applied, in order.

    Time never goes back: an input older than the newest fact is decided for that fact's time. A `TimeAdvanced` is believed up to
    a minute ahead of the log. At most `limit` facts come from settling; where there are as many, `settle` goes on with the rest.
    Raises IllegalFactError only for a bug in the core.
    """
    assert event.pool == state.pool, "an input is decided in its own pool"
    if isinstance(event, TimeAdvanced):
        now_ms = max(now_ms, min(event.now_ms, now_ms + limits.CLOCK_LEAD_MAX_MS))
    now_ms = max(state.now_ms, now_ms)
    facts = decide(state, event, now_ms)
    for fact in facts:
        apply(state, fact)
    facts += settle(state, now_ms, limit)
    return facts
