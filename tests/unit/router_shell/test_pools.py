"""What the configuration says about each pool."""

from __future__ import annotations

from libs.common.configuration.models import Agent, Pool
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
