"""The pool's queues and agents change while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from libs.common.events.inputs import ConfigurePool
from libs.common.events.pool import AgentConfiguration
from libs.common.events.routing import ContactQueued, OfferWithdrawn, PoolConfigured, PresenceChanged
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core import limits
from services.router.core.step import settle, step
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_refusal

ORDERS = a_queue("orders")


def configure(pool: Pool, *agents: AgentConfiguration) -> list[Any]:
    return list(pool.configure(queues=(ORDERS,), agents=agents))


def test_the_same_version_again_changes_nothing() -> None:
    pool = a_pool("anna")
    event = ConfigurePool(pool=POOL, version="v1", queues=(), agents=())
    assert pool.give(event) == []
    assert list(pool.state.agents) == ["anna"]


def test_new_agents_start_offline_and_others_keep_their_presence() -> None:
    pool = a_pool("anna")
    facts = configure(pool, an_agent("anna"), an_agent("bruno"))
    assert kinds(facts) == ["PoolConfigured"]
    assert {agent.id: agent.presence.value for agent in pool.state.agents.values()} == {
        "anna": "available",
        "bruno": "offline",
    }


def test_levels_and_capacities_are_bounded_and_the_later_of_two_counts() -> None:
    pool = a_pool()
    [fact] = configure(
        pool, an_agent("anna"), an_agent("anna", skills={"it": 9, "en": -1}, capacity={"email": -3, "sms": 10**6})
    )
    assert isinstance(fact, PoolConfigured)
    assert fact.agents == (
        an_agent("anna", skills={"it": 5, "en": 1}, capacity={"email": 0, "sms": limits.CAPACITY_MAX}),
    )


def test_a_removed_agent_leaves_what_he_had_to_others() -> None:
    # given an agent with an active contact, an offer and one in wrap-up, and another one at rest
    wrapping = a_queue("orders", wrap_up_ms=30_000)
    pool = a_pool(an_agent("anna", capacity={"email": 3}), queue=wrapping)
    pool.active("anna", 1)
    pool.active("anna", 2)
    pool.receive(3)
    pool.resolve("anna", "con_2")
    pool.configure(queues=(wrapping,), agents=(an_agent("anna", capacity={"email": 3}), an_agent("bruno")))
    pool.presence("bruno")
    # when he is removed
    facts = pool.configure(queues=(wrapping,), agents=(an_agent("bruno"),))
    # then he is signed out, and all he had goes where it belongs, in the same step
    assert kinds(facts) == [
        "PoolConfigured",
        "PresenceChanged",
        "ContactRequeued",
        "ContactResolved",
        "OfferWithdrawn",
        "OfferMade",
    ]
    assert isinstance(facts[1], PresenceChanged)
    assert (facts[1].status, facts[1].cause) == ("offline", "configuration")
    assert getattr(facts[2], "cause", None) == "agent-removed"
    assert getattr(facts[4], "cause", None) == "configuration"
    assert offered_to(facts) == {"con_1": "bruno"}
    # and nobody of that name is there any more
    assert list(pool.state.agents) == ["bruno"]
    assert the_refusal(pool.presence("anna")) == "agent-unknown"
    assert the_refusal(pool.accept("anna", "off_3_3")) == "agent-unknown"


def test_an_agent_who_comes_back_starts_anew() -> None:
    pool = a_pool("anna")
    configure(pool, an_agent("bruno"))
    configure(pool, an_agent("anna"))
    assert pool.state.agents["anna"].presence == "offline"
    pool.presence("anna")
    assert offered_to(pool.receive(1)) == {"con_1": "anna"}


def test_a_contact_of_a_removed_queue_is_still_routed() -> None:
    # given a contact that waits in a queue
    pool = Pool(
        queues=(a_queue("billing", skills={"it": 2}, wrap_up_ms=5_000),), agents=(an_agent("anna", skills={"it": 2}),)
    )
    pool.receive(1, queue="billing")
    # when the queue is gone
    pool.configure(queues=(ORDERS,), agents=(an_agent("anna", skills={"it": 2}),))
    # then the contact keeps its place, its skills and its queue's name, and is resolved without wrap-up
    assert offered_to(pool.presence("anna")) == {"con_1": "anna"}
    pool.accept("anna", "off_1_1")
    assert kinds(pool.resolve("anna", "con_1")) == ["ContactResolved"]


def test_a_changed_queue_does_not_change_who_waits_in_it() -> None:
    pool = a_pool("anna", come=False)
    [queued] = pool.receive(1)
    assert isinstance(queued, ContactQueued)
    pool.configure(queues=(a_queue("orders", skills={"it": 5}, target_ms=1),), agents=(an_agent("anna"),))
    assert pool.state.contacts["con_1"].due_ms == queued.due_ms
    assert offered_to(pool.presence("anna")) == {"con_1": "anna"}


def test_new_skills_act_at_once() -> None:
    pool = a_pool("anna")
    pool.receive(1, skills={"it": 3})
    assert offered_to(configure(pool, an_agent("anna", skills={"it": 2}))) == {}
    assert offered_to(configure(pool, an_agent("anna", skills={"it": 3}))) == {"con_1": "anna"}


def test_lost_skills_take_offers_back_and_leave_active_contacts() -> None:
    # given an agent with an offer and an active contact, both for his skill
    able = an_agent("anna", skills={"it": 3}, capacity={"email": 2})
    pool = a_pool(able)
    pool.active("anna", 1, skills={"it": 3})
    pool.receive(2, skills={"it": 3})
    # when he no longer has it
    facts = configure(pool, an_agent("anna", skills={"it": 2}, capacity={"email": 2}))
    # then the offer is taken back, and the contact that he has stays with him
    assert kinds(facts) == ["PoolConfigured", "OfferWithdrawn"]
    assert pool.state.contacts["con_1"].state == "active"
    # and the skill back brings the offer back
    assert offered_to(configure(pool, able)) == {"con_2": "anna"}


def test_more_capacity_acts_at_once() -> None:
    pool = a_pool("anna")
    for number in (1, 2, 3, 4):
        pool.receive(number)
    assert offered_to(configure(pool, an_agent("anna", capacity={"email": 3}))) == {"con_2": "anna", "con_3": "anna"}


def test_less_capacity_takes_offers_back_the_latest_due_first_and_no_active_contact() -> None:
    # given an agent with one active contact and two offers
    pool = a_pool(an_agent("anna", capacity={"email": 3}))
    pool.active("anna", 1)
    pool.receive(2)
    pool.receive(3)
    # when he has room for two
    facts = configure(pool, an_agent("anna", capacity={"email": 2}))
    assert [fact.contact_id for fact in facts if isinstance(fact, OfferWithdrawn)] == ["con_3"]
    # and then for none
    facts = configure(pool, an_agent("anna", capacity={"email": 0}))
    assert [fact.contact_id for fact in facts if isinstance(fact, OfferWithdrawn)] == ["con_2"]
    assert pool.state.contacts["con_1"].agent_id == "anna"
    assert kinds(pool.resolve("anna", "con_1")) == ["ContactResolved"]


@pytest.mark.parametrize(
    "fields",
    [
        {"queues": tuple(a_queue(f"q{n}") for n in range(limits.QUEUES_MAX + 1))},
        {"queues": (a_queue("orders", skills={f"s{n}": 1 for n in range(limits.SKILLS_PER_CONTACT_MAX + 1)}),)},
        {"agents": (an_agent("anna", skills={f"s{n}": 1 for n in range(limits.SKILLS_PER_AGENT_MAX + 1)}),)},
        {"agents": (an_agent("anna", capacity={f"c{n}": 1 for n in range(limits.CHANNELS_MAX + 1)}),)},
        {"channel_targets_ms": {f"c{n}": 1 for n in range(limits.CHANNELS_MAX + 1)}},
        {"agents": tuple(an_agent(f"a{n}", skills={f"s{n}-{i}": 1 for i in range(500)}) for n in range(11))},
    ],
)
def test_a_configuration_beyond_the_limits_is_refused_whole(fields: dict[str, Any]) -> None:
    pool = a_pool("anna")
    assert the_refusal(pool.configure(**{"queues": (ORDERS,), "agents": (), **fields})) == "limit-reached"
    assert list(pool.state.agents) == ["anna"]
    assert pool.state.version == "v1"


def test_too_many_agents_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AGENTS_MAX", 1)
    pool = a_pool("anna")
    assert the_refusal(configure(pool, an_agent("anna"), an_agent("bruno"))) == "limit-reached"


def test_a_large_change_may_be_settled_piece_by_piece() -> None:
    # given twenty agents at work
    names = [f"agent{number:02d}" for number in range(20)]
    pool = a_pool(*names)
    for number, name in enumerate(names, 1):
        pool.active(name, number)
    # when all are removed but one, and a step may yield five facts beside its own
    event = ConfigurePool(pool=POOL, version="small", queues=(ORDERS,), agents=(an_agent(names[0]),))
    now_ms = START_MS + pool.at_ms
    pieces = [step(pool.state, event, now_ms, limit=5)]
    while piece := settle(pool.state, now_ms, 5):
        pieces.append(piece)
    # then no piece is larger, and together they are what one step would have said
    assert [len(piece) for piece in pieces] == [6] + [5] * 6 + [3]
    whole = a_pool(*names)
    for number, name in enumerate(names, 1):
        whole.active(name, number)
    assert whole.give(event) == [fact for piece in pieces for fact in piece]
