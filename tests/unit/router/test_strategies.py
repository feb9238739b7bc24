"""Which of several agents who could take a contact is offered it, by the strategy of its queue."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from libs.common.configuration.models import Strategy
from libs.common.events.pool import AgentConfiguration, ChannelConfiguration, QueueConfiguration
from libs.common.events.routing import PoolConfigured
from libs.common.testing.builders import a_queue, an_agent
from services.router.core.invariants import check
from services.router.core.model import rebuild_index
from services.router.core.strategies import STRATEGIES
from tests.unit.router.pool import Pool, a_pool, offered_to, the_offer

SKILLS = {f"s{number}": 3 for number in range(5)}


def a_pool_by(strategy: str, *agents: str | AgentConfiguration) -> Pool:
    return a_pool(*agents, queue=a_queue("orders", strategy=strategy))


def chosen(pool: Pool, *numbers: int, **fields: Any) -> list[str]:
    """Who is offered these contacts; nobody answers."""
    return [the_offer(pool.receive(number, **fields)).agent_id for number in numbers]


def test_the_configuration_knows_the_strategies_that_there_are() -> None:
    assert typing.get_args(Strategy) == tuple(STRATEGIES)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_offer_says_by_which_strategy_it_was_made(strategy: str) -> None:
    assert the_offer(a_pool_by(strategy, "anna").receive(1)).reason.strategy == strategy


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_among_equals_the_id_decides(strategy: str) -> None:
    # given agents who differ in nothing but their names
    pool = a_pool(come=False, queue=a_queue("orders", strategy=strategy))
    pool.configure(
        queues=(a_queue("orders", strategy=strategy),), agents=tuple(map(an_agent, ("carla", "anna", "bruno")))
    )
    for agent in ("bruno", "carla", "anna"):
        pool.presence(agent)
    assert chosen(pool, 1, 2, 3) == ["anna", "bruno", "carla"]


def test_least_loaded_goes_by_the_share_of_what_an_agent_can_have() -> None:
    # given one with room for six mails and one with room for two, who came first
    small = an_agent("anna", capacity={"email": 2})
    pool = a_pool_by("least_loaded", small, an_agent("bruno", capacity={"email": 6}))
    # then a mail is half of what she can have and a sixth of what he can
    assert chosen(pool, *range(1, 9)) == ["anna", "bruno", "bruno", "bruno", "anna", "bruno", "bruno", "bruno"]


def test_least_loaded_goes_by_units_where_an_agent_has_them() -> None:
    channels = (ChannelConfiguration(id="voice", units=100), ChannelConfiguration(id="email", units=10))
    agents = (
        an_agent("anna", capacity={"email": 9}, units=100),
        an_agent("bruno", capacity={"email": 9, "voice": 2}, units=400),
    )
    pool = a_pool_by("least_loaded", *agents)
    pool.configure(queues=(a_queue("orders", strategy="least_loaded"),), agents=agents, channels=channels)
    # given a mail with her, a tenth of her units; when more come, then he has room for three until his share is as large
    assert chosen(pool, 1, 2, 3, 4, 5) == ["anna", "bruno", "bruno", "bruno", "bruno"]
    # and a call, a quarter of his units and all of hers, goes to him, for she has no room
    assert chosen(pool, 6, message_channel="voice") == ["bruno"]
    assert chosen(pool, 7, 8, 9) == ["anna", "anna", "anna"]


def test_round_robin_goes_by_who_was_offered_something_longest_ago() -> None:
    # given three agents with room for all
    pool = a_pool_by("round_robin", *(an_agent(name, capacity={"email": 9}) for name in ("anna", "bruno", "carla")))
    # then it goes round, whatever becomes of the offers
    facts = pool.receive(1)
    pool.accept("anna", the_offer(facts).offer_id)
    pool.resolve("anna", "con_1")
    assert chosen(pool, 2) == ["bruno"]
    pool.reject("bruno", "off_2_2")
    assert the_offer(pool.receive(3)).agent_id == "anna"  # Carla was offered what Bruno declined.
    assert chosen(pool, 4, 5) == ["bruno", "carla"]


def test_round_robin_passes_over_whom_it_cannot_take_and_takes_him_next() -> None:
    pool = a_pool_by("round_robin", "anna", "bruno", "carla")
    pool.presence("bruno", "break")
    assert chosen(pool, 1) == ["anna"]
    pool.presence("bruno")
    assert chosen(pool, 2, 3) == ["bruno", "carla"]


def test_least_skilled_spares_those_with_rare_skills() -> None:
    # given one who can do everything and has been idle for longest, and one who can do little
    pool = a_pool_by("least_skilled", an_agent("anna", skills=SKILLS), an_agent("bruno", skills={"s0": 3}))
    # then what both can do goes to the latter, and what only the former can do finds her free
    assert chosen(pool, 1, skills={"s0": 1}) == ["bruno"]
    assert chosen(pool, 2, skills={"s4": 1}) == ["anna"]


def test_most_skilled_is_the_opposite() -> None:
    pool = a_pool_by("most_skilled", an_agent("bruno", skills={"s0": 3}), an_agent("anna", skills=SKILLS))
    assert chosen(pool, 1, 2, skills={"s0": 1}) == ["anna", "bruno"]


@pytest.mark.parametrize("strategy", ["most_skilled", "least_skilled"])
def test_with_as_many_skills_less_in_hand_and_idle_for_longer_come_first(strategy: str) -> None:
    pool = a_pool_by(strategy, *(an_agent(name, capacity={"email": 2}) for name in ("bruno", "anna")))
    assert chosen(pool, 1, 2, 3) == ["bruno", "anna", "bruno"]


def test_each_queue_has_its_own_strategy() -> None:
    # given one pool with two queues
    queues = (a_queue("orders", strategy="least_skilled"), a_queue("vip", strategy="most_skilled"))
    agents = (
        an_agent("bruno", skills={"s0": 3}, capacity={"email": 5}),
        an_agent("anna", skills=SKILLS, capacity={"email": 5}),
    )
    pool = Pool(queues=queues, agents=agents)
    for agent in ("bruno", "anna"):
        pool.presence(agent)
    assert chosen(pool, 1, queue="orders") == ["bruno"]
    assert chosen(pool, 2, queue="vip") == ["anna"]
    # then only the orders that are used are kept
    assert list(pool.state.index.orders) == ["least_skilled", "most_skilled"]


def test_a_contact_of_a_queue_that_is_gone_goes_by_the_first_queues_strategy() -> None:
    pool = a_pool(an_agent("bruno"), an_agent("anna", skills=SKILLS), come=False)
    pool.receive(1)
    pool.configure(
        queues=(a_queue("other", strategy="most_skilled"),), agents=(an_agent("bruno"), an_agent("anna", skills=SKILLS))
    )
    pool.presence("bruno", "break")
    reason = the_offer(pool.presence("anna")).reason
    assert reason.strategy == "most_skilled"


def test_an_unknown_strategy_is_seen_to_be_the_default_one() -> None:
    # given a configuration on the log that names a strategy of some other version
    pool = Pool(queues=(a_queue("orders", strategy="fewest_tears"),), agents=(an_agent("anna"),))
    [configured] = pool.facts
    # then the fact says by which one it goes, and so does every offer
    assert isinstance(configured, PoolConfigured)
    assert [queue.strategy for queue in configured.queues] == ["longest_idle"]
    pool.presence("anna")
    assert the_offer(pool.receive(1)).reason.strategy == "longest_idle"


def test_a_fact_with_an_unknown_strategy_is_folded_like_the_default_one() -> None:
    pool = a_pool("anna")
    pool.state.queues["orders"] = QueueConfiguration(id="orders", strategy="fewest_tears")
    rebuild_index(pool.state)
    check(pool.state)
    assert list(pool.state.index.orders) == ["longest_idle"]


def test_a_new_strategy_acts_at_once_and_knows_what_was() -> None:
    # given two agents, the one offered something, when the queue changes to taking turns
    agents = tuple(an_agent(name, capacity={"email": 5}) for name in ("anna", "bruno"))
    pool = a_pool(*agents)
    assert chosen(pool, 1, 2) == ["anna", "bruno"]
    pool.configure(queues=(a_queue("orders", strategy="round_robin"),), agents=agents)
    # then it goes on after whoever was last
    assert chosen(pool, 3, 4) == ["anna", "bruno"]


def test_who_was_passed_over_is_told_in_the_order_of_the_strategy() -> None:
    pool = a_pool_by("least_skilled", an_agent("anna", skills=SKILLS), an_agent("bruno", skills={"x": 1}))
    facts = pool.receive(1, skills={"s4": 1})
    assert offered_to(facts) == {"con_1": "anna"}
    assert the_offer(facts).reason.left_out == {"bruno": "skill"}


def test_two_orders_of_the_same_agents_do_not_disturb_each_other() -> None:
    pool = Pool(
        queues=tuple(a_queue(strategy, strategy=strategy) for strategy in STRATEGIES),
        agents=tuple(an_agent(f"a{number}", capacity={"email": 1 + number}) for number in range(4)),
    )
    for number in range(4):
        pool.presence(f"a{number}")
    # `give` compares every order with one made anew after each step.
    for number in range(10):
        strategy = list(STRATEGIES)[number % len(STRATEGIES)]
        assert the_offer(pool.receive(number + 1, queue=strategy)).reason.strategy == strategy
