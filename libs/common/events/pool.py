"""What a pool is configured with, as it stands on the log: queues, agents, channels, calendars and rules. Read from the file in
`libs.common.configuration`. Every field that came later has a default that means what was before it.
"""

from __future__ import annotations

import msgspec


class Calendar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When something is open: `spans` of UTC milliseconds, from (inclusive) to (exclusive), in order, apart from one another.

    Worked out of hours, time zone and holidays before it comes here, for the time up to `until_ms`; beyond that nothing is known and it
    counts as closed.
    """

    id: str
    spans: tuple[tuple[int, int], ...] = ()
    until_ms: int = 0


class Relaxation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a contact asks for less of after it has waited for `after_ms`: skills that are dropped, levels that are lowered, and another
    queue (`widen`) whose people may take it too.
    """

    after_ms: int
    drop: tuple[str, ...] = ()
    lower: dict[str, int] = {}
    widen: str | None = None


class Overflow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where contacts of a queue go `when` it is `closed`, when at least `at_least` contacts are `waiting` in it, when a new one would have
    an `expected_wait` of at least `at_least` ms, or when one has `waited` for so many ms.

    `to` another `queue` (`target`) of the pool, another `pool` (`target`), a `callback`; or the customer gets a `message` (`text`, by
    language) and the contact waits on, or comes to its `end`, with a text where there is one. `queue`: where in the other pool,
    None: in its first.
    """

    when: str
    to: str
    at_least: int = 0
    target: str | None = None
    text: dict[str, str] = {}
    queue: str | None = None


class CallbackConfiguration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How customers are called back: `attempts` to reach one, `retry_ms` after one that failed; `texts` (by language) that one is
    told when a callback is scheduled, none: nothing.
    """

    attempts: int = 3
    retry_ms: int = 1_800_000
    texts: dict[str, str] = {}


class QueueConfiguration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A queue as configured. `target_ms` None: the channel's. `skills` are minimum levels.

    `any_of`: besides `skills`, all of at least one of these. `strategy`: which of the agents who fit comes first. For
    `prefer_last_agent_ms` a contact is offered to nobody but the agent who had the customer's last one. `offer_timeout_ms` None: the
    channel's, else 20 s; `wrap_up_ms` None: the channel's, else none; -1: until the agent is done. `pull`: agents may take
    a waiting contact by name.
    `hours`: the calendar by which it is open, None: always. While it is closed its contacts wait and are offered to nobody, unless
    `offer_when_closed`. `target_in_open_time`: closed time does not count towards the target.
    `relax`: what its contacts ask for less of the longer they wait, soonest first. `overflow`: where its contacts go; the first that holds
    counts. `callback`: how its customers are called back.
    """

    id: str
    skills: dict[str, int] = {}
    target_ms: int | None = None
    priority: int = 0
    offer_timeout_ms: int | None = None
    wrap_up_ms: int | None = None
    strategy: str = "longest_idle"
    any_of: tuple[dict[str, int], ...] = ()
    prefer_last_agent_ms: int = 0
    hours: str | None = None
    offer_when_closed: bool = False
    target_in_open_time: bool = False
    pull: bool = False
    relax: tuple[Relaxation, ...] = ()
    overflow: tuple[Overflow, ...] = ()
    callback: CallbackConfiguration = CallbackConfiguration()


class ChannelConfiguration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a pool does with contacts of one channel, where their queue does not say. None: as if the channel were not named.

    `units`: how much of an agent's `units` one contact uses. While an agent has contacts of a channel in `excludes` he gets none of
    this one, and the other way round. A channel in `interrupts` keeps none of this one away, neither by exclusion nor by the units that it
    uses. `hold_frees_room`: whether a contact on hold leaves room for another.
    """

    id: str
    target_ms: int | None = None
    offer_timeout_ms: int | None = None
    wrap_up_ms: int | None = None
    units: int = 0
    excludes: tuple[str, ...] = ()
    interrupts: tuple[str, ...] = ()
    hold_frees_room: bool = True


class RoutingRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pool's rules that are of no queue. 0 means never, or without a limit.

    `not_responding_after`: offers in a row that an agent lets run out before he is held to be away. `flag_after_declines`: different
    agents who decline a contact before it is flagged. `offers_open_max`: offers that an agent has open at once. `transfers_max`: how
    often agents may pass one contact on (0: never). `transfer_back_ms`: for how long it does not come back to who passed it on, or to
    whom it was taken from. `abandoned_kept_ms`: for how long a customer who left finds the old place in the queue again.
    `vanish_after_ms`: how long an available agent may not be heard of before he goes offline.
    """

    not_responding_after: int = 3
    flag_after_declines: int = 3
    transfers_max: int = 10
    transfer_back_ms: int = 300_000
    offers_open_max: int = 0
    abandoned_kept_ms: int = 900_000
    vanish_after_ms: int = 120_000


class AgentConfiguration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent as configured. `capacity`: how many contacts at once per channel; one on a channel not named.

    `units`: how much all his contacts together may use (see `ChannelConfiguration.units`); None: they are not counted.
    `shift`: the calendar outside of which the agent is offered nothing, None: he has no shifts.
    """

    id: str
    name: str
    skills: dict[str, int] = {}
    capacity: dict[str, int] = {}
    role: str = "agent"
    units: int | None = None
    shift: str | None = None
