"""A pool under test: inputs go in one after the other, each in time, and after each everything that must be true is checked."""

from __future__ import annotations

from typing import Any

from libs.common.events.inputs import (
    AcceptOffer,
    AddNote,
    AnyInput,
    ConfigurePool,
    DrainQueue,
    FinishWrapUp,
    HoldContact,
    RejectOffer,
    ResolveContact,
    SetPresence,
    TimeAdvanced,
    TransferContact,
    UnholdContact,
)
from libs.common.events.pool import AgentConfiguration, QueueConfiguration
from libs.common.events.routing import ContactQueued, InputRefused, OfferMade, PoolFact, QueuePaced, WaitExpected
from libs.common.testing.builders import POOL, START_MS, a_contact_received, a_message, a_queue, an_agent
from services.router.core.invariants import check
from services.router.core.model import PoolState, new_state
from services.router.core.snapshot import state_equal
from services.router.core.step import apply, next_deadline_ms, step


class Pool:
    """One pool. Times are milliseconds after `START_MS`; `at_ms` moves only when told."""

    def __init__(
        self, *, queues: tuple[QueueConfiguration, ...] = (), agents: tuple[AgentConfiguration, ...] = ()
    ) -> None:
        self.state: PoolState = new_state(POOL)
        self.folded: PoolState = new_state(POOL)
        self.at_ms = 0
        self.facts: list[PoolFact] = []
        self.told: list[WaitExpected] = []
        self.paced: list[QueuePaced] = []
        self.commands = 0
        self.versions = 0
        self.configure(queues=queues or (a_queue("orders"),), agents=agents)

    def give(self, event: AnyInput) -> list[PoolFact]:
        """One input now; the facts that it causes, but for what is said of waits: `told` and `paced` have that."""
        now_ms = START_MS + self.at_ms
        facts = step(self.state, event, now_ms)
        for fact in facts:
            apply(self.folded, fact)
        assert state_equal(self.state, self.folded)
        check(self.state, settled_at_ms=now_ms)
        self.told += [fact for fact in facts if isinstance(fact, WaitExpected)]
        self.paced += [fact for fact in facts if isinstance(fact, QueuePaced)]
        rest: list[PoolFact] = [fact for fact in facts if not isinstance(fact, WaitExpected | QueuePaced)]
        self.facts += rest
        return rest

    def configure(
        self, *, queues: tuple[QueueConfiguration, ...], agents: tuple[AgentConfiguration, ...], **fields: Any
    ) -> list[PoolFact]:
        self.versions += 1
        plain = {"pool": POOL, "version": f"v{self.versions}", "queues": queues, "agents": agents}
        return self.give(ConfigurePool(**{**plain, **fields}))

    def receive(self, number: int = 1, *, queue: str = "orders", **fields: Any) -> list[PoolFact]:
        """Customer `number` writes; `message` fields are given as `message_...`."""
        message = {
            name.removeprefix("message_"): fields.pop(name) for name in list(fields) if name.startswith("message_")
        }
        plain = {"received_ms": START_MS + self.at_ms}
        return self.give(
            a_contact_received(
                number,
                message=a_message(number, **{**plain, **message}),
                **{"contact_id": f"con_{number}", "queue": queue, **fields},
            )
        )

    def presence(self, agent: str, status: str = "available", by: str | None = None) -> list[PoolFact]:
        return self.command(SetPresence, by or agent, target_agent_id=agent, status=status)

    def accept(self, agent: str, offer_id: str) -> list[PoolFact]:
        return self.command(AcceptOffer, agent, offer_id=offer_id)

    def reject(self, agent: str, offer_id: str, reason: str | None = None) -> list[PoolFact]:
        return self.command(RejectOffer, agent, offer_id=offer_id, reason=reason)

    def resolve(self, agent: str, contact_id: str, **fields: Any) -> list[PoolFact]:
        return self.command(ResolveContact, agent, contact_id=contact_id, **fields)

    def finish_wrap_up(self, agent: str, contact_id: str) -> list[PoolFact]:
        return self.command(FinishWrapUp, agent, contact_id=contact_id)

    def hold(self, agent: str, contact_id: str) -> list[PoolFact]:
        return self.command(HoldContact, agent, contact_id=contact_id)

    def unhold(self, agent: str, contact_id: str) -> list[PoolFact]:
        return self.command(UnholdContact, agent, contact_id=contact_id)

    def transfer(self, agent: str, contact_id: str, **fields: Any) -> list[PoolFact]:
        return self.command(TransferContact, agent, contact_id=contact_id, **fields)

    def supervise(self, kind: Any, contact_id: str, **fields: Any) -> list[PoolFact]:
        """A supervisor who is no agent of the pool acts."""
        return self.command(kind, "marta", contact_id=contact_id, supervising=True, **fields)

    def drain(self, queue: str, to: str | None = None, *, lift: bool = False) -> list[PoolFact]:
        """A supervisor lets a queue run empty, or take contacts again."""
        return self.command(DrainQueue, "marta", supervising=True, queue=queue, to_queue=to, lift=lift)

    def note(self, agent: str, contact_id: str) -> list[PoolFact]:
        return self.command(AddNote, agent, contact_id=contact_id, note_id="note_1", text="Called back.")

    def wait(self, duration_ms: int) -> list[PoolFact]:
        """Time passes, and the router is told."""
        self.at_ms += duration_ms
        return self.give(TimeAdvanced(pool=POOL, now_ms=START_MS + self.at_ms))

    def command(self, kind: Any, agent: str, **fields: Any) -> list[PoolFact]:
        self.commands += 1
        command_id = fields.pop("command_id", f"cmd_{self.commands}")
        return self.give(kind(pool=POOL, command_id=command_id, agent_id=agent, **fields))

    def deadline_ms(self) -> int | None:
        """When the next thing is due, after `START_MS`."""
        deadline_ms = next_deadline_ms(self.state)
        return None if deadline_ms is None else deadline_ms - START_MS

    def active(self, agent: str, number: int = 1, **fields: Any) -> str:
        """Customer `number` writes and the agent, who must be the one to be offered it, takes the contact; its id."""
        facts = self.receive(number, **fields)
        queued, offer = facts
        assert isinstance(queued, ContactQueued)
        assert isinstance(offer, OfferMade)
        assert offer.agent_id == agent
        self.accept(agent, offer.offer_id)
        return queued.contact_id


