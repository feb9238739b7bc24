"""`SortedKeys`: distinct keys in order, with adding, removing and the first one at a cost that hardly grows with their number.

A list of short sorted lists. It knows nothing of contacts or agents; `waiting` and `index` keep their orders in it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, Generic, Protocol, Self, TypeVar

# A full list is split in two. Moving a few kilobytes costs less than another level of search.
_CHUNK_MAX: Final = 1024


class Ordered(Protocol):
    """Anything that can be put into an order."""

    def __lt__(self, other: Self, /) -> bool:
        """Whether this comes before the other."""
        ...


K = TypeVar("K", bound=Ordered)


class SortedKeys(Generic[K]):
    """Distinct keys in ascending order. Adding one twice or removing one that is not there is a programming error."""

    __slots__ = ("_chunks", "_lasts", "_size")

    def __init__(self, keys: Iterable[K] = ()) -> None:
        self._chunks: list[list[K]] = []
        self._lasts: list[K] = []  # Of each chunk.
        self._size = 0
        if keys:
            ordered = sorted(keys)
            self._size = len(ordered)
            half = _CHUNK_MAX // 2
            self._chunks += [ordered[i : i + half] for i in range(0, len(ordered), half)]
            self._lasts += [chunk[-1] for chunk in self._chunks]

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._chunks)

    def first(self) -> K:
        """The smallest key. There must be one."""
        return self._chunks[0][0]

    def count_before(self, key: K) -> int:
        """How many keys are smaller than this one, which may be there or not."""
        at = bisect_left(self._lasts, key)
        if at == len(self._lasts):
            return self._size
        within = bisect_left(self._chunks[at], key)
        if 2 * at > len(self._chunks):  # Newcomers stand at the end.
            return self._size - sum(map(len, self._chunks[at:])) + within
        return sum(map(len, self._chunks[:at])) + within

    def add(self, key: K) -> None:
        """Put a key in its place."""
        self._size += 1
        lasts = self._lasts
        if not lasts:
            self._chunks.append([key])
            lasts.append(key)
            return
        if lasts[-1] < key:
            at = len(lasts) - 1
            chunk = self._chunks[at]
            chunk.append(key)
            lasts[at] = key
        else:
            at = bisect_left(lasts, key) if len(lasts) > 1 else 0
            chunk = self._chunks[at]
            place = bisect_left(chunk, key)
            assert chunk[place] != key, "a key is added once"
            chunk.insert(place, key)
        if len(chunk) > _CHUNK_MAX:
            half = len(chunk) // 2
            self._chunks.insert(at + 1, chunk[half:])
            lasts.insert(at, chunk[half - 1])
            del chunk[half:]

    def remove(self, key: K) -> None:
        """Take a key out."""
        self._size -= 1
        lasts = self._lasts
        at = bisect_left(lasts, key) if len(lasts) > 1 else 0
        chunk = self._chunks[at]
        place = bisect_left(chunk, key)
        assert chunk[place] == key, "only a key that is there is removed"
        del chunk[place]
        if not chunk:
            del self._chunks[at]
            del lasts[at]
        elif place == len(chunk):
            lasts[at] = chunk[-1]
