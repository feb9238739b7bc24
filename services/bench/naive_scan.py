"""What routing costs where nothing is kept at hand: every agent is looked at for each message, every waiting contact for each free agent.

The rule is the router's own (the contact due first, the agent who has been idle longest), so that the two are compared at the same work.
It is told what the core decided and decides nothing that counts.
"""

from __future__ import annotations

from libs.common.events.inputs import AnyInput, ContactReceived, ResolveContact
from libs.common.events.routing import ContactQueued, ContactResolved, OfferMade, PoolFact
from services.router.core.entities import Presence
from services.router.core.model import PoolState
from services.router.core.transitions import ContactState


class NaiveScan:
    """Plain lists of a pool's agents and waiting contacts, as its state is now."""

    def __init__(self, state: PoolState) -> None:
        held = {contact.agent_id for contact in state.contacts.values()}
        self._skills = {agent.id: agent.skills for agent in state.agents.values()}
        # Every agent; None for one who has no room.
        self._idle_since_ms: dict[str, int | None] = {
            agent.id: agent.idle_since_ms if agent.presence is Presence.AVAILABLE and agent.id not in held else None
            for agent in state.agents.values()
        }
        self._waiting = {
            contact.id: (contact.due_ms, contact.sequence, dict(contact.skills))
            for contact in state.contacts.values()
            if contact.state is ContactState.QUEUED
        }
        self._sequence = state.arrivals

    def look(self, event: AnyInput) -> str | None:
        """Whom the message would be offered to, or what the agent who gets free would be offered."""
        if isinstance(event, ContactReceived):
            return self._agent_for(event.skills)
        if isinstance(event, ResolveContact):
            return self._contact_for(event.agent_id)
        return None

    def tell(self, facts: list[PoolFact]) -> None:
        """What the core made of the input."""
        for fact in facts:
            if isinstance(fact, ContactQueued):
                self._sequence += 1
                self._waiting[fact.contact_id] = (fact.due_ms, self._sequence, fact.skills)
            elif isinstance(fact, OfferMade):
                del self._waiting[fact.contact_id]
                self._idle_since_ms[fact.agent_id] = None
            elif isinstance(fact, ContactResolved):
                self._idle_since_ms[fact.agent_id] = fact.at_ms

    def _agent_for(self, needed: dict[str, int]) -> str | None:
        best: tuple[int, str] | None = None
        for agent_id, skills in self._skills.items():
            idle_since_ms = self._idle_since_ms[agent_id]
            if (
                _fits(skills, needed)
                and idle_since_ms is not None
                and (best is None or (idle_since_ms, agent_id) < best)
            ):
                best = (idle_since_ms, agent_id)
        return None if best is None else best[1]

    def _contact_for(self, agent_id: str) -> str | None:
        skills = self._skills[agent_id]
        best: tuple[int, int, str] | None = None
        for contact_id, (due_ms, sequence, needed) in self._waiting.items():
            if (best is None or (due_ms, sequence, contact_id) < best) and _fits(skills, needed):
                best = (due_ms, sequence, contact_id)
        return None if best is None else best[2]


def _fits(skills: dict[str, int], needed: dict[str, int]) -> bool:
    return all(skills.get(skill, 0) >= level for skill, level in needed.items())
