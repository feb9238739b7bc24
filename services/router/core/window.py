"""`Window`: ids seen lately, in buckets of time. Used for message ids, command ids and resolved contacts; `apply` adds, `decide` asks.

Time is that of the facts, so that the same facts leave the same ids. A bucket that is over is never written again: a frozen
state shares it, and copies the newest one alone.
"""

from __future__ import annotations

from typing import Final

from services.router.core import limits


class Window:
    """Ids of at least the last `kept_ms`. Times given to `add` must not fall."""

    __slots__ = ("_seen", "buckets", "kept_ms")

    def __init__(self, kept_ms: int) -> None:
        self.kept_ms: Final = kept_ms
        self.buckets: Final[dict[int, list[str]]] = {}
        self._seen: Final[dict[str, None]] = {}

    def __contains__(self, seen_id: str) -> bool:
        return seen_id in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, seen_id: str, at_ms: int) -> None:
        """Remember an id. One that is there already keeps its time."""
        if seen_id in self._seen:
            return
        number = at_ms // limits.BUCKET_MS
        bucket = self.buckets.get(number)
        if bucket is None:
            self._forget((at_ms - self.kept_ms) // limits.BUCKET_MS)
            bucket = self.buckets[number] = []
        bucket.append(seen_id)
        self._seen[seen_id] = None

    def put_bucket(self, number: int, ids: list[str]) -> None:
        """A bucket from a snapshot; they come in the order of time."""
        self.buckets[number] = ids
        self._seen.update(dict.fromkeys(ids))

    def frozen_buckets(self) -> dict[int, list[str]]:
        """The buckets as they are now, in order; later adding does not show in them."""
        copy = dict(self.buckets)
        if copy:
            newest = next(reversed(copy))
            copy[newest] = copy[newest][:]
        return copy

    def _forget(self, before: int) -> None:
        # Buckets stand in the order of time, so that the old ones are in front.
        for number in [number for number in self.buckets if number < before]:
            for seen_id in self.buckets.pop(number):
                del self._seen[seen_id]