def a_pool(*agents: str | AgentConfiguration, queue: QueueConfiguration | None = None, come: bool = True) -> Pool:
    """A pool with one queue, `orders`, and these agents, who came one millisecond after the other."""
    configured = tuple(an_agent(agent) if isinstance(agent, str) else agent for agent in agents)
    pool = Pool(queues=(queue or a_queue("orders"),), agents=configured)
    if come:
        for agent in configured:
            pool.at_ms += 1
            pool.presence(agent.id)
    return pool


def kinds(facts: list[PoolFact]) -> list[str]:
    """The names of the facts, for tests that are about the order of things."""
    return [type(fact).__name__ for fact in facts]


def the_offer(facts: list[PoolFact]) -> OfferMade:
    """The one offer among these facts."""
    [offer] = [fact for fact in facts if isinstance(fact, OfferMade)]
    return offer


def offered_to(facts: list[PoolFact]) -> dict[str, str]:
    """Which contact was offered to whom."""
    return {fact.contact_id: fact.agent_id for fact in facts if isinstance(fact, OfferMade)}


def the_refusal(facts: list[PoolFact]) -> str:
    """The word of the one refusal; there must be no other fact."""
    [refused] = facts
    assert isinstance(refused, InputRefused)
    assert refused.detail.endswith(".")
    return refused.reason
