"""`PoolState`: everything that the router knows of one pool. A fold of the pool's facts; only `apply` changes it.

The shell makes one with `new_state`, or restores one from a snapshot, and must not change it by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from libs.common.events.inputs import AnyHandover
from libs.common.events.pool import ChannelConfiguration, QueueConfiguration, RoutingRules
from services.router.core import limits
from services.router.core.entities import Agent, CalendarState, Contact, EndedOffer, Forwarding, Offer, Pace
from services.router.core.index import Index
from services.router.core.last_agents import LastAgents
from services.router.core.requests import Requests
from services.router.core.terms import Terms, terms_of
from services.router.core.window import Window


@dataclass(slots=True, kw_only=True)
class PoolState:
    """One pool. Containers are changed in place, what they contain is immutable.

    `now_ms` is the time of the newest fact, `arrivals` and `offers_made` count contacts and offers since ever, `version` is that of
    the configuration in force, `heard_ms` when the agent API last told who is there.
    `queues` stand in the order of the configuration: the first takes what names none that exists. `drains`: the queues that are let run
    empty, and the queue that each is drained to, if to any.
    """

    pool: str
    version: str | None = None
    now_ms: int = 0
    arrivals: int = 0
    offers_made: int = 0
    queues: dict[str, QueueConfiguration] = field(default_factory=dict)
    channel_targets_ms: dict[str, int] = field(default_factory=dict)
    channels: dict[str, ChannelConfiguration] = field(default_factory=dict)
    rules: RoutingRules = field(default_factory=RoutingRules)
    calendars: dict[str, CalendarState] = field(default_factory=dict)
    heard_ms: int = 0
    drains: dict[str, str | None] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    messages: Window = field(default_factory=lambda: Window(limits.MESSAGES_KEPT_MS))
    commands: Window = field(default_factory=lambda: Window(limits.COMMANDS_KEPT_MS))
    resolved: Window = field(default_factory=lambda: Window(limits.RESOLVED_KEPT_MS))
    last_agents: LastAgents = field(default_factory=LastAgents)
    # Bucket of time -> offer id -> what became of it. A bucket that is over is never written again.
    ended_offers: dict[int, dict[str, EndedOffer]] = field(default_factory=dict)
    paces: dict[str, Pace] = field(default_factory=dict)  # By queue: those in which somebody had to wait so far.
    # Thread -> where its contact is now. Contact -> thread, the same the other way round.
    forwarded: dict[str, Forwarding] = field(default_factory=dict)
    forwarded_threads: dict[str, str] = field(default_factory=dict)
    # What other pools are to be told and is not known to stand in their inputs.
    outbox: dict[str, AnyHandover] = field(default_factory=dict)
    requests: Requests = field(default_factory=Requests)
    index: Index = field(default_factory=lambda: Index({}, (), (), 0, Terms()))

    def ended_offer(self, offer_id: str) -> EndedOffer | None:
        """What became of an offer that is no longer open, if that was not long ago."""
        for bucket in self.ended_offers.values():
            found = bucket.get(offer_id)
            if found is not None:
                return found
        return None


def new_state(pool: str) -> PoolState:
    """A pool of which nothing has been heard yet: no queue, no agent."""
    return PoolState(pool=pool)


def build_index(state: PoolState, now_ms: int, *, filled: bool = True) -> Index:
    """The index that goes with the rest of the state at this time. Everything in it counts as possibly unsettled."""
    terms = terms_of(state.queues, state.channels, state.rules)
    contacts, offers = state.contacts.values(), state.offers.values()
    return Index(state.agents, contacts, offers, now_ms, terms, state.calendars, moves_of(state), filled=filled)


def moves_of(state: PoolState) -> dict[str, str]:
    """Queue -> the queue that those are moved to who wait in it."""
    return {queue: to for queue, to in state.drains.items() if to is not None}


def rebuild_index(state: PoolState) -> None:
    """Compute the index anew from the rest of the state."""
    state.index = build_index(state, state.now_ms)
    state.index.lines.repaced.update(dict.fromkeys(state.paces))


def rebuilding_index(state: PoolState) -> Iterator[None]:
    """`rebuild_index` in slices; the state has its index once they are all done."""
    index = build_index(state, state.now_ms, filled=False)
    yield
    yield from index.filling(state.agents, state.contacts.values(), state.offers.values(), state.calendars)
    index.lines.repaced.update(dict.fromkeys(state.paces))
    state.index = index
