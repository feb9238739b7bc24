"""Every order of a few inputs in a world of two agents and two contacts: nothing is left to chance."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from libs.common.events.inputs import (
    AcceptOffer,
    AnyInput,
    AssignContact,
    ChangeContact,
    ConfigurePool,
    CustomerLeft,
    FinishWrapUp,
    HoldContact,
    RejectOffer,
    RequeueContact,
    ResolveContact,
    SetPresence,
    TimeAdvanced,
    TransferContact,
    UnholdContact,
)
from libs.common.events.pool import ChannelConfiguration, RoutingRules
from libs.common.events.routing import (
    ContactAssigned,
    ContactHeld,
    ContactRequeued,
    ContactResolved,
    ContactTransferred,
    ContactUnheld,
    OfferExpired,
    OfferMade,
    OfferRejected,
    OfferWithdrawn,
    PoolFact,
)
from libs.common.testing.builders import POOL, START_MS, a_contact_received, a_message, a_queue, an_agent
from services.router.core.decide import decide
from services.router.core.invariants import check
from services.router.core.model import PoolState, new_state
from services.router.core.snapshot import freeze, restore, snapshot_chunks, state_equal
from services.router.core.step import apply, step
from tests.property.routing_reference import next_fact

Move = Callable[[PoolState, str], AnyInput]


def _presence(agent: str, status: str) -> Move:
    return lambda state, command: SetPresence(
        pool=POOL, command_id=command, agent_id=agent, target_agent_id=agent, status=status
    )


def _receive(number: int, **fields: Any) -> Move:
    return lambda state, command: a_contact_received(number, **{"contact_id": f"con_{number}", **fields})


def _offer_of(state: PoolState, agent: str) -> str:
    return next((offer.id for offer in state.offers.values() if offer.agent_id == agent), "off_none")


def _accept(agent: str) -> Move:
    return lambda state, command: AcceptOffer(
        pool=POOL, command_id=command, agent_id=agent, offer_id=_offer_of(state, agent)
    )


def _reject(agent: str) -> Move:
    return lambda state, command: RejectOffer(
        pool=POOL, command_id=command, agent_id=agent, offer_id=_offer_of(state, agent)
    )


def _work_of(state: PoolState, agent: str) -> str:
    return next((c.id for c in state.contacts.values() if c.agent_id == agent), "con_none")


def _resolve(agent: str) -> Move:
    return lambda state, command: ResolveContact(
        pool=POOL, command_id=command, agent_id=agent, contact_id=_work_of(state, agent)
    )


def _finish(agent: str) -> Move:
    return lambda state, command: FinishWrapUp(
        pool=POOL, command_id=command, agent_id=agent, contact_id=_work_of(state, agent)
    )


def _pass_on(agent: str, **fields: Any) -> Move:
    return lambda state, command: TransferContact(
        pool=POOL, command_id=command, agent_id=agent, contact_id=_work_of(state, agent), **fields
    )


def _hold(agent: str) -> Move:
    return lambda state, command: HoldContact(
        pool=POOL, command_id=command, agent_id=agent, contact_id=_work_of(state, agent)
    )


def _go_on(agent: str) -> Move:
    return lambda state, command: UnholdContact(
        pool=POOL, command_id=command, agent_id=agent, contact_id=_work_of(state, agent)
    )


def _supervise(kind: Any, **fields: Any) -> Move:
    return lambda state, command: kind(
        pool=POOL, command_id=command, agent_id="marta", supervising=True, contact_id="con_1", **fields
    )


def _write_again(number: int) -> Move:
    return lambda state, command: a_contact_received(
        number, message=a_message(number, id=f"msg_{command}"), contact_id=f"con_{command}"
    )


def _leave(number: int) -> Move:
    return lambda state, command: CustomerLeft(pool=POOL, contact_id=f"con_{number}")


def _minute() -> Move:
    return lambda state, command: TimeAdvanced(pool=POOL, now_ms=state.now_ms + 61_000)


def _remove(agent: str) -> Move:
    left = tuple(an_agent(name) for name in ("anna", "bruno") if name != agent)
    return lambda state, command: ConfigurePool(
        pool=POOL, version=f"without {agent}", queues=(a_queue(wrap_up_ms=60_000),), agents=left
    )


WORLDS: Final[dict[str, tuple[Move, ...]]] = {
    "answers": (
        _presence("anna", "available"),
        _presence("bruno", "available"),
        _receive(1),
        _receive(2),
        _accept("anna"),
        _reject("bruno"),
    ),
    "work": (
        _receive(1),
        _presence("anna", "available"),
        _accept("anna"),
        _resolve("anna"),
        _finish("anna"),
        _receive(1),
    ),
    "going": (
        _presence("anna", "available"),
        _receive(1),
        _accept("anna"),
        _presence("anna", "offline"),
        _presence("bruno", "available"),
        _minute(),
    ),
    "time": (_presence("anna", "available"), _receive(1), _minute(), _minute(), _reject("anna"), _receive(2)),
    "removal": (
        _presence("anna", "available"),
        _presence("bruno", "available"),
        _receive(1),
        _receive(2),
        _accept("bruno"),
        _remove("bruno"),
    ),
    "passing on": (
        _presence("anna", "available"),
        _receive(1),
        _accept("anna"),
        _pass_on("anna", skills={}),
        _presence("bruno", "available"),
        _accept("bruno"),
    ),
    "holding": (
        _presence("anna", "available"),
        _receive(1),
        _accept("anna"),
        _hold("anna"),
        _write_again(1),
        _receive(2),
    ),
    "holding and going": (
        _presence("anna", "available"),
        _receive(1),
        _accept("anna"),
        _hold("anna"),
        _presence("anna", "offline"),
        _go_on("anna"),
    ),
    "supervising": (
        _presence("anna", "available"),
        _receive(1),
        _accept("anna"),
        _supervise(AssignContact, target_agent_id="bruno"),
        _supervise(RequeueContact),
        _presence("bruno", "break"),
    ),
    "leaving": (
        _presence("anna", "available"),
        _receive(1),
        _leave(1),
        _write_again(1),
        _accept("anna"),
        _leave(1),
    ),
    "changing": (
        _presence("anna", "available"),
        _receive(1),
        _receive(2),
        _supervise(ChangeContact, priority=3),
        _supervise(ChangeContact, skills={"it": 1}),
        _accept("anna"),
    ),
    "kept for one": (
        _presence("anna", "available"),
        _presence("bruno", "available"),
        _receive(1, preferred_agent="anna"),
        _receive(2, preferred_agent="anna"),
        _reject("anna"),
        _minute(),
    ),
    "looking away": (
        _presence("anna", "available"),
        _presence("bruno", "available"),
        _receive(1),
        _receive(2),
        _minute(),
        _reject("bruno"),
    ),
    "units": (
        _presence("anna", "available"),
        _receive(1),
        _receive(2, message=a_message(2, channel="voice")),
        _accept("anna"),
        _presence("bruno", "available"),
        _resolve("anna"),
    ),
    "taking turns": (
        _presence("anna", "available"),
        _presence("bruno", "available"),
        _receive(1),
        _receive(2, skills={"it": 1}),
        _accept("anna"),
        _reject("bruno"),
    ),
    "breaks": (
        _presence("anna", "available"),
        _presence("anna", "break"),
        _receive(1),
        _accept("anna"),
        _resolve("anna"),
        _minute(),
    ),
}


# What worlds differ in besides; the others have a plain pool.
POOLS: Final[dict[str, dict[str, Any]]] = {
    "looking away": {"rules": RoutingRules(not_responding_after=1, flag_after_declines=1)},
    "units": {
        "queues": (a_queue(strategy="least_loaded", wrap_up_ms=60_000),),
        "agents": tuple(an_agent(name, capacity={"email": 2}, units=100) for name in ("anna", "bruno")),
        "channels": (
            ChannelConfiguration(id="email", units=60),
            ChannelConfiguration(id="voice", units=60, excludes=("email",), interrupts=("email",)),
        ),
    },
    "taking turns": {
        "queues": (a_queue(strategy="round_robin", any_of=({"it": 1}, {"en": 2})),),
        "agents": (an_agent("anna", skills={"it": 1}), an_agent("bruno", skills={"en": 2})),
        "rules": RoutingRules(offers_open_max=1),
    },
}


@pytest.mark.parametrize("world", WORLDS)
def test_every_order_of_six_inputs_keeps_every_promise(world: str) -> None:
    outcomes: set[tuple[str, ...]] = set()
    for order in itertools.permutations(WORLDS[world]):
        outcomes.add(tuple(type(fact).__name__ for fact in _play(order, POOLS.get(world, {}))))
    # The orders do differ in what comes of them, or this would explore nothing.
    assert len(outcomes) > 30


def _begin(fields: Mapping[str, Any]) -> Move:
    plain = {"queues": (a_queue(wrap_up_ms=60_000),), "agents": (an_agent("anna"), an_agent("bruno"))}
    return lambda state, command: ConfigurePool(pool=POOL, version="both", **{**plain, **fields})


def _play(order: tuple[Move, ...], fields: Mapping[str, Any]) -> list[PoolFact]:
    """Play one order; after every fact, compare with the plain rules, and after every input with a restored state."""
    state, folded = new_state(POOL), new_state(POOL)
    facts: list[PoolFact] = []
    for number, move in enumerate((_begin(fields), *order)):
        event = move(state, f"cmd_{number}")
        now_ms = max(state.now_ms, event.now_ms if isinstance(event, TimeAdvanced) else START_MS)
        expected = decide(folded, event, now_ms)
        found = step(state, event, now_ms)
        for fact in expected:
            apply(folded, fact)
        while (fact_due := next_fact(folded, now_ms)) is not None:
            expected.append(fact_due)
            apply(folded, fact_due)
        assert found == expected
        check(state, settled_at_ms=now_ms)
        facts += found
        state = restore(POOL, snapshot_chunks(freeze(state), 512))
        assert state_equal(state, folded)
    _check_one_place(facts)
    return facts


def _check_one_place(facts: list[PoolFact]) -> None:
    """Offered to one at a time, assigned by an offer, resolved by who has it."""
    holder: dict[str, str] = {}
    for fact in facts:
        if isinstance(fact, OfferMade) or (isinstance(fact, ContactAssigned) and fact.by is not None):
            assert fact.contact_id not in holder
            holder[fact.contact_id] = fact.agent_id
        elif isinstance(fact, ContactAssigned | ContactHeld | ContactUnheld | ContactResolved):
            assert holder[fact.contact_id] == fact.agent_id
        elif isinstance(fact, OfferRejected | OfferExpired | OfferWithdrawn | ContactRequeued | ContactTransferred):
            assert holder[fact.contact_id] == fact.agent_id
            del holder[fact.contact_id]
