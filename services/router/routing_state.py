"""The state of one partition: the pools whose inputs it carries, each with its core's state.

Pure, as the core is: no I/O, no clock. The partition worker decides with it, recovery folds into it, replay does both. It must not know
how records look on a log.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from libs.common.errors import PoisonError
from libs.common.events.inputs import AnyInput
from libs.common.events.routing import InputRefused, PoolFact
from libs.common.log.streams import partition_of
from services.router.core.limits import SETTLE_FACTS_MAX
from services.router.core.model import PoolState, new_state
from services.router.core.refusals import RefusalReason, refuse
from services.router.core.step import apply, next_deadline_ms, settle, step

_NO_POOL: Final = "No such pool is configured."


class RoutingState:
    """Every pool of one of `partitions` partitions. `configured`: the pools that the configuration names.

    A pool that is neither configured nor has a state is unknown: its inputs are refused, and nothing is kept of it.
    """

    def __init__(self, *, partition: int, partitions: int, configured: Collection[str]) -> None:
        self.partition: Final = partition
        self.partitions: Final = partitions
        self.pools: dict[str, PoolState] = {pool: new_state(pool) for pool in sorted(configured)}

    def decide(self, event: AnyInput, timestamp_ms: int) -> list[PoolFact]:
        """Decide one input that the log took at `timestamp_ms`, apply what follows and settle. Empty for what has no effect.

        What the input causes by itself comes first, what settling adds after that. Raises PoisonError, with nothing changed, for
        an input that belongs to another partition.
        """
        state = self.pools.get(event.pool)
        if state is None:
            return [self._refuse(event, timestamp_ms)]
        facts = step(state, event, timestamp_ms)
        if len(facts) >= SETTLE_FACTS_MAX:
            facts += _settle_to_the_end(state)
        return facts

    def settle(self) -> list[PoolFact]:
        """What is still due at the time of each pool's last fact. There is something only after a batch that ended inside a settling."""
        return [fact for state in self.pools.values() for fact in _settle_to_the_end(state)]

    def fold(self, fact: PoolFact) -> None:
        """Apply a fact that was decided before."""
        state = self.pools.get(fact.pool)
        if state is None:
            if isinstance(fact, InputRefused) and fact.reason == RefusalReason.POOL_UNKNOWN.value:
                return
            state = self.pools[fact.pool] = new_state(fact.pool)
        apply(state, fact)

    def version(self, pool: str) -> str | None:
        """The version of the configuration that a pool has; None before its first."""
        state = self.pools.get(pool)
        return None if state is None else state.version

    def deadlines(self) -> list[tuple[int, str]]:
        """When the next thing is due in each pool that waits for the time, soonest first."""
        found = [
            (deadline_ms, pool)
            for pool, state in self.pools.items()
            if (deadline_ms := next_deadline_ms(state)) is not None
        ]
        found.sort()
        return found

    def _refuse(self, event: AnyInput, timestamp_ms: int) -> InputRefused:
        home = partition_of(event.pool, self.partitions)
        if home != self.partition:
            raise PoisonError(f"an input of a pool of partition {home} stands in partition {self.partition}")
        return refuse(event, RefusalReason.POOL_UNKNOWN, _NO_POOL, None, timestamp_ms)


def _settle_to_the_end(state: PoolState) -> list[PoolFact]:
    facts: list[PoolFact] = []
    while more := settle(state, state.now_ms):
        facts += more
    return facts
