"""What several folds need: the contact or agent of a fact, and what leaves an agent's hands. Called by the `apply_*` modules alone."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from services.router.core import limits
from services.router.core.entities import Agent, Contact, Decline, Needs, Presence
from services.router.core.model import PoolState
from services.router.core.transitions import IllegalFactError, next_state


def contact_of(state: PoolState, fact: Any, agent_id: str | None) -> Contact:
    """The contact of a fact, which must be with this agent (None: with nobody) and may go on to the fact's next state."""
    contact = state.contacts.get(fact.contact_id)
    next_state(None if contact is None else contact.state, type(fact), fact.contact_id)
    assert contact is not None, "the table knows one fact alone for a contact that is not there"
    if contact.agent_id != agent_id:
        raise IllegalFactError(f"{type(fact).__name__} on contact {contact.id}, which is with {contact.agent_id}")
    return contact


def alternatives_of(alternatives: tuple[dict[str, int], ...]) -> Needs:
    """A fact's alternatives as contacts have them."""
    return tuple([tuple(sorted(skills.items())) for skills in alternatives])


def agent_of(state: PoolState, agent_id: str) -> Agent:
    """The agent of a fact, who must be there."""
    agent = state.agents.get(agent_id)
    if agent is None:
        raise IllegalFactError(f"agent {agent_id} is not there")
    return agent


def release(state: PoolState, before: Contact, after: Contact | None, at_ms: int, *, missed: int | None = None) -> None:
    """A contact leaves its agent's hands, where it is in anybody's: it waits again as `after`, or leaves the pool (None).

    `missed`: the offers in a row that he has let run out now, where that changes.
    """
    state.index.remove_contact(before)
    if after is None:
        del state.contacts[before.id]
    else:
        state.contacts[before.id] = after
        state.index.add_contact(after)
    if before.agent_id is None:
        return
    agent = replace(state.agents[before.agent_id], idle_since_ms=max(state.now_ms, at_ms))
    if missed is not None and missed != agent.missed:
        agent = replace(agent, missed=missed)
        state.index.evictions.flag(agent.id)
    state.agents[agent.id] = agent
    state.index.free_agent(agent, before.channel)
    drop_removed(state, agent)


def drop_removed(state: PoolState, agent: Agent) -> None:
    """An agent whom the configuration no longer has goes once he holds nothing and is offline."""
    if agent.removed and is_gone(state, agent):
        del state.agents[agent.id]
        state.index.remove_agent(agent)


def is_gone(state: PoolState, agent: Agent) -> bool:
    """Whether nothing keeps an agent in the pool but the configuration."""
    return agent.presence is Presence.OFFLINE and state.index.desks[agent.id].is_empty()


def rearrange(state: PoolState, before: Contact, after: Contact) -> None:
    """A contact is another now and stays with whom it is with, who may have more or less room by it."""
    state.index.remove_contact(before)
    state.contacts[after.id] = after
    state.index.add_contact(after)
    if after.agent_id is not None:
        state.index.load_agent(after.agent_id, after.channel)
        state.index.evictions.flag(after.agent_id)


def with_decline(declines: tuple[Decline, ...], agent_id: str, until_ms: int, count: int) -> tuple[Decline, ...]:
    """The declines with `count` more of this agent, who is left alone with the contact until `until_ms`."""
    earlier = sum(decline.count for decline in declines if decline.agent_id == agent_id)
    others = [decline for decline in declines if decline.agent_id != agent_id]
    if len(others) >= limits.DECLINES_PER_CONTACT_MAX:
        others.remove(min(others, key=lambda decline: (decline.until_ms, decline.agent_id)))
    return (*others, Decline(agent_id, earlier + count, until_ms))
