"""Which of the agents who may take a contact is offered it: one order of agents for each strategy.

A strategy is a key function: the agent with the least key comes first. Every key ends with the agent's id, so that no two are equal and
nothing is left to chance, and changes only with what the agent has in hand, his idle time and his offers. `index` keeps the available
agents in these orders, `matching` takes the first that fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from services.router.core.desk import Desk
from services.router.core.sorting import SortedKeys

OrderKey = tuple[int, int, str]

# More things than anybody has in hand: one number can then hold how many skills he has and, after that, how much he has in hand.
_IN_HAND_END: Final = 1 << 20

DEFAULT_STRATEGY: Final = "longest_idle"


def _longest_idle(desk: Desk) -> OrderKey:
    return (len(desk.work), desk.idle_since_ms, desk.agent_id)


def _least_loaded(desk: Desk) -> OrderKey:
    return (desk.share(), desk.idle_since_ms, desk.agent_id)


def _round_robin(desk: Desk) -> OrderKey:
    return (desk.last_offer, 0, desk.agent_id)


def _most_skilled(desk: Desk) -> OrderKey:
    return (len(desk.work) - len(desk.skills) * _IN_HAND_END, desk.idle_since_ms, desk.agent_id)


def _least_skilled(desk: Desk) -> OrderKey:
    return (len(desk.work) + len(desk.skills) * _IN_HAND_END, desk.idle_since_ms, desk.agent_id)


STRATEGIES: Final[Mapping[str, Callable[[Desk], OrderKey]]] = {
    DEFAULT_STRATEGY: _longest_idle,  # Least in hand, then idle for longest.
    "least_loaded": _least_loaded,  # The smallest share of his capacity in use.
    "round_robin": _round_robin,  # Was offered something longest ago.
    "most_skilled": _most_skilled,  # Has the most skills.
    "least_skilled": _least_skilled,  # Has the fewest skills: those with rare ones stay free for what only they can take.
}


def known_strategy(name: str) -> str:
    """The strategy of this name; the default one where the name is unknown, which offers then say."""
    return name if name in STRATEGIES else DEFAULT_STRATEGY


class AgentOrder:
    """The available agents in the order of one strategy; `peers`: the same by their profiles, where they share those."""

    __slots__ = ("_by_profile", "_key", "keys", "peers", "placed", "strategy")

    def __init__(self, strategy: str, *, by_profile: bool = False) -> None:
        self.strategy: Final = strategy
        self._key: Final = STRATEGIES[strategy]
        self.keys: Final[SortedKeys[OrderKey]] = SortedKeys()
        self._by_profile: Final = by_profile
        self.peers: Final[dict[int, SortedKeys[OrderKey]]] = {}
        self.placed: Final[dict[str, OrderKey]] = {}

    def place(self, desk: Desk, *, present: bool) -> None:
        """Put an agent where he belongs now, or take him out when he is not `present`: not one of those who stand here."""
        before = self.placed.get(desk.agent_id)
        key = self._key(desk) if present else None
        if key == before:
            return
        if before is not None:
            self.keys.remove(before)
            if self._by_profile:
                self.peers[desk.profile].remove(before)
        if key is None:
            del self.placed[desk.agent_id]
            return
        self.placed[desk.agent_id] = key
        self.keys.add(key)
        if self._by_profile:
            peers = self.peers.get(desk.profile)
            if peers is None:
                peers = self.peers[desk.profile] = SortedKeys()
            peers.add(key)
