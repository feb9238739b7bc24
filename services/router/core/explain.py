"""Why: for an offer, who else could have had it and why not; for a waiting contact, why not yet and what would have to change.

Computed from the state as it was at that point, when somebody asks, by looking at every agent: never called while deciding. It must
come to the same as `matching`, which tests compare; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from typing import Final

import msgspec

from libs.common.events.routing import OfferMade
from services.router.core.calendars import next_turn_ms
from services.router.core.decide_transfer import NAMED
from services.router.core.entities import Agent, Contact, Presence, Skills
from services.router.core.expectation import expect_wait
from services.router.core.model import PoolState
from services.router.core.overflow_times import overflow_due
from services.router.core.relaxation import relax
from services.router.core.strategies import STRATEGIES, OrderKey
from services.router.core.transitions import ContactState

# How many agents an explanation names of those who could have had the contact, and of those who could not. All are counted.
CANDIDATES_SHOWN_MAX: Final = 50
LEFT_OUT_SHOWN_MAX: Final = 200


class Obstacle(StrEnum):
    """Why an agent is not offered a contact."""

    REMOVED = "removed"
    PRESENCE = "presence"
    SKILL = "skill"
    LEVEL = "level"
    CAPACITY = "capacity"
    UNITS = "units"
    EXCLUDED = "excluded"
    OFFERS_OPEN = "offers-open"
    OFF_SHIFT = "off-shift"
    CLOSED = "closed"
    DECLINED = "declined"
    BARRED = "barred"
    RESERVED = "reserved"
    CALLBACK = "callback"


class Blocker(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that stands between an agent and a contact. `subject`: the skill, channel or calendar that it is about, the presence,
    or the agent whom it is kept for.

    `asked` and `has`: the level asked for and the agent's, or one more contact and the room in all; units and what is in use of all of
    them, the open offers and their limit in the same way. `until_ms`: when it is over by itself.
    """

    obstacle: Obstacle
    subject: str | None = None
    asked: int | None = None
    has: int | None = None
    until_ms: int | None = None

    @property
    def can_pass(self) -> bool:
        """Whether there could be room: what is in use may become free, what nobody has does not."""
        if self.obstacle not in {Obstacle.CAPACITY, Obstacle.UNITS}:
            return True
        return (self.has or 0) >= (self.asked or 0)


class Candidate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent as he stood. `blockers` empty: he could have had the contact; `place` is then his in the order of choice, from 1. Whom a
    colleague named has a place and what he lacks.
    """

    agent_id: str
    in_hand: int
    idle_since_ms: int
    place: int | None = None
    blockers: tuple[Blocker, ...] = ()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Who could take a contact at a moment, and who could not.

    `candidates` are in the order of choice; `left_out` begins with those who lack the least. Both name a limited number, `candidates_total`
    and `obstacles` (how many agents have each as one of their blockers) count all.
    """

    candidates: tuple[Candidate, ...]
    candidates_total: int
    left_out: tuple[Candidate, ...]
    left_out_total: int
    obstacles: dict[str, int]


class OfferExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why an offer was made as it was. `overtaken`: contacts with an earlier rank that waited on, because nobody could take them.

    It asked for `skills` in any case, and where there is `any_of`, for all of at least one of these. `relaxed`: how many steps of
    relaxation that was after.
    """

    offer_id: str
    at_ms: int
    agent_id: str
    strategy: str
    policy_version: str | None
    queue: str
    channel: str
    skills: dict[str, int]
    due_ms: int
    waited_ms: int
    overtaken: int
    standing: Standing
    any_of: tuple[dict[str, int], ...] = ()
    relaxed: int = 0


class NextOverflow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a contact goes on to (`to`, `target`) by its queue's overflow when it waits until `at_ms`, and by which condition."""

    at_ms: int
    when: str
    to: str
    at_least: int = 0
    target: str | None = None


class NextRelaxation(msgspec.Struct, frozen=True, kw_only=True):
    """What a contact comes to ask for by the `step`th step of its queue's relaxation when it waits until `at_ms`."""

    at_ms: int
    step: int
    skills: dict[str, int]
    any_of: tuple[dict[str, int], ...] = ()


class WaitingExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a contact waits. `ahead_in_queue`, `ahead_in_pool`: waiting contacts with an earlier rank. `drained`: its queue is worked off and
    takes nothing new.

    `would_help`: for agents that lack one thing alone, that thing; the contact would be offered if it changed and no contact ahead
    took the agent first. `relaxation` and `overflow`: what becomes of it next if it is not. `expected_wait_ms`: how long it will probably
    wait from now on. `any_of` and `relaxed` as of an offer.
    """

    at_ms: int
    policy_version: str | None
    queue: str
    channel: str
    skills: dict[str, int]
    due_ms: int
    waited_ms: int
    ahead_in_queue: int
    ahead_in_pool: int
    would_help: dict[str, Blocker]
    standing: Standing
    overflow: NextOverflow | None = None
    expected_wait_ms: int | None = None
    drained: bool = False
    any_of: tuple[dict[str, int], ...] = ()
    relaxed: int = 0
    relaxation: NextRelaxation | None = None


def explain_offer(state: PoolState, offer: OfferMade) -> OfferExplanation:
    """Why this offer was made. `state` is that before it."""
    contact = state.contacts[offer.contact_id]
    return OfferExplanation(
        offer_id=offer.offer_id,
        at_ms=offer.at_ms,
        agent_id=offer.agent_id,
        strategy=offer.reason.strategy,
        policy_version=state.version,
        queue=contact.queue,
        channel=contact.channel,
        skills=dict(contact.skills),
        due_ms=contact.due_ms,
        waited_ms=offer.reason.waited_ms,
        overtaken=_ahead(state, contact)[1],
        standing=find_standing(
            state, contact, offer.at_ms, named=offer.agent_id if offer.reason.strategy == NAMED else None
        ),
        any_of=tuple([dict(skills) for skills in contact.alternatives]),
        relaxed=contact.relaxed,
    )


def explain_waiting(state: PoolState, contact_id: str, now_ms: int) -> WaitingExplanation:
    """Why this contact, which must be waiting or scheduled, is still so at `now_ms`."""
    contact = state.contacts[contact_id]
    standing = find_standing(state, contact, now_ms)
    in_queue, in_pool = _ahead(state, contact)
    return WaitingExplanation(
        at_ms=now_ms,
        policy_version=state.version,
        queue=contact.queue,
        channel=contact.channel,
        skills=dict(contact.skills),
        due_ms=contact.due_ms,
        waited_ms=max(0, now_ms - contact.received_ms),
        ahead_in_queue=in_queue,
        ahead_in_pool=in_pool,
        would_help={agent.agent_id: agent.blockers[0] for agent in standing.left_out if len(agent.blockers) == 1},
        standing=standing,
        overflow=_next_overflow(state, contact),
        expected_wait_ms=expect_wait(state, contact)[1] if contact.state is ContactState.QUEUED else None,
        drained=contact.queue in state.drains,
        any_of=tuple([dict(skills) for skills in contact.alternatives]),
        relaxed=contact.relaxed,
        relaxation=_next_relaxation(state, contact),
    )


def _next_relaxation(state: PoolState, contact: Contact) -> NextRelaxation | None:
    queue = state.queues.get(contact.queue)
    if not contact.relax_ms or contact.state is not ContactState.QUEUED or queue is None:
        return None
    if contact.relaxed >= len(queue.relax):
        return None
    fact = relax(state, contact, contact.relax_ms)
    return NextRelaxation(at_ms=contact.relax_ms, step=fact.step, skills=fact.skills, any_of=fact.alternatives)


def _next_overflow(state: PoolState, contact: Contact) -> NextOverflow | None:
    found = overflow_due(contact, state.index.terms, state.calendars)
    if found is None:
        return None
    at_ms, rule = found
    return NextOverflow(at_ms=at_ms, when=rule.when, to=rule.to, at_least=rule.at_least, target=rule.target)


def find_standing(state: PoolState, contact: Contact, now_ms: int, *, named: str | None = None) -> Standing:
    """Who could take a waiting contact at `now_ms`, and who could not and why. `named`: it is for this agent, whatever he lacks."""
    able: list[tuple[OrderKey, Agent]] = []
    lacks: tuple[Blocker, ...] = ()  # What is missing in the one who was named.
    left_out: list[tuple[int, str, Candidate]] = []
    obstacles: dict[str, int] = {}
    place_of = STRATEGIES[state.index.terms.strategy_of(contact.queue)]
    for agent in state.agents.values():
        blockers = find_blockers(state, contact, agent, now_ms)
        if agent.id == named:
            lacks = blockers
        elif named is not None:
            blockers = (*blockers, Blocker(obstacle=Obstacle.RESERVED, subject=named))
        if not blockers or agent.id == named:
            able.append((place_of(state.index.desks[agent.id]), agent))
            continue
        for obstacle in dict.fromkeys(blocker.obstacle.value for blocker in blockers):
            obstacles[obstacle] = obstacles.get(obstacle, 0) + 1
        left_out.append((len(blockers), agent.id, _candidate(state, agent, None, blockers)))
    able.sort(key=lambda entry: entry[0])
    left_out.sort(key=lambda entry: entry[:2])
    return Standing(
        candidates=tuple(
            _candidate(state, agent, place, lacks)
            for place, (_, agent) in enumerate(islice(able, CANDIDATES_SHOWN_MAX), 1)
        ),
        candidates_total=len(able),
        left_out=tuple(entry[2] for entry in islice(left_out, LEFT_OUT_SHOWN_MAX)),
        left_out_total=len(left_out),
        obstacles=dict(sorted(obstacles.items())),
    )


def _closed(state: PoolState, obstacle: Obstacle, calendar_id: str | None) -> Iterator[Blocker]:
    """The obstacle that a calendar is while it is closed."""
    calendar = None if calendar_id is None else state.calendars.get(calendar_id)
    if calendar is not None and not calendar.open:
        yield Blocker(obstacle=obstacle, subject=calendar.id, until_ms=next_turn_ms(calendar))


def find_blockers(state: PoolState, contact: Contact, agent: Agent, now_ms: int) -> tuple[Blocker, ...]:
    """Everything that keeps a waiting contact from being offered to this agent at `now_ms`."""
    if agent.removed:
        return (Blocker(obstacle=Obstacle.REMOVED),)
    blockers: list[Blocker] = []
    if agent.presence is not Presence.AVAILABLE:
        blockers.append(Blocker(obstacle=Obstacle.PRESENCE, subject=agent.presence.value))
    # Of several alternatives the one that least is missing for.
    ways: list[list[Blocker]] = [_missing(agent, skills) for skills in contact.needs]
    least: list[Blocker] = min(ways, key=len)
    blockers += least
    blockers.extend(_closed(state, Obstacle.OFF_SHIFT, agent.shift))
    blockers.extend(_closed(state, Obstacle.CLOSED, state.index.terms.gate_of(contact)))
    if contact.state is ContactState.SCHEDULED and contact.callback is not None:
        blockers.append(Blocker(obstacle=Obstacle.CALLBACK, until_ms=contact.callback.not_before_ms))
    desk = state.index.desks[agent.id]
    room = desk.capacity.get(contact.channel, 1)
    if desk.loads.get(contact.channel, 0) >= room:
        blockers.append(Blocker(obstacle=Obstacle.CAPACITY, subject=contact.channel, asked=1, has=room))
    if desk.rules is not None:
        obstacles = desk.rules.obstacles(contact.channel, desk.loads, desk.units, desk.offers_open)
        blockers.extend(
            Blocker(obstacle=Obstacle(obstacle), subject=subject, asked=asked, has=has)
            for obstacle, subject, asked, has in obstacles
        )
    blockers.extend(
        Blocker(obstacle=Obstacle.DECLINED if decline.count else Obstacle.BARRED, until_ms=decline.until_ms)
        for decline in contact.declines
        if decline.agent_id == agent.id and decline.until_ms > now_ms
    )
    only = _reserved_for(state, contact, now_ms)
    if only is not None and only != agent.id:
        blockers.append(Blocker(obstacle=Obstacle.RESERVED, subject=only, until_ms=contact.only_until_ms))
    return tuple(blockers)


def _reserved_for(state: PoolState, contact: Contact, now_ms: int) -> str | None:
    """The agent whom the contact is for alone at `now_ms`."""
    agent = None if contact.only_agent is None else state.agents.get(contact.only_agent)
    if agent is None or agent.removed or agent.presence is not Presence.AVAILABLE or contact.only_until_ms <= now_ms:
        return None
    if any(_closed(state, Obstacle.OFF_SHIFT, agent.shift)):
        return None
    if any(decline.agent_id == agent.id and decline.until_ms > now_ms for decline in contact.declines):
        return None
    return agent.id if any(not _missing(agent, skills) for skills in contact.needs) else None


def _missing(agent: Agent, skills: Skills) -> list[Blocker]:
    missing = []
    for skill, level in skills:
        has = agent.skills.get(skill, 0)
        if has < level:
            obstacle = Obstacle.LEVEL if has else Obstacle.SKILL
            missing.append(Blocker(obstacle=obstacle, subject=skill, asked=level, has=has))
    return missing


def _candidate(state: PoolState, agent: Agent, place: int | None, blockers: tuple[Blocker, ...]) -> Candidate:
    return Candidate(
        agent_id=agent.id,
        in_hand=len(state.index.desks[agent.id].work),
        idle_since_ms=agent.idle_since_ms,
        place=place,
        blockers=blockers,
    )


def _ahead(state: PoolState, contact: Contact) -> tuple[int, int]:
    """How many waiting contacts have an earlier rank: of the same queue, and of the whole pool."""
    in_queue = in_pool = 0
    for contact_id in state.index.waiting.by_contact:
        other = state.contacts[contact_id]
        if other.rank < contact.rank:
            in_pool += 1
            in_queue += other.queue == contact.queue
    return in_queue, in_pool
