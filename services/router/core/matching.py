"""Which waiting contact is offered to which agent next.

The rule: of the contacts that at least one eligible agent has room for, the one with the earliest rank, to that of its eligible agents
who comes first by the strategy of its queue. An agent is eligible when he is available and on his shift, has every skill at its level (of
at least one alternative), has room on the channel and is not in back-off for this contact, and the contact's queue is open; while a
contact is for one agent alone nobody else is. Settling applies the rule until no such contact is left.

`Matcher` finds that contact without looking at all of them: a pair can only have become possible where the index says `dirty`. It
changes nothing but these marks.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

from libs.common.events.routing import OfferMade, OfferReason
from services.router.core import limits
from services.router.core.capability import numbers_of
from services.router.core.desk import Desk
from services.router.core.entities import Contact
from services.router.core.index import Index
from services.router.core.model import PoolState
from services.router.core.strategies import AgentOrder, OrderKey
from services.router.core.waiting import ClassKey, RankKey, WaitingClass

# What an offer says instead of a strategy when its contact was for this agent alone.
PREFERRED_AGENT: Final = "preferred_agent"

# Why somebody is not offered a contact for a while: he declined it, or he passed it on, left it or had it taken from him.
DECLINED: Final = "declined"
BARRED: Final = "barred"

# By the rule the contact chosen is the first that its agent may take: were there an earlier one, that one would have been chosen.
_FIRST: Final = 1

# With more freed agents than this, looking at every class once costs less than looking from each agent.
_DIRTY_AGENTS_MAX: Final = 32

# Up to so many agents are simply compared.
_FEW: Final = 8

# How much further than to be expected the idle order is searched.
_WALK_FACTOR: Final = 4

_Candidate = tuple[int, int, str, int, ClassKey | str]
_CLASS: Final = 0
_AGENT: Final = 1


class Matcher:
    """One run of the rule over what the index marks as dirty, at `now_ms`. Between calls of `next_offer` the offer must be applied."""

    def __init__(self, state: PoolState, now_ms: int) -> None:
        self._state: Final = state
        self._index: Final = state.index
        self._now_ms: Final = now_ms
        self._candidates: Final[list[_Candidate]] = []
        self._offered: _Candidate | None = None  # By the last call, and applied since.
        index = self._index
        if len(index.dirty_agents) > _DIRTY_AGENTS_MAX:
            index.dirty_agents.clear()
            index.dirty_classes.update(dict.fromkeys(index.waiting.classes))
        for key in index.dirty_classes:
            self._push_class(index.waiting.classes[key])
        for agent_id in list(index.dirty_agents):
            self._push_agent(agent_id)

    def next_offer(self) -> OfferMade | None:
        """The next offer by the rule; None when no waiting contact can be offered to anybody."""
        if self._offered is not None:
            # Nothing that waits comes before what was just offered, so that its source is looked at first.
            self._follow(self._offered)
            self._offered = None
        while self._candidates:
            candidate = heapq.heappop(self._candidates)
            contact_id = candidate[2]
            group = self._index.waiting.by_contact.get(contact_id)
            if group is not None:
                profiles = eligible_profiles(self._index, group)
                if profiles:
                    self._offered = candidate
                    return self._offer(self._state.contacts[contact_id], group, profiles)
            self._follow(candidate)
        return None

    def _follow(self, tried: _Candidate) -> None:
        """What was tried from this source is taken or cannot be offered: go on with what it has next, or call it clean."""
        source = tried[4]
        if isinstance(source, str):
            self._push_agent(source)
            return
        group = self._index.waiting.classes.get(source)
        if group is not None and group.contacts.first() != tried[:3]:
            self._push_class(group)
        else:
            self._index.dirty_classes.pop(source, None)

    def _push_class(self, group: WaitingClass) -> None:
        heapq.heappush(self._candidates, (*group.contacts.first(), _CLASS, group.key))

    def _push_agent(self, agent_id: str) -> None:
        best = first_contact(self._index, self._index.desks[agent_id])
        if best is None:
            self._index.dirty_agents.pop(agent_id, None)
        else:
            heapq.heappush(self._candidates, (*best, _AGENT, agent_id))

    def _offer(self, contact: Contact, group: WaitingClass, profiles: int) -> OfferMade:
        state = self._state
        order = self._index.orders[self._index.terms.strategy_of(contact.queue)]
        strategy, candidates = order.strategy, 1
        if group.only is None:
            desk, candidates = choose_agent(self._index, order, group, profiles)
            left_out = _left_out(self._index, order, group, desk, contact)
        else:
            strategy, desk = PREFERRED_AGENT, self._index.desks[group.only]
            left_out = _excluded(group, contact)
        number = state.offers_made + 1
        return OfferMade(
            pool=state.pool,
            at_ms=self._now_ms,
            offer_id=f"off_{contact.id.removeprefix('con_')}_{number}",
            contact_id=contact.id,
            agent_id=desk.agent_id,
            expires_ms=self._now_ms + contact.offer_timeout_ms,
            reason=OfferReason(
                rank=_FIRST,
                waited_ms=max(0, self._now_ms - contact.received_ms),
                strategy=strategy,
                candidates=candidates,
                left_out=left_out,
            ),
        )


def eligible_profiles(index: Index, group: WaitingClass) -> int:
    """The profiles of agents who may be offered a contact of this class now, as bits."""
    if not group.open:
        return 0
    room = index.room(group.channel)
    if group.only is not None:
        desk = index.desks[group.only]
        return 1 << desk.profile if _is_eligible(desk, group) else 0
    profiles = group.requirement.profiles_among(room.profiles)
    if profiles and group.excluded:
        # A profile counts for nothing where everybody with room is left alone with the contact.
        excluded: dict[int, int] = {}
        for desk in _excluded_with_room(index, group):
            excluded[desk.profile] = excluded.get(desk.profile, 0) + 1
        for profile, count in excluded.items():
            if profiles >> profile & 1 and (not room.members or len(room.members[profile]) == count):
                profiles ^= 1 << profile
    return profiles


def _excluded_with_room(index: Index, group: WaitingClass) -> list[Desk]:
    """The agents in back-off for contacts of this class who are available and have room."""
    found = [index.desks.get(agent_id) for agent_id in group.excluded]
    return [desk for desk in found if desk is not None and group.channel in desk.room]


def first_contact(index: Index, desk: Desk) -> RankKey | None:
    """The first by rank of the waiting contacts that this agent is eligible for."""
    if not desk.available:
        return None
    best: RankKey | None = None
    by_contact, mask = index.waiting.by_contact, desk.mask
    for channel, anchors in index.waiting.heads.items():
        if not desk.has_room(channel):
            continue
        for anchor in desk.anchors:
            keys = anchors.get(anchor)
            if keys is None:
                continue
            for key in keys:
                if best is not None and key >= best:
                    break
                group = by_contact[key[2]]
                for needed in group.requirement.masks:  # As `fits` has it; called for each it would take twice as long.
                    if mask & needed == needed:
                        break
                else:
                    continue
                if desk.agent_id not in group.excluded:
                    best = key
                    break
    return best


def choose_agent(index: Index, order: AgentOrder, group: WaitingClass, profiles: int) -> tuple[Desk, int]:
    """The first in this order among the agents of these profiles who are eligible for this class, and how many there are; at least one.

    One of many agents stands near the front of the order, unless others take it up who do not fit. Else the first of each profile is
    looked for, and those are compared.
    """
    desks, room = index.desks, index.room(group.channel)
    members = room.members
    numbers: list[int] = []
    if index.capability.shared:
        numbers = numbers_of(profiles)
        count = sum([len(members[profile]) for profile in numbers])
        if group.excluded:
            count -= sum([profiles >> desk.profile & 1 for desk in _excluded_with_room(index, group)])
    else:
        count = profiles.bit_count()
    if count * (len(numbers) or count) > room.size:
        # Whoever has no room usually stands behind.
        for key in islice(order.keys, _WALK_FACTOR * room.size // count):
            desk = desks[key[2]]
            if _is_eligible(desk, group):
                return desk, count
    if index.capability.shared:
        keys = _first_keys(order, numbers, members, group.excluded)
    else:
        keys = [order.placed[index.capability.names[number]] for number in numbers_of(profiles)]
    return desks[min(keys)[2]], count


def _first_keys(
    order: AgentOrder, profiles: Iterable[int], members: Mapping[int, Mapping[str, None]], excluded: tuple[str, ...]
) -> list[OrderKey]:
    """Places in the order, among them the first of the agents of these profiles who have room (`members`) and are not `excluded`."""
    keys: list[OrderKey] = []
    placed = order.placed
    for profile in profiles:
        with_room = members[profile]
        if len(with_room) > _FEW:
            peers = order.peers[profile]
            for key in islice(peers, _WALK_FACTOR * len(peers) // len(with_room)):
                if key[2] in with_room and key[2] not in excluded:
                    keys.append(key)
                    break
            else:
                # Those who have no room may all stand in front.
                keys += [placed[agent_id] for agent_id in with_room if agent_id not in excluded]
        elif excluded:
            keys += [placed[agent_id] for agent_id in with_room if agent_id not in excluded]
        else:
            keys += [placed[agent_id] for agent_id in with_room]
    return keys


def _is_eligible(desk: Desk, group: WaitingClass) -> bool:
    """Whether an agent may be offered a contact of this class, on whose channel room was looked for."""
    return group.channel in desk.room and group.requirement.fits(desk.mask) and desk.agent_id not in group.excluded


def _excluded(group: WaitingClass, contact: Contact) -> dict[str, str]:
    """The agents in back-off for the contact, a handful, and why."""
    if not group.excluded:
        return {}
    declined = {decline.agent_id: decline.count for decline in contact.declines}
    return {name: DECLINED if declined[name] else BARRED for name in group.excluded[: limits.LEFT_OUT_MAX]}


def _left_out(index: Index, order: AgentOrder, group: WaitingClass, chosen: Desk, contact: Contact) -> dict[str, str]:
    """Who was passed over: agents in back-off for the contact, then those before the chosen one in the order; a handful."""
    left_out = _excluded(group, contact)
    off_shift = index.off_shift[order.strategy].keys
    for key in heapq.merge(order.keys, off_shift) if off_shift else order.keys:
        if len(left_out) >= limits.LEFT_OUT_MAX or key[2] == chosen.agent_id:
            break
        if key[2] not in left_out:
            desk = index.desks[key[2]]
            passed_over = "off-shift" if desk.off_shift else "no-room"
            left_out[desk.agent_id] = passed_over if group.requirement.fits(desk.mask) else "skill"
    return left_out
