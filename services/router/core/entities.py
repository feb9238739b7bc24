"""What a pool holds: contacts, offers and agents. Immutable; a change makes a new one, so that a frozen state stays as it was.

The garbage collector need not look at them (`gc=False`): what is immutable when it is made contains nothing that contains it.
They are written into snapshots as they stand here, by position: a new field goes to the end and has a default. What can be
computed from them is not in them (see `index`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from libs.common.events.message import Letter
from services.router.core.transitions import ContactState


class Presence(StrEnum):
    """Whether an agent gets offers: only one who is available does."""

    AVAILABLE = "available"
    BUSY = "busy"
    BREAK = "break"
    OFFLINE = "offline"
    NOT_RESPONDING = "not_responding"  # Set by the router alone, until the agent says otherwise.


# Presences that an agent does not choose to be away with: whoever is not heard of meanwhile has vanished.
WATCHED: Final = (Presence.AVAILABLE, Presence.NOT_RESPONDING)


class OfferOutcome(StrEnum):
    """How an offer ended."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


Skills = tuple[tuple[str, int], ...]
Needs = tuple[Skills, ...]  # All of at least one of them.
Rank = tuple[int, int]


class Decline(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An agent declined a contact, or let its offer run out, `count` times; he is left alone with it until `until_ms`.

    `count` 0: he did not decline it, he passed it on, left while it was offered to him, or it was taken from him.
    """

    agent_id: str
    count: int
    until_ms: int


class WrapUp(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A contact's conversation is over and its agent finishes up, until `until_ms` at the latest (0: until he is done).

    The rest is for its last fact.
    """

    until_ms: int
    disposition: str | None
    summary: str | None
    follow_up: bool


class Callback(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The customer of a contact is to be called at `handle`, not before `not_before_ms`. `attempts`: how often that failed."""

    handle: str
    not_before_ms: int
    attempts: int = 0


class Contact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A contact that is not over. `skills` are what it asks for in any case, in alphabetical order; `sequence` is its arrival's number.

    `agent_id` is set from the offer on, `offer_id` while it is offered, `wrap_up` in wrap-up. `alternatives`: all that it asks for, where
    there is more than one way to fit. `only_agent` alone is offered it until `only_until_ms`, if he can be offered it at all. `handle`: the
    customer's address. `transfers`: how often it was passed on. While it is held, `frees_room` says that it takes up none of its agent's
    room, `awaited` that the customer has written since. `flagged`: somebody was told that too many declined it. While it is
    abandoned it can come back until `resumable_until_ms`. `relaxed`: how many steps of its queue's relaxation
    it has taken since `relax_from_ms`; `relax_ms`: when it takes the next one, 0: none. `consults`: colleagues who were asked to
    look at it. `waits_ms`: since when it has been waiting for an agent, 0: it did not have to. `untold`: it came and was not offered yet,
    nor was it said how long it will wait.

    `asked`, `asked_any_of`: what is asked for whatever queue it stands in. `overflow`: the rule of its queue, counted from 1, by which it
    goes on at once, 0: none. It has waited in its queue since `overflow_from_ms`; the rules for those who have waited up to
    `overflowed_ms` are behind it. `left_queues`: those that it does not overflow to again. `notified`: its customer knows of what comes
    next. `notices`: how often he was told something by overflow or of a callback. `callback`: it is one.
    `passed`: the pools that forwarded it, to which it does not go back. `letter`: of its message what would go with it into another pool;
    kept where contacts may be forwarded.
    """

    id: str
    thread_id: str
    channel: str
    queue: str
    skills: Skills
    priority: int
    received_ms: int
    due_ms: int
    sequence: int
    offer_timeout_ms: int
    state: ContactState
    agent_id: str | None = None
    offer_id: str | None = None
    declines: tuple[Decline, ...] = ()
    wrap_up: WrapUp | None = None
    alternatives: Needs = ()
    only_agent: str | None = None
    only_until_ms: int = 0
    handle: str = ""
    transfers: int = 0
    frees_room: bool = False
    awaited: bool = False
    flagged: bool = False
    resumable_until_ms: int = 0
    relaxed: int = 0
    relax_ms: int = 0
    relax_from_ms: int = 0
    consults: tuple[str, ...] = ()
    waits_ms: int = 0
    untold: bool = False
    asked: Skills = ()
    asked_any_of: Needs = ()
    overflow: int = 0
    overflow_from_ms: int = 0
    overflowed_ms: int = 0
    left_queues: tuple[str, ...] = ()
    notified: bool = False
    notices: int = 0
    callback: Callback | None = None
    passed: tuple[str, ...] = ()
    letter: Letter | None = None

    @property
    def needs(self) -> Needs:
        """What an agent must have: all the skills of one of these."""
        return self.alternatives or (self.skills,)

    @property
    def rank(self) -> Rank:
        """Its place: the earlier due comes first, then the earlier arrival. Only a supervisor's change of the contact changes it."""
        return (self.due_ms, self.sequence)


class Forwarding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where the contact of a thread was forwarded to: `to_pool`, and there into `queue` (None: the pool's first)."""

    contact_id: str
    to_pool: str
    queue: str | None


class Offer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An open offer."""

    id: str
    contact_id: str
    agent_id: str
    expires_ms: int


class EndedOffer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is remembered of an offer for a while, so that a late answer to it gets a true refusal."""

    agent_id: str
    outcome: OfferOutcome


class Agent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An agent. `idle_since_ms`: when he last became available or had something leave his hands.

    `removed`: the configuration no longer has him. He stays until settling has taken back what he holds. `units`: what all his contacts
    together may use. `last_offer`: the number of the last offer made to him, 0 before the first. `shift`: the calendar of his shifts.
    `missed`: offers in a row that he let run out.
    `seen_ms`: when he was last heard of, as far as the facts say; kept while the pool looks for who has vanished.
    """

    id: str
    skills: dict[str, int]
    capacity: dict[str, int]
    presence: Presence
    idle_since_ms: int
    removed: bool = False
    units: int | None = None
    last_offer: int = 0
    shift: str | None = None
    missed: int = 0
    seen_ms: int = 0


class CalendarState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A calendar, and whether it is open by the facts so far. Its next turn is looked for from `counted_ms` on."""

    id: str
    spans: tuple[tuple[int, int], ...]
    until_ms: int
    open: bool
    counted_ms: int


class Pace(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How fast a queue's line moves on, from what was seen while somebody waited in it; what is longer ago weighs less.

    `served`: contacts that came to an agent after waiting, in parts of `pace.ONE`; `duty_ms`: the time that agents were on duty for it
    meanwhile. `left`: those that went without one, in the same parts; `waited_ms`: how long all who are gone had waited.
    `said_step_us`, `said_patience_us` and `said_opens_ms`: what the last `QueuePaced` said.
    `since_ms`: up to when `duty_ms` is counted while the line moves, 0: it does not; `agents`: how many are on duty since then.
    """

    queue: str
    served: int = 0
    duty_ms: int = 0
    left: int = 0
    waited_ms: int = 0
    since_ms: int = 0
    agents: int = 0
    said_step_us: int | None = None
    said_patience_us: int | None = None
    said_opens_ms: int = 0
