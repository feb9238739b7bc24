"""Other ways to say how long a contact will wait, to compare the router's with: computed beside a simulation from the same facts.

`last`: as long as the last who came to an agent had waited (LES; R. Ibrahim and W. Whitt, "Real-time delay estimation based on delay
history", 2009). `head`: as long as the first in line has waited (HOL, there). `rate`: those in front at the rate of the last quarter of an
hour. None of them decides anything.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Final

from libs.common.events.routing import (
    ContactAbandoned,
    ContactAssigned,
    ContactQueued,
    OfferMade,
    PoolFact,
    WaitExpected,
)

_WINDOW_MS: Final = 900_000
_KNOWN_FROM: Final = 3

NAMES: Final = ("last", "head", "rate")


class Rivals:
    """An observer of a simulation. `expected`: by name, contact and what it would have been told."""

    def __init__(self) -> None:
        self.expected: Final[dict[str, dict[str, int]]] = {name: {} for name in NAMES}
        self._since: Final[dict[str, tuple[str, int]]] = {}  # Contact -> its queue, and when it came.
        self._waiting: Final[defaultdict[str, dict[str, None]]] = defaultdict(dict)
        self._last: Final[dict[str, int]] = {}
        self._answered: Final[defaultdict[str, deque[int]]] = defaultdict(deque)
        self._told: Final[dict[str, None]] = {}

    def note(self, fact: PoolFact) -> None:
        """The next fact."""
        fold = _FOLDS.get(type(fact))
        if fold is not None:
            fold(self, fact)

    def _queue(self, fact: ContactQueued) -> None:
        self._since[fact.contact_id] = (fact.queue, fact.at_ms)
        self._waiting[fact.queue][fact.contact_id] = None

    def _offer(self, fact: OfferMade) -> None:
        queue, _ = self._since[fact.contact_id]
        self._waiting[queue].pop(fact.contact_id, None)

    def _assign(self, fact: ContactAssigned) -> None:
        queue, since_ms = self._since[fact.contact_id]
        self._answered[queue].append(fact.at_ms)
        if self._told.pop(fact.contact_id, self) is None:
            self._last[queue] = fact.at_ms - since_ms

    def _leave(self, fact: ContactAbandoned) -> None:
        queue, _ = self._since[fact.contact_id]
        self._waiting[queue].pop(fact.contact_id, None)

    def _tell(self, fact: WaitExpected) -> None:
        queue, _ = self._since[fact.contact_id]
        self._told[fact.contact_id] = None
        if queue in self._last:
            self.expected["last"][fact.contact_id] = self._last[queue]
        first = next(iter(self._waiting[queue]))
        self.expected["head"][fact.contact_id] = fact.at_ms - self._since[first][1]
        answered = self._answered[queue]
        while answered and answered[0] < fact.at_ms - _WINDOW_MS:
            answered.popleft()
        if len(answered) >= _KNOWN_FROM:
            self.expected["rate"][fact.contact_id] = fact.position * _WINDOW_MS // len(answered)


_FOLDS: Final[dict[type, Callable[[Rivals, Any], None]]] = {
    ContactQueued: Rivals._queue,
    OfferMade: Rivals._offer,
    ContactAssigned: Rivals._assign,
    ContactAbandoned: Rivals._leave,
    WaitExpected: Rivals._tell,
}
