"""Who had each customer's last contact, for a while. `apply` remembers, `decide` asks.

Customers are known by their address. Like the windows of ids it is kept in buckets of the facts' own time; a bucket that is over is never
written again, so that a frozen state shares it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.router.core import limits


class LastAgents:
    """Agents by customers' addresses. Times given to `add` must not fall."""

    __slots__ = ("_newest", "buckets")

    def __init__(self, buckets: Iterable[tuple[int, dict[str, str]]] = ()) -> None:
        self.buckets: Final[dict[int, dict[str, str]]] = dict(buckets)
        # Address -> the newest bucket that has it.
        self._newest: Final[dict[str, int]] = {}
        for number, agents in self.buckets.items():
            self._newest.update(dict.fromkeys(agents, number))

    def get(self, handle: str) -> str | None:
        """The agent who had this customer's last contact, if that was not long ago."""
        number = self._newest.get(handle)
        return None if number is None else self.buckets[number][handle]

    def add(self, handle: str, agent_id: str, at_ms: int) -> None:
        """The agent has a contact of this customer. A bucket that is full takes no more customers."""
        number = at_ms // limits.LAST_AGENTS_BUCKET_MS
        bucket = self.buckets.get(number)
        if bucket is None:
            self._forget((at_ms - limits.LAST_AGENTS_KEPT_MS) // limits.LAST_AGENTS_BUCKET_MS)
            bucket = self.buckets[number] = {}
        if handle in bucket or len(bucket) < limits.LAST_AGENTS_PER_BUCKET_MAX:
            bucket[handle] = agent_id
            self._newest[handle] = number

    def frozen_buckets(self) -> dict[int, dict[str, str]]:
        """The buckets as they are now, in order; later adding does not show in them."""
        copy = dict(self.buckets)
        if copy:
            newest = next(reversed(copy))
            copy[newest] = copy[newest].copy()
        return copy

    def _forget(self, before: int) -> None:
        # Buckets stand in the order of time, so that the old ones are in front.
        for number in [number for number in self.buckets if number < before]:
            for handle in self.buckets.pop(number):
                if self._newest[handle] == number:
                    del self._newest[handle]
