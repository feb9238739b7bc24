"""Which generation the next snapshot may overwrite. Pure; a tenure's schedule asks it.

An append whose answer did not come may still arrive, long after another snapshot has been written over the same generation, and spoils that
one then. So the two newest complete snapshots are never touched, and a generation in which something may still arrive is passed over as
long as there is another: whatever arrives late, at most one of the two is spoilt, and the log reaches back to the older.
"""

from __future__ import annotations

from typing import Final

from services.router.snapshot import GENERATIONS, Manifest, StoredSnapshots

# So many complete snapshots stay as they are while the next one is written.
KEPT: Final = 2


class Generations:
    """What the generations of a partition hold, as far as its writer knows."""

    def __init__(self, stored: StoredSnapshots) -> None:
        self._complete: list[Manifest] = []  # The newest first.
        self._doubtful: Final[dict[int, None]] = {}  # The one that has been so for the longest first.
        self.read(stored)

    @property
    def kept(self) -> tuple[Manifest, ...]:
        """The complete snapshots that recovery is to find, the newest first."""
        return tuple(self._complete[:KEPT])

    def next(self) -> int:
        """The generation for the next snapshot: one in which nothing is awaited, and of these the one with the oldest content."""
        held = {manifest.generation: -place for place, manifest in enumerate(self._complete, 1)}
        kept = {manifest.generation for manifest in self.kept}
        free = [generation for generation in GENERATIONS if generation not in kept]
        clean = [generation for generation in free if generation not in self._doubtful]
        if clean:
            return min(clean, key=lambda generation: held.get(generation, -len(GENERATIONS) - 1))
        return next(generation for generation in self._doubtful if generation in free)

    def read(self, stored: StoredSnapshots) -> None:
        """The stream was read anew. What is torn may be somebody's who still writes."""
        self._complete = [snapshot.manifest for snapshot in stored.snapshots]
        for generation in stored.torn:
            self._doubtful.setdefault(generation)

    def completed(self, manifest: Manifest) -> None:
        """A snapshot was written, and is the newest."""
        others = [other for other in self._complete if other.generation != manifest.generation]
        self._complete = [manifest, *others]

    def failed(self, generation: int) -> None:
        """A snapshot was not written to its end: something of it may still arrive."""
        self._complete = [manifest for manifest in self._complete if manifest.generation != generation]
        self._doubtful.pop(generation, None)
        self._doubtful[generation] = None
