"""`EvictionQueue`: the agents who may hold what they must not, in the order of ids, so that it does not matter how they came here.

Kept by `index`, emptied by `evictions`.
"""

from __future__ import annotations

import heapq
from typing import Final


class EvictionQueue:
    """Agents, each once."""

    __slots__ = ("_flagged", "_queue")

    def __init__(self) -> None:
        self._queue: Final[list[str]] = []  # A heap.
        self._flagged: Final[dict[str, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._queue)

    def flag(self, agent_id: str) -> None:
        """What this agent has in hand may not be able to stay as it is, or he may not be there any more."""
        if agent_id not in self._flagged:
            self._flagged[agent_id] = None
            heapq.heappush(self._queue, agent_id)

    def first(self) -> str | None:
        """The agent to look at first."""
        return self._queue[0] if self._queue else None

    def drop(self) -> None:
        """The first agent holds nothing that he must not."""
        del self._flagged[heapq.heappop(self._queue)]
