"""A pool with as many agents and contacts as the quick ways of the index are for: still fact by fact what the plain rules ask for."""

from __future__ import annotations

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events.inputs import AcceptOffer, AnyInput, ConfigurePool, RejectOffer, ResolveContact, SetPresence
from libs.common.events.pool import ChannelConfiguration
from libs.common.events.routing import OfferMade
from libs.common.testing.builders import POOL, START_MS, a_contact_received, a_message, a_queue, an_agent
from services.router.core.decide import decide
from services.router.core.invariants import check
from services.router.core.model import PoolState, new_state
from services.router.core.snapshot import digest
from services.router.core.step import apply, step
from services.router.core.strategies import STRATEGIES
from tests.property.routing_reference import next_fact

PROFILES: Final[tuple[dict[str, int], ...]] = (
    {},
    {"it": 5},
    {"it": 2, "en": 3},
    {"en": 5, "orders": 1},
    {"it": 4, "en": 4, "orders": 4},
    {"orders": 5},
)
NEEDS: Final[tuple[dict[str, int], ...]] = (
    {},
    {"it": 1},
    {"it": 3},
    {"en": 2, "orders": 1},
    {"orders": 3},
    {"it": 4, "orders": 4},
)
CHANNELS: Final = ("email", "webchat")


@settings(max_examples=15, deadline=None, database=None, print_blob=True)
@given(
    st.integers(40, 70),
    st.sampled_from([(), ("webchat",)]),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99), st.integers(0, 9)), max_size=60),
)
def test_many_agents_and_contacts(size: int, excludes: tuple[str, ...], moves: list[tuple[int, int, int]]) -> None:
    # given many agents with few sets of skills, most of whom come, and some work
    names = [f"agent{number:02d}" for number in range(size)]
    agents = tuple(
        an_agent(
            name, skills=PROFILES[number % 6], capacity={"email": 1 + number % 3}, units=(None, 100)[number % 5 == 0]
        )
        for number, name in enumerate(names)
    )
    queues = tuple(a_queue(strategy, strategy=strategy) for strategy in STRATEGIES)
    channels = (ChannelConfiguration(id="email", units=60, excludes=excludes),)
    state, folded = new_state(POOL), new_state(POOL)
    events: list[AnyInput] = [ConfigurePool(pool=POOL, version="v1", queues=queues, agents=agents, channels=channels)]
    events += [_presence(name, "available", number) for number, name in enumerate(names) if number % 7]
    for number, event in enumerate(events):
        _step(state, folded, event, number // 3)
    # when they are given contacts, take and decline them, finish and go
    for number, (kind, pick, need) in enumerate(moves, 1000):
        _step(state, folded, _event(state, names, number, kind, pick, need), number)
    # then what the index found is what the plain rules found
    assert digest(state) == digest(folded)


def _presence(agent: str, status: str, number: int) -> SetPresence:
    command = f"cmd_presence_{number}"
    return SetPresence(pool=POOL, command_id=command, agent_id=agent, target_agent_id=agent, status=status)


def _event(state: PoolState, names: list[str], number: int, kind: int, pick: int, need: int) -> AnyInput:
    command = f"cmd_{number}"
    offers = sorted(state.offers)
    if kind == 3 and offers:
        offer = state.offers[offers[pick % len(offers)]]
        answer = RejectOffer if need < 4 else AcceptOffer
        return answer(pool=POOL, command_id=command, agent_id=offer.agent_id, offer_id=offer.id)
    active = sorted(c.id for c in state.contacts.values() if c.state == "active")
    if kind == 4 and active:
        contact = state.contacts[active[pick % len(active)]]
        return ResolveContact(pool=POOL, command_id=command, agent_id=contact.agent_id or "", contact_id=contact.id)
    if kind == 5:
        return _presence(names[pick % len(names)], ("available", "break", "offline")[need % 3], number)
    message = a_message(number, channel=CHANNELS[pick % 2], received_ms=START_MS + number)
    return a_contact_received(
        number,
        message=message,
        contact_id=f"con_{number}",
        queue=list(STRATEGIES)[pick % len(STRATEGIES)],
        skills=NEEDS[need % 6],
        any_of=(NEEDS[pick % 6], NEEDS[(pick + 1) % 6])[: 2 * (pick % 3 == 0)],
        preferred_agent=names[pick % len(names)] if pick % 7 == 0 else None,
    )


def _step(state: PoolState, folded: PoolState, event: AnyInput, at_ms: int) -> None:
    now_ms = max(state.now_ms, START_MS + at_ms)
    facts = step(state, event, now_ms)
    expected = decide(folded, event, now_ms)
    for fact in expected:
        apply(folded, fact)
    while (due := next_fact(folded, now_ms)) is not None:
        expected.append(due)
        apply(folded, due)
    assert facts == expected
    check(state, settled_at_ms=now_ms)
    assert sum(isinstance(fact, OfferMade) for fact in facts) <= len(state.offers)
