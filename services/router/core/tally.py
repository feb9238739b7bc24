"""`Tally`: how many there are of each of something, with nothing in it that there is none of. Kept by `index`."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


class Tally(dict[K, int]):
    """Numbers above zero."""

    def change(self, key: K, change: int) -> None:
        """There are so many more of it, or fewer."""
        count = self.get(key, 0) + change
        if count:
            self[key] = count
        else:
            del self[key]
