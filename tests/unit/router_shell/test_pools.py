"""What the configuration says about each pool."""

from __future__ import annotations

from libs.common.configuration.models import Agent, Pool, PoolChannel, Routing
from libs.common.events.pool import ChannelConfiguration
from libs.common.log.streams import partition_of
from services.router.pools import configured_pools, pool_configuration
from tests.support.routing import a_configuration


def test_a_partition_has_its_own_pools_and_no_others() -> None:
    names = [f"pool{number}" for number in range(20)]
    configuration = a_configuration(pools={"care": Pool(), **{name: Pool() for name in names}})
    found = [configured_pools(configuration, partition, 3) for partition in range(3)]
    assert sorted(pool for pools in found for pool in pools) == sorted([*names, "care"])
    for partition, pools in enumerate(found):
        assert all(partition_of(pool, 3) == partition for pool in pools)


def test_the_version_follows_from_the_content_alone() -> None:
    one = a_configuration()
    turned = a_configuration(queues=dict(reversed(one.queues.items())), agents=dict(reversed(one.agents.items())))
    assert pool_configuration(one, "care") == pool_configuration(turned, "care")
    changed = a_configuration(agents={**one.agents, "anna": Agent(name="Anna", pool="care", capacity={"email": 9})})
    assert pool_configuration(changed, "care").version != pool_configuration(one, "care").version


def test_another_pools_change_is_not_this_ones() -> None:
    one = a_configuration(pools={"care": Pool(), "sales": Pool()})
    other = a_configuration(
        pools={"care": Pool(), "sales": Pool()}, agents={**one.agents, "sara": Agent(name="Sara", pool="sales")}
    )
    assert pool_configuration(one, "care") == pool_configuration(other, "care")
    assert pool_configuration(one, "sales") != pool_configuration(other, "sales")


def test_what_limits_and_orders_agents_goes_to_the_router() -> None:
    # given a pool with all that the configuration can say of who gets what
    base = a_configuration()
    configuration = a_configuration(
        pools={
            "care": Pool(
                channels={"voice": PoolChannel(units=100, excludes=("webchat", "email"), interrupts=("email",))},
                routing=Routing(offers_open_max=2),
            )
        },
        queues={name: queue.model_copy(update={"strategy": "round_robin"}) for name, queue in base.queues.items()},
        agents={"anna": Agent(name="Anna", pool="care", units=150)},
    )
    # then the input says it
    found = pool_configuration(configuration, "care")
    assert found.channels == (
        ChannelConfiguration(id="voice", units=100, excludes=("email", "webchat"), interrupts=("email",)),
    )
    assert found.rules.offers_open_max == 2
    assert {queue.strategy for queue in found.queues} == {"round_robin"}
    assert [agent.units for agent in found.agents] == [150]
