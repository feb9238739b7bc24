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
from collections.abc import Iterator
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
        while self._candidates:
            due_ms, sequence, contact_id, kind, source = heapq.heappop(self._candidates)
            group = self._index.waiting.by_contact.get(contact_id)
            agents = 0 if group is None else eligible_agents(self._index, group)
            if group is not None and agents:
                # Its source comes up again at the same place, and is then found changed.
                heapq.heappush(self._candidates, (due_ms, sequence, contact_id, kind, source))
                return self._offer(self._state.contacts[contact_id], group, agents)
            self._follow(kind, source, (due_ms, sequence, contact_id))
        return None

    def _follow(self, kind: int, source: ClassKey | str, tried: RankKey) -> None:
        """What was tried from this source is taken or cannot be offered: go on with what it has next, or call it clean."""
        if isinstance(source, str):
            self._push_agent(source)
            return
        group = self._index.waiting.classes.get(source)
        if group is not None and group.contacts.first() != tried:
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

    def _offer(self, contact: Contact, group: WaitingClass, agents: int) -> OfferMade:
        state = self._state
        order = self._index.orders[self._index.terms.strategy_of(contact.queue)]
        strategy = order.strategy
        if group.only is None:
            desk = choose_agent(self._index, order, group, agents)
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
                candidates=agents.bit_count(),
                left_out=left_out,
            ),
        )


def eligible_agents(index: Index, group: WaitingClass) -> int:
    """The agents that may be offered a contact of this class now, as bits."""
    if not group.open:
        return 0
    agents = group.requirement.agents & index.room(group.channel)
    if group.only is not None:
        return agents & 1 << index.desks[group.only].number
    if agents and group.excluded:
        for agent_id in group.excluded:
            number = index.capability.numbers.get(agent_id)
            if number is not None:
                agents &= ~(1 << number)
    return agents


def first_contact(index: Index, desk: Desk) -> RankKey | None:
    """The first by rank of the waiting contacts that this agent is eligible for."""
    if not desk.available:
        return None
    best: RankKey | None = None
    by_contact = index.waiting.by_contact
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
                if group.requirement.fits(desk.mask) and desk.agent_id not in group.excluded:
                    best = key
                    break
    return best


def choose_agent(index: Index, order: AgentOrder, group: WaitingClass, agents: int) -> Desk:
    """The first in this order among `agents` (bits; at least one), who are eligible for this class.

    Few are compared with one another. Of many, the first with each set of skills is looked for, and those are compared. Where there are
    too many sets for that, one of many agents stands near the front of the order, unless agents who do not fit take it up.
    """
    desks = index.desks
    count = agents.bit_count()
    profiles = group.requirement.profiles
    if count > _FEW and profiles is not None and len(profiles) < count:
        return desks[_first_by_profile(index, order, group, profiles, agents)[2]]
    available = len(order.placed)
    if count * count > available:
        for key in islice(order.keys, _WALK_FACTOR * available // count):
            desk = desks[key[2]]
            if _is_eligible(desk, group):
                return desk
    return desks[min(_order_keys(index, order, agents))[2]]


def _first_by_profile(
    index: Index, order: AgentOrder, group: WaitingClass, profiles: tuple[int, ...], agents: int
) -> OrderKey:
    best: OrderKey | None = None
    for profile in profiles:
        looked_for = False
        for key in order.peers[profile]:
            if best is not None and key > best:
                break
            if _is_eligible(index.desks[key[2]], group):
                best = key
                break
            if not looked_for:
                # All may be busy, and by some strategies they stand before everybody else all the same.
                if not agents & index.capability.members(profile):
                    break
                looked_for = True
    assert best is not None, "an agent with room is in the order of his peers"
    return best


def _is_eligible(desk: Desk, group: WaitingClass) -> bool:
    """Whether an available agent may be offered a contact of this class."""
    return group.requirement.fits(desk.mask) and desk.has_room(group.channel) and desk.agent_id not in group.excluded


def _order_keys(index: Index, order: AgentOrder, agents: int) -> Iterator[OrderKey]:
    names = index.capability.names
    for number in numbers_of(agents):
        yield order.placed[names[number]]


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
