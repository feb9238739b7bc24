"""`Desk`: what one agent has in hand, and what follows for what he may be given. Kept by `index`; `strategies` and `matching` read it."""

from __future__ import annotations

from typing import Final

from services.router.core.entities import Agent, Contact
from services.router.core.room import RoomRules
from services.router.core.transitions import ContactState

# An agent's whole capacity, for shares of it in whole numbers.
WHOLE: Final = 1_000_000


class Desk:
    """`work`: contacts that take up room. `loads` counts them by channel, `offers_open` those that are offered. `held`: contacts that are
    held and take up none. `awaited`: held contacts whose customer has written since.

    `available`: he may be offered something; `off_shift`: he is not because of his `shift` alone.

    `room` are the channels on which he counts as having room. `profile` and `mask`: his skills, see
    `capability`. `anchors`: where to look for contacts that wait for somebody like him, see `waiting`.
    `rules` None: nothing but the number on each channel limits him.
    """

    __slots__ = (
        "agent_id",
        "anchors",
        "available",
        "awaited",
        "capacity",
        "held",
        "idle_since_ms",
        "last_offer",
        "loads",
        "mask",
        "off_shift",
        "offers_open",
        "profile",
        "room",
        "room_rules",
        "rules",
        "shift",
        "skills",
        "units",
        "work",
    )

    def __init__(self, agent: Agent, profile: int, mask: int, rules: RoomRules) -> None:
        self.agent_id: Final = agent.id
        self.profile: Final = profile
        self.mask: Final = mask
        self.skills: Final = agent.skills
        self.anchors: Final = (None, (agent.id,), *agent.skills)
        self.capacity: Final = agent.capacity
        self.units: Final = agent.units
        self.room_rules: Final = rules
        self.rules: Final = rules if rules.concern(agent.units) else None
        self.loads: Final[dict[str, int]] = {}
        self.work: Final[dict[str, None]] = {}
        self.held: Final[dict[str, None]] = {}
        self.awaited: Final[dict[str, None]] = {}
        self.room: Final[dict[str, None]] = {}
        self.offers_open = 0
        self.shift: Final = agent.shift
        self.available = False
        self.off_shift = False
        self.idle_since_ms = agent.idle_since_ms
        self.last_offer = agent.last_offer

    def take(self, contact: Contact) -> None:
        """A contact comes into his hands, in whatever state it is."""
        if contact.awaited:
            self.awaited[contact.id] = None
        if contact.frees_room:
            self.held[contact.id] = None
            return
        self.work[contact.id] = None
        self.loads[contact.channel] = self.loads.get(contact.channel, 0) + 1
        self.offers_open += contact.state is ContactState.OFFERED

    def give(self, contact: Contact) -> None:
        """A contact leaves his hands, as it is now."""
        self.awaited.pop(contact.id, None)
        if contact.frees_room:
            del self.held[contact.id]
            return
        del self.work[contact.id]
        self.offers_open -= contact.state is ContactState.OFFERED
        load = self.loads[contact.channel] - 1
        if load:
            self.loads[contact.channel] = load
        else:
            del self.loads[contact.channel]

    def has_room(self, channel: str) -> bool:
        """Whether one more contact on this channel is within capacity, which is one on a channel not named."""
        if self.loads.get(channel, 0) >= self.capacity.get(channel, 1):
            return False
        return self.rules is None or self.rules.allow(channel, self.loads, self.units, self.offers_open)

    def has_room_for_offer(self, channel: str) -> bool:
        """Whether an offer of this channel, which is in hand, may stay there."""
        others = dict(self.loads)
        others[channel] -= 1
        if others[channel] >= self.capacity.get(channel, 1):
            return False
        if not others[channel]:
            del others[channel]
        return self.rules is None or self.rules.may_stay(channel, others, self.units)

    def fits(self, channel: str) -> bool:
        """Whether one more contact on this channel that is not offered would be within his limits."""
        if self.loads.get(channel, 0) >= self.capacity.get(channel, 1):
            return False
        return self.rules is None or self.rules.may_stay(channel, self.loads, self.units)

    def is_empty(self) -> bool:
        """Whether there is nothing in hand at all."""
        return not self.work and not self.held

    def share(self) -> int:
        """How much of his capacity is used, of `WHOLE`: by units where he has some, else each contact as its part of its channel's
        number.
        """
        if self.units is not None:
            return self.room_rules.units_used(self.loads) * WHOLE // max(1, self.units)
        return sum(count * WHOLE // max(1, self.capacity.get(channel, 1)) for channel, count in self.loads.items())
