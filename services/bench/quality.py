"""How well the router matches, in numbers that hardware does not change: how many contacts of a batch find an agent, how evenly work
falls.

The core decides everything here; what is around it is chance from a seed, and virtual time. Tests hold these numbers to what is possible
(`tests/unit/router/test_quality.py`); nothing here measures a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from libs.common.events.inputs import AcceptOffer, ConfigurePool, ContactReceived, ResolveContact, SetPresence
from libs.common.events.message import Message
from libs.common.events.pool import AgentConfiguration, QueueConfiguration
from libs.common.events.routing import OfferMade, PoolFact
from services.router.core.step import new_state, step

SKILLS: Final = 50
_POOL: Final = "quality"
_QUEUE: Final = "queue"
_CHANNEL: Final = "webchat"
_START_MS: Final = 1_767_225_600_000
_FOREVER_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """So many agents and as many contacts at once: the skills that each agent has and that each contact asks for, by number.

    `matched`: how many of the contacts the router offered to somebody, each agent having room for one.
    """

    agents: Sequence[frozenset[int]]
    contacts: Sequence[frozenset[int]]
    matched: int


def match_batch(size: int, strategy: str, seed: int) -> Batch:
    """Give `size` contacts, one after the other, to as many available agents.

    Some skills are common and some are rare: the k-th of 50 is had, and asked for, in proportion to 1 / (k + 10). Agents have 2 to 8,
    contacts ask for 1 to 3.
    """
    chance = Random(seed)  # noqa: S311  # it makes batches, no secrets
    weights = [1 / (number + 10) for number in range(SKILLS)]
    agents = [_draw(chance, weights, chance.randint(2, 8)) for _ in range(size)]
    contacts = [_draw(chance, weights, chance.randint(1, 3)) for _ in range(size)]
    pool = _Pool([{f"s{number}": 1 for number in sorted(skills)} for skills in agents], strategy, 1)
    offers = 0
    for skills in contacts:
        facts = pool.receive({f"s{number}": 1 for number in sorted(skills)}, 0)
        offers += sum(isinstance(fact, OfferMade) for fact in facts)
    return Batch(agents=agents, contacts=contacts, matched=offers)


def _draw(chance: Random, weights: Sequence[float], count: int) -> frozenset[int]:
    drawn: set[int] = set()
    while len(drawn) < count:
        drawn.update(chance.choices(range(len(weights)), weights))
    return frozenset(drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What each of several equal agents did in a day: contacts, and milliseconds of talking."""

    contacts: Sequence[int]
    busy_ms: Sequence[int]


def share_work(agents: int, strategy: str, seed: int, *, load: float = 0.7, capacity: int = 2) -> Work:
    """A working day of eight hours: customers come at random, so that `load` of what the agents have room for is in use; talks take five
    minutes on the mean. Everybody accepts at once.
    """
    chance = Random(seed)  # noqa: S311  # it makes days, no secrets
    pool = _Pool([{}] * agents, strategy, capacity)
    handling_ms, day_ms = 300_000.0, 8 * 3_600_000
    between_ms = handling_ms / (agents * capacity * load)
    contacts, busy_ms = [0] * agents, [0] * agents
    ends: list[tuple[int, str, str]] = []
    next_ms = chance.expovariate(1 / between_ms)
    while next_ms < day_ms:
        if ends and ends[0][0] <= next_ms:
            at_ms, contact_id, agent_id = heapq.heappop(ends)
            facts = pool.resolve(contact_id, agent_id, at_ms)
        else:
            at_ms = int(next_ms)
            next_ms += chance.expovariate(1 / between_ms)
            facts = pool.receive({}, at_ms)
        for fact in facts:
            if isinstance(fact, OfferMade):
                pool.accept(fact, at_ms)
                talk_ms = int(chance.expovariate(1 / handling_ms)) + 1
                heapq.heappush(ends, (at_ms + talk_ms, fact.contact_id, fact.agent_id))
                number = int(fact.agent_id.removeprefix("agent-"))
                contacts[number] += 1
                busy_ms[number] += talk_ms
    return Work(contacts=contacts, busy_ms=busy_ms)


def jain(shares: Sequence[float]) -> float:
    """How even shares are: 1 where all are equal, 1/n where one has everything (R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984)."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


class _Pool:
    """The core with one queue; everybody is available from the beginning."""

    def __init__(self, agents: Sequence[dict[str, int]], strategy: str, capacity: int) -> None:
        self._state = new_state(_POOL)
        self._commands = 0
        self._contacts = 0
        queue = QueueConfiguration(id=_QUEUE, strategy=strategy, target_ms=60_000, offer_timeout_ms=_FOREVER_MS)
        members = tuple(
            AgentConfiguration(id=f"agent-{number:05d}", name="Agent", skills=skills, capacity={_CHANNEL: capacity})
            for number, skills in enumerate(agents)
        )
        step(self._state, ConfigurePool(pool=_POOL, version="1", queues=(queue,), agents=members), _START_MS)
        for member in members:
            come = SetPresence(
                pool=_POOL,
                command_id=self._command(),
                agent_id=member.id,
                target_agent_id=member.id,
                status="available",
            )
            step(self._state, come, _START_MS)

    def receive(self, skills: dict[str, int], at_ms: int) -> list[PoolFact]:
        """A customer writes."""
        self._contacts += 1
        message = Message(
            id=f"msg_{self._contacts}",
            thread_id=f"thr_{self._contacts}",
            account="quality",
            channel=_CHANNEL,
            provider_id=str(self._contacts),
            handle=f"webchat:{self._contacts}",
            received_ms=_START_MS + at_ms,
        )
        event = ContactReceived(
            pool=_POOL, message=message, contact_id=f"con_{self._contacts}", queue=_QUEUE, skills=skills
        )
        return step(self._state, event, _START_MS + at_ms)

    def accept(self, offer: OfferMade, at_ms: int) -> None:
        """The agent takes it."""
        command = AcceptOffer(pool=_POOL, command_id=self._command(), agent_id=offer.agent_id, offer_id=offer.offer_id)
        step(self._state, command, _START_MS + at_ms)

    def resolve(self, contact_id: str, agent_id: str, at_ms: int) -> list[PoolFact]:
        """The agent is done with it."""
        command = ResolveContact(pool=_POOL, command_id=self._command(), agent_id=agent_id, contact_id=contact_id)
        return step(self._state, command, _START_MS + at_ms)

    def _command(self) -> str:
        self._commands += 1
        return f"cmd_{self._commands}"
