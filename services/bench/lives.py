"""Lives of contacts as inputs of one pool: customers write, agents take what they are offered and resolve it, in the order of a busy day.

Real inputs need ids that only deciding gives (an offer's), so the story is told by deciding it with the core as it goes: for the very
times that the log gives to the inputs, because who has been idle longest depends on them. Everything else is chosen by a seed. Used by
the router's benchmarks, to preload a log and to feed the core.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from libs.common import ids
from libs.common.configuration.models import CHANNEL_TARGETS_MS
from libs.common.events.codec import encode_record
from libs.common.events.inputs import (
    AcceptOffer,
    AnyInput,
    ConfigurePool,
    ContactReceived,
    ResolveContact,
    SetPresence,
)
from libs.common.events.message import Message
from libs.common.events.pool import AgentConfiguration, QueueConfiguration
from libs.common.events.routing import ContactAssigned, OfferMade, PoolFact
from libs.common.log.port import NewRecord
from services.bench.requests import SUBJECT, TEXT
from services.bench.stack import POOL
from services.router.pools import configure_pool

SKILLS: Final = 50
PROFILES: Final = 200
BUSY_SHARE: Final = 0.7
_CHANNEL: Final = "telegram"
_ACCOUNT: Final = "telegram-bot"
_QUEUE: Final = "general"
_OFFERS_OPEN_MAX: Final = 20
_DAY_MS: Final = 86_400_000


class Lives:
    """The story. Ask for inputs, decide them, tell what followed; then ask for the next ones.

    `agents` with 2 to 8 of 50 skills each, in 200 profiles; contacts that ask for 1 to 3 skills of some profile. Once the pool has filled
    up, `BUSY_SHARE` of the agents have a contact, and never are more contacts open than there are agents. With a `backlog` every agent has
    a contact, and so many more wait.
    """

    def __init__(self, agents: int, seed: int = 1, *, backlog: int = 0) -> None:
        self._chance: Final = Random(seed)  # noqa: S311  # it makes stories, no secrets
        self._profiles: Final = [self._profile() for _ in range(PROFILES)]
        self.configuration: Final[ConfigurePool] = self._configure(agents)
        self._open_max: Final = agents + backlog
        self._busy: Final = self._open_max if backlog else max(1, int(agents * BUSY_SHARE))
        self._offers_open: Final = max(1, min(_OFFERS_OPEN_MAX, self._busy // 2))
        self._number = 0
        self._commands = 0
        self._open = 0
        self._offers: deque[OfferMade] = deque()
        self._assigned: deque[ContactAssigned] = deque()

    def opening(self) -> Iterator[AnyInput]:
        """What comes first: the configuration, and every agent."""
        yield self.configuration
        for agent in self.configuration.agents:
            yield SetPresence(
                pool=POOL, command_id=self._command(), agent_id=agent.id, target_agent_id=agent.id, status="available"
            )

    def next_input(self, now_ms: int) -> AnyInput | None:
        """What happens next; None where that depends on what was not told yet."""
        full = self._open >= self._open_max
        if len(self._offers) >= (1 if full else self._offers_open):
            return self._accept(self._offers.popleft())
        if len(self._assigned) >= (1 if full else self._busy):
            return self._resolve(self._assigned.popleft())
        return None if full else self.receive(now_ms)

    def next_inputs(self, most: int, now_ms: int) -> list[AnyInput]:
        """The next ones, up to so many, that follow from what was told until now."""
        taken: list[AnyInput] = []
        while len(taken) < most and (event := self.next_input(now_ms)) is not None:
            taken.append(event)
        return taken

    def tell(self, facts: Sequence[PoolFact]) -> None:
        """These facts followed from the input."""
        for fact in facts:
            if isinstance(fact, OfferMade):
                self._offers.append(fact)
            elif isinstance(fact, ContactAssigned):
                self._assigned.append(fact)

    def record(self, event: AnyInput, now_ms: int) -> NewRecord:
        """The input as ingest or the agent API puts it on the log."""
        command_id = getattr(event, "command_id", None)
        message_id = event.message.id if isinstance(event, ContactReceived) else None
        event_id = command_id or message_id or f"configuration-{POOL}"
        return encode_record(
            event,
            key=POOL,
            event_id=event_id,
            source="centralino/ingest" if command_id is None else "centralino/agent-api",
            time_ms=now_ms,
            correlation_id=f"cor_{event_id[4:28]}",
            subject=event_id,
        )

    def _profile(self) -> dict[str, int]:
        names = self._chance.sample(range(SKILLS), self._chance.randint(2, 8))
        return {f"skill-{name}": self._chance.randint(2, 5) for name in sorted(names)}

    def _configure(self, agents: int) -> ConfigurePool:
        members = tuple(
            AgentConfiguration(
                id=f"agent-{number:05d}",
                name=f"Agent {number}",
                skills=self._chance.choice(self._profiles),
                capacity={_CHANNEL: 1},
            )
            for number in range(agents)
        )
        queue = QueueConfiguration(id=_QUEUE, target_ms=300_000, offer_timeout_ms=_DAY_MS)
        return configure_pool(POOL, (queue,), members, CHANNEL_TARGETS_MS)

    def receive(self, now_ms: int) -> ContactReceived:
        """A customer writes for the first time."""
        self._number += 1
        self._open += 1
        profile = self._chance.choice(self.configuration.agents).skills
        asked = self._chance.sample(sorted(profile), min(len(profile), self._chance.randint(1, 3)))
        handle = f"telegram:{self._number}"
        message_id = ids.message_id(_ACCOUNT, f"{self._number}:1")
        message = Message(
            id=message_id,
            thread_id=ids.thread_id(_ACCOUNT, handle),
            account=_ACCOUNT,
            channel=_CHANNEL,
            provider_id=f"{self._number}:1",
            handle=handle,
            handles=(handle,),
            received_ms=now_ms,
            occurred_ms=now_ms,
            name=f"Cliente {self._number}",
            subject=SUBJECT,
            text=TEXT,
            language="it",
        )
        return ContactReceived(
            pool=POOL,
            message=message,
            contact_id=ids.contact_id(message_id),
            queue=_QUEUE,
            skills={name: min(2, profile[name]) for name in sorted(asked)},
            rule=0,
        )

    def _accept(self, offer: OfferMade) -> AcceptOffer:
        return AcceptOffer(pool=POOL, command_id=self._command(), agent_id=offer.agent_id, offer_id=offer.offer_id)

    def _resolve(self, assigned: ContactAssigned) -> ResolveContact:
        self._open -= 1
        return ResolveContact(
            pool=POOL,
            command_id=self._command(),
            agent_id=assigned.agent_id,
            contact_id=assigned.contact_id,
            disposition="solved",
            summary="Il pacco è in consegna.",
        )

    def _command(self) -> str:
        self._commands += 1
        return ids.command_id("bench", str(self._commands))
