"""What can be computed from a pool's state and is kept at hand instead: who has what, who has room, who waits, what is due when.

`apply` tells it of every change; `matching`, `settle` and `decide` ask it. It is in no snapshot: restoring builds it anew, and
`invariants.check` compares it with one built anew. Besides, it remembers where something may be left to settle: agents and classes
of contacts that are `dirty` may have become matchable, the agents flagged for eviction may hold what they must not. Both may name too
much, never too little, and neither changes what is decided.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from services.router.core import timer_kinds
from services.router.core.calendars import next_turn_ms
from services.router.core.capability import Capability
from services.router.core.desk import Desk
from services.router.core.entities import WATCHED, Agent, CalendarState, Contact, Offer, Presence
from services.router.core.eviction_queue import EvictionQueue
from services.router.core.lines import Lines
from services.router.core.moving import Moving
from services.router.core.numbers import Numbers
from services.router.core.overflow_times import push_overflow
from services.router.core.reservations import kept_for, must_flag
from services.router.core.roster import Roster
from services.router.core.strategies import AgentOrder
from services.router.core.tally import Tally
from services.router.core.terms import Terms
from services.router.core.timer_kinds import Timer
from services.router.core.transitions import JOINABLE, ContactState
from services.router.core.waiting import ClassKey, WaitingContacts
from services.router.core.watch import Watch

_SLICE: Final = 256
_NOTHING: Final[Mapping[str, Any]] = {}


class Index:
    """The index of one pool. `now_ms`: back-offs up to then are over for it."""

    __slots__ = (
        "_ended",
        "abandoned",
        "asked_needs",
        "calendars",
        "callbacks",
        "capability",
        "closed",
        "desks",
        "dirty_agents",
        "dirty_classes",
        "evictions",
        "lines",
        "moving",
        "named",
        "now_ms",
        "off_shift",
        "orders",
        "presences",
        "rooms",
        "shifts",
        "terms",
        "threads",
        "timers",
        "unflagged",
        "waiting",
        "watch",
    )

    def __init__(
        self,
        agents: Mapping[str, Agent],
        contacts: Iterable[Contact],
        offers: Iterable[Offer],
        now_ms: int,
        terms: Terms,
        calendars: Mapping[str, CalendarState] = _NOTHING,
        moves: Mapping[str, str] = _NOTHING,
        *,
        filled: bool = True,
    ) -> None:
        self.now_ms = now_ms
        self.terms: Final = terms
        self.calendars: Final = calendars  # The state's own, as they are at any time.
        self.capability: Final = Capability(agents.values())
        # Calendars that the facts have not opened. One that is named somewhere and not there closes nothing.
        self.closed: Final = {calendar.id: None for calendar in calendars.values() if not calendar.open}
        self.shifts: Final[dict[str, dict[str, None]]] = {}  # Calendar -> the agents whose shifts it is.
        self.waiting: Final = WaitingContacts(self.capability, self.closed)
        self.desks: Final[dict[str, Desk]] = {}
        self.orders: Final = {
            strategy: AgentOrder(strategy, by_profile=self.capability.shared) for strategy in terms.strategies
        }
        # Who would be available if it were his shift.
        self.off_shift: Final = {strategy: AgentOrder(strategy) for strategy in terms.strategies}
        self.rooms: Final[dict[str, Roster]] = {}  # Channel -> the available agents with room.
        # Queue and skills of an input -> what its contact asks for under this configuration, see `decide_messages`.
        self.asked_needs: Final[dict[tuple[Any, ...], tuple[dict[str, int], tuple[dict[str, int], ...]]]] = {}
        self.threads: Final[dict[str, str]] = {}  # Thread -> the contact that its next message joins.
        self.abandoned: Final[dict[str, str]] = {}  # Thread -> the contact that its next message brings back.
        self.callbacks: Final = Numbers()
        self.timers: Final[list[Timer]] = []  # A heap; entries that no longer hold are dropped when they come up.
        self.watch: Final = Watch()  # Who may have vanished.
        self.presences: Final[Tally[str]] = Tally()
        self.dirty_agents: Final[dict[str, None]] = {}
        self.dirty_classes: Final[dict[ClassKey, None]] = {}
        self.evictions: Final = EvictionQueue()
        # What ended after the last fact and changed a contact's class, in the order of time.
        self._ended: list[Timer] = []
        self.unflagged: Final[dict[str, None]] = {}  # Waiting contacts that somebody must still be told about.
        self.lines: Final = Lines(self.desks, self.capability)
        self.moving = Moving(moves)
        # Agent -> the waiting contacts that are for him alone, if he can be offered them. He need not be there.
        self.named: Final[dict[str, dict[str, Contact]]] = {}
        if filled:
            for _ in self.filling(agents, contacts, offers, calendars):
                pass

    def filling(
        self,
        agents: Mapping[str, Agent],
        contacts: Iterable[Contact],
        offers: Iterable[Offer],
        calendars: Mapping[str, CalendarState],
    ) -> Iterator[None]:
        """Put in what the index was made for, in slices of some hundred; for whoever made it not `filled`."""
        for number, agent in enumerate(agents.values()):
            self.add_agent(agent)
            if number % _SLICE == 0:
                yield
        for number, contact in enumerate(contacts):
            self.add_contact(contact)
            if number % _SLICE == 0:
                yield
        for offer in offers:
            heapq.heappush(self.timers, (offer.expires_ms, timer_kinds.OFFER, offer.id))
        for calendar in calendars.values():
            self.add_calendar(calendar)
        for agent in agents.values():
            desk = self.desks[agent.id]
            if agent.removed or agent.missed or not desk.is_empty() or agent.id in self.watch.seen_ms:
                self.evictions.flag(agent.id)

    # Agents

    def add_agent(self, agent: Agent) -> None:
        """An agent of this configuration, with nothing in hand yet."""
        profile = self.capability.profile_of(agent)
        desk = Desk(agent, profile, self.capability.mask_of(profile), self.terms.room)
        self.desks[agent.id] = desk
        if agent.shift is not None:
            self.shifts.setdefault(agent.shift, {})[agent.id] = None
        self.presences.change(agent.presence, 1)
        self.place_agent(agent, self.rooms)

    def remove_agent(self, agent: Agent) -> None:
        """An agent who is gone, holds nothing and gets no offers."""
        desk = self.desks.pop(agent.id)
        assert desk.is_empty(), "an agent goes empty-handed"
        assert not desk.available, "an agent who goes is not available"
        for order in self.off_shift.values():
            order.place(desk, present=False)
        self.watch.drop(agent.id)
        if agent.shift is not None:
            del self.shifts[agent.shift][agent.id]
        self.presences.change(agent.presence, -1)
        self.dirty_agents.pop(agent.id, None)

    def change_presence(self, before: Agent, after: Agent) -> None:
        """The agent's presence or idle time changed; what he holds may have to be taken back."""
        self.presences.change(before.presence, -1)
        self.presences.change(after.presence, 1)
        self.place_agent(after, self.rooms)
        self.evictions.flag(after.id)

    def place_agent(self, agent: Agent, channels: Iterable[str]) -> None:
        """Put an agent where his presence, load, idle time and last offer belong; his load on other `channels` has not changed."""
        desk = self.desks[agent.id]
        present = agent.presence is Presence.AVAILABLE and not agent.removed
        was_available = desk.available
        desk.off_shift = present and agent.shift in self.closed
        desk.available = present and not desk.off_shift
        desk.idle_since_ms = agent.idle_since_ms
        desk.last_offer = agent.last_offer
        if self.terms.vanish_after_ms and agent.presence in WATCHED and not agent.removed:
            self.watch.put(agent.id, agent.seen_ms)
        else:
            self.watch.drop(agent.id)
        self._place_desk(desk, channels)
        if was_available is not desk.available:
            self.lines.change_duty(desk)
            for contact in tuple(self.named.get(agent.id, {}).values()):
                self._wait_anew(contact)

    def see_agent(self, agent: Agent) -> None:
        """An agent was heard of; nothing else about him has changed."""
        if agent.id in self.watch.seen_ms:
            self.watch.put(agent.id, agent.seen_ms)

    def free_agent(self, agent: Agent, channel: str) -> None:
        """A contact of this channel has left an agent's hands; nothing about him has changed but his idle time."""
        desk = self.desks[agent.id]
        desk.idle_since_ms = agent.idle_since_ms
        self._place_desk(desk, (channel,))

    def load_agent(self, agent_id: str, channel: str) -> None:
        """What an agent has in hand of this channel has changed, and nothing else about him."""
        self._place_desk(self.desks[agent_id], (channel,))

    def _place_desk(self, desk: Desk, channels: Iterable[str]) -> None:
        for order in self.orders.values():
            order.place(desk, present=desk.available)
        if desk.shift is not None:
            for order in self.off_shift.values():
                order.place(desk, present=desk.off_shift)
        # Where channels touch one another, what he has in hand of one changes his room on others.
        for channel in channels if desk.rules is None else tuple(self.rooms):
            self._place_room(desk, channel)

    def _place_room(self, desk: Desk, channel: str) -> None:
        room = self.rooms.get(channel)
        if room is None:
            return  # Nobody has waited on this channel yet; `room` will look at everybody.
        has = desk.available and desk.has_room(channel)
        if has == (channel in desk.room):
            return
        if has:
            room.put(desk)
            desk.room[channel] = None
            self.dirty_agents[desk.agent_id] = None
        else:
            room.take(desk)
            del desk.room[channel]

    def room(self, channel: str) -> Roster:
        """The available agents with room on this channel."""
        found = self.rooms.get(channel)
        if found is None:
            # Nobody becomes dirty by this: every class of a channel that nobody looked at is dirty itself.
            with_room = [desk for desk in self.desks.values() if desk.available and desk.has_room(channel)]
            for desk in with_room:
                desk.room[channel] = None
            found = self.rooms[channel] = Roster(self.capability, with_room)
        return found

    def is_unsettled(self) -> bool:
        """Whether settling has anything to look at, apart from the time."""
        return bool(
            self.dirty_agents
            or self.dirty_classes
            or self.evictions
            or self.unflagged
            or self.lines.untold
            or self.lines.repaced
            or self.moving.contacts
        )

    # Contacts

    def add_contact(self, contact: Contact) -> None:
        """A contact, in whatever state it is."""
        if contact.state in JOINABLE:
            self.threads[contact.thread_id] = contact.id
            self.callbacks.add(contact)
        if contact.state is ContactState.QUEUED:
            self._wait(contact)
            return
        if contact.state is ContactState.SCHEDULED and contact.callback is not None:
            heapq.heappush(self.timers, (contact.callback.not_before_ms, timer_kinds.CALLBACK, contact.id))
            return
        if contact.state is ContactState.ABANDONED:
            self.abandoned[contact.thread_id] = contact.id
            heapq.heappush(self.timers, (contact.resumable_until_ms, timer_kinds.ABANDONED, contact.id))
            return
        assert contact.agent_id is not None, "a contact that does not wait is with an agent"
        desk = self.desks[contact.agent_id]
        desk.take(contact)
        # There may be no room left for what he was offered, or be some for a held contact whose customer wrote.
        if contact.awaited or (desk.offers_open and contact.state is not ContactState.OFFERED):
            self.evictions.flag(desk.agent_id)
        if contact.frees_room:
            return
        self._place_desk(desk, (contact.channel,))
        if contact.wrap_up is not None and contact.wrap_up.until_ms:
            heapq.heappush(self.timers, (contact.wrap_up.until_ms, timer_kinds.WRAP_UP, contact.id))

    def accept_contact(self, contact: Contact) -> None:
        """A contact that was offered to its agent is his now; it was in his hands before."""
        assert contact.agent_id is not None, "a contact that was offered is with an agent"
        desk = self.desks[contact.agent_id]
        desk.offers_open -= 1
        if desk.rules is not None:
            self._place_desk(desk, ())

    def remove_contact(self, contact: Contact) -> None:
        """The opposite of `add_contact`, for the contact as it is now. Its agent, if it had one, must then be placed."""
        if contact.state in JOINABLE:
            del self.threads[contact.thread_id]
            self.callbacks.remove(contact)
        if contact.state is ContactState.QUEUED:
            self._stop_waiting(contact)
            return
        if contact.state is ContactState.ABANDONED:
            del self.abandoned[contact.thread_id]
        if contact.agent_id is None:
            return
        desk = self.desks[contact.agent_id]
        desk.give(contact)
        if desk.awaited:
            self.evictions.flag(desk.agent_id)

    def _wait(self, contact: Contact) -> None:
        excluded: tuple[str, ...] = ()
        if contact.declines:
            excluded = tuple(sorted(decline.agent_id for decline in contact.declines if decline.until_ms > self.now_ms))
            for decline in contact.declines:
                if decline.until_ms > self.now_ms:
                    heapq.heappush(self.timers, (decline.until_ms, timer_kinds.BACKOFF, contact.id))
            if must_flag(contact, self.terms.flag_after_declines):
                self.unflagged[contact.id] = None
        if contact.relax_ms and contact.relaxed < self.terms.relaxations.get(contact.queue, 0):
            heapq.heappush(self.timers, (contact.relax_ms, timer_kinds.RELAX, contact.id))
        if contact.queue in self.terms.overflows:
            push_overflow(self.timers, contact, self.terms, self.calendars)
        only = None if contact.only_agent is None else self._only_of(contact, contact.only_agent)
        group = self.waiting.add(contact, excluded, gate=self.terms.gate_of(contact), only=only)
        if group.open:
            self.dirty_classes[group.key] = None
        self.lines.add(contact)
        self.moving.add(contact)

    def tell_contact(self, contact: Contact) -> None:
        """It was said of a waiting contact that it waits; nothing else about it is different."""
        del self.lines.untold[contact.id]
        named = self.named.get(contact.only_agent or "", {})
        if contact.id in named:
            named[contact.id] = contact

    def _only_of(self, contact: Contact, agent_id: str) -> str | None:
        if contact.only_until_ms <= self.now_ms:
            return None
        self.named.setdefault(agent_id, {})[contact.id] = contact
        heapq.heappush(self.timers, (contact.only_until_ms, timer_kinds.ONLY, contact.id))
        return kept_for(contact, self.desks, self.capability, self.now_ms)

    def _wait_anew(self, contact: Contact) -> None:
        self._stop_waiting(contact)
        self._wait(contact)

    def _stop_waiting(self, contact: Contact) -> None:
        if contact.declines:
            self.unflagged.pop(contact.id, None)
        if contact.only_agent is not None:
            named = self.named.get(contact.only_agent, {})
            if named.pop(contact.id, None) is not None and not named:
                del self.named[contact.only_agent]
        self.lines.remove(contact)
        self.moving.remove(contact)
        group = self.waiting.remove(contact)
        if not group.contacts:
            self.dirty_classes.pop(group.key, None)

    # Time

    def add_offer(self, offer: Offer) -> None:
        """An offer runs out some time."""
        heapq.heappush(self.timers, (offer.expires_ms, timer_kinds.OFFER, offer.id))

    def add_calendar(self, calendar: CalendarState) -> None:
        """A calendar turns some time."""
        turn_ms = next_turn_ms(calendar)
        if turn_ms is not None:
            heapq.heappush(self.timers, (turn_ms, timer_kinds.CALENDAR, calendar.id))

    def end_restriction(self, contact: Contact, timer: Timer) -> None:
        """At `timer`'s time a back-off is over, or a waiting contact is no longer for one agent alone: it moves to another class."""
        self._ended.append(timer)
        self.now_ms = max(self.now_ms, timer[0])
        self._wait_anew(contact)

    def set_back(self, now_ms: int, contacts: Mapping[str, Contact]) -> None:
        """The time of an input lies before that of an earlier one, from which no fact came: take back what ended in between.

        Only so does what is decided depend on the facts and the time alone, whatever came and went without effect.
        """
        self.now_ms = now_ms
        while self._ended and self._ended[-1][0] > now_ms:
            contact = contacts.get(self._ended.pop()[2])
            if contact is not None and contact.state is ContactState.QUEUED:
                self._wait_anew(contact)

    def forget_ended(self, now_ms: int) -> None:
        """A fact was applied: the time will not go back before it."""
        if self._ended and self._ended[-1][0] <= now_ms:
            self._ended.clear()
