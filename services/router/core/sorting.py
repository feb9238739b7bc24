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

    __slots__ = ("_chunks", "_lasts")

    def __init__(self, keys: Iterable[K] = ()) -> None:
        ordered = sorted(keys)
        half = _CHUNK_MAX // 2
        self._chunks: list[list[K]] = [ordered[i : i + half] for i in range(0, len(ordered), half)]
        self._lasts: list[K] = [chunk[-1] for chunk in self._chunks]

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def __len__(self) -> int:
        return sum(map(len, self._chunks))

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._chunks)

    def first(self) -> K:
        """The smallest key. There must be one."""
        return self._chunks[0][0]

    def count_before(self, key: K) -> int:
        """How many keys are smaller than this one, which may be there or not."""
        at = bisect_left(self._lasts, key)
        if at == len(self._lasts):
            return len(self)
        return sum(map(len, self._chunks[:at])) + bisect_left(self._chunks[at], key)

    def add(self, key: K) -> None:
        """Put a key in its place."""
        if not self._chunks:
            self._chunks.append([key])
            self._lasts.append(key)
            return
        at = bisect_left(self._lasts, key)
        if at == len(self._lasts):
            at -= 1
            chunk = self._chunks[at]
            chunk.append(key)
            self._lasts[at] = key
        else:
            chunk = self._chunks[at]
            place = bisect_left(chunk, key)
            assert chunk[place] != key, "a key is added once"
            chunk.insert(place, key)
        if len(chunk) > _CHUNK_MAX:
            half = len(chunk) // 2
            self._chunks.insert(at + 1, chunk[half:])
            self._lasts.insert(at, chunk[half - 1])
            del chunk[half:]

    def remove(self, key: K) -> None:
        """Take a key out."""
        at = bisect_left(self._lasts, key)
        chunk = self._chunks[at]
        place = bisect_left(chunk, key)
        assert chunk[place] == key, "only a key that is there is removed"
        del chunk[place]
        if not chunk:
            del self._chunks[at]
            del self._lasts[at]
        elif place == len(chunk):
            self._lasts[at] = chunk[-1]
