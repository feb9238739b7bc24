"""`Watch`: when each agent was last heard of, of those who may vanish, and who has been silent for long.

Somebody is heard of all the time, and silence is looked for now and then. So hearing of an agent only notes the time; his place in the
order is put right when it comes up. Kept by `index`.
"""

from __future__ import annotations

import heapq
from typing import Final


class Watch:
    """The agents who are watched. `seen_ms`: when each was last heard of."""

    __slots__ = ("_queue", "_queued", "seen_ms")

    def __init__(self) -> None:
        self.seen_ms: Final[dict[str, int]] = {}
        self._queue: Final[list[tuple[int, str]]] = []  # A heap; an entry holds where `_queued` has its time.
        # For each agent who is watched, and some who were: a time at which he was heard of, or an earlier one.
        self._queued: Final[dict[str, int]] = {}

    def put(self, agent_id: str, seen_ms: int) -> None:
        """Watch this agent, who was last heard of then; he may be watched already."""
        self.seen_ms[agent_id] = seen_ms
        if seen_ms < self._queued.get(agent_id, seen_ms + 1):
            self._queued[agent_id] = seen_ms
            heapq.heappush(self._queue, (seen_ms, agent_id))

    def drop(self, agent_id: str) -> None:
        """Do not watch this agent (any more)."""
        self.seen_ms.pop(agent_id, None)

    def silent(self, since_ms: int) -> list[str]:
        """The agents of whom nothing was heard after this time."""
        found: dict[str, int] = {}
        while self._queue and self._queue[0][0] <= since_ms:
            queued_ms, agent_id = heapq.heappop(self._queue)
            if self._queued.get(agent_id) != queued_ms:
                continue
            del self._queued[agent_id]
            seen_ms = self.seen_ms.get(agent_id)
            if seen_ms is None:
                continue
            if seen_ms <= since_ms:
                found[agent_id] = seen_ms
            else:
                self.put(agent_id, seen_ms)
        for agent_id, seen_ms in found.items():
            self.put(agent_id, seen_ms)
        return list(found)
