"""What the configuration says about each pool."""

from __future__ import annotations

from libs.common.configuration import parse_configuration
from libs.common.configuration.calendars import Span
from libs.common.configuration.models import Agent, Configuration, Pool, PoolChannel, Queue, Routing, Rule, When
from libs.common.configuration.opening import DAY_MS
from libs.common.events.inputs import DrainQueue
from libs.common.events.pool import ChannelConfiguration, RoutingRules
from libs.common.events.routing import CalendarsExtended, ContactQueued
from libs.common.log.streams import partition_of
from libs.common.testing.builders import START_MS, a_contact_received
from services.router.calendars import Extensions
from services.router.core.step import new_state, step
from services.router.pools import configured_pools, find_refused, openings_by_pool, pool_configuration, with_calendars
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


def test_what_no_queue_takes_goes_where_the_default_rule_leads() -> None:
    # given three queues, of which the default rule names the second by name
    queues = {name: Queue(pool="care") for name in ("general", "billing", "orders")}
    rules = (Rule(queue="orders", when=When(channel=("email",))), Rule(queue="general"))
    state = new_state("care")
    step(state, pool_configuration(a_configuration(queues=queues, rules=rules), "care"), START_MS)
    # when one is drained to nowhere, and contacts come for that one and for one that is not there any more
    drain = DrainQueue(pool="care", command_id="cmd_1", agent_id="marta", supervising=True, queue="orders")
    step(state, drain, START_MS)
    waiting = [
        step(state, a_contact_received(number, contact_id=f"con_{number}", queue=queue), START_MS)[0]
        for number, queue in enumerate(("orders", "gone"))
    ]
    # then both wait in that queue
    assert [fact.queue for fact in waiting if isinstance(fact, ContactQueued)] == ["general", "general"]


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
                routing=Routing(offers_open_max=2, not_responding_after=4, flag_after_declines=5),
            )
        },
        queues={
            name: queue.model_copy(
                update={"strategy": "round_robin", "any_of": ({"it": 1}, {"en": 2}), "prefer_last_agent_ms": 9_000}
            )
            for name, queue in base.queues.items()
        },
        agents={"anna": Agent(name="Anna", pool="care", units=150)},
    )
    # then the input says it
    found = pool_configuration(configuration, "care")
    assert found.channels == (
        ChannelConfiguration(
            id="voice",
            units=100,
            excludes=("email", "webchat"),
            interrupts=("email",),
            hold_frees_room=False,  # Somebody is on the line.
        ),
    )
    assert found.rules == RoutingRules(offers_open_max=2, not_responding_after=4, flag_after_declines=5)
    assert {(queue.strategy, queue.prefer_last_agent_ms) for queue in found.queues} == {("round_robin", 9_000)}
    assert all(queue.any_of == ({"it": 1}, {"en": 2}) for queue in found.queues)
    assert [agent.units for agent in found.agents] == [150]


HOURS = Pool(timezone="Europe/Rome", hours={"mon-fri": (Span(from_minute=540, to_minute=1020),)}, holidays=("IT",))


def test_the_version_follows_from_the_hours_and_not_from_the_day_they_are_worked_out_on() -> None:
    one = a_configuration(pools={"care": HOURS})
    other = a_configuration(pools={"care": HOURS.model_copy(update={"holidays": ("IT-MI",)})})
    plain = pool_configuration(one, "care")
    openings = openings_by_pool(one, ("care",))["care"]
    today = with_calendars(plain, openings, START_MS)
    tomorrow = with_calendars(plain, openings, START_MS + DAY_MS)
    assert today.calendars != tomorrow.calendars
    assert today.version == tomorrow.version == plain.version
    assert pool_configuration(other, "care").version != plain.version
    assert [queue.hours for queue in plain.queues] == ["pool:care"] * len(plain.queues)


def test_calendars_are_extended_once_and_only_when_little_is_left() -> None:
    # given a pool whose calendars were worked out on the first day
    configuration = a_configuration(pools={"care": HOURS})
    openings = openings_by_pool(configuration, ("care",))
    state = new_state("care")
    step(state, with_calendars(pool_configuration(configuration, "care"), openings["care"], START_MS), START_MS)
    pools = {"care": state}
    extensions = Extensions(openings)
    # when days pass
    assert extensions.due(pools, START_MS + 29 * DAY_MS) == []
    [extension] = extensions.due(pools, START_MS + 31 * DAY_MS)
    # then one is asked for, and none more while that is on its way
    assert extensions.due(pools, START_MS + 31 * DAY_MS + 1) == []
    # and another router, which asks too, changes nothing by it
    [other] = Extensions(openings).due(pools, START_MS + 31 * DAY_MS)
    assert isinstance(step(state, extension, START_MS + 31 * DAY_MS)[0], CalendarsExtended)
    assert not any(isinstance(fact, CalendarsExtended) for fact in step(state, other, START_MS + 31 * DAY_MS))
    # and a month later it begins again
    assert extensions.due(pools, START_MS + 60 * DAY_MS) == []
    assert len(extensions.due(pools, START_MS + 62 * DAY_MS)) == 1


def with_shifts(number: int) -> Configuration:
    """So many agents, each with hours of his own."""
    agents = "".join(
        f'  a{n}: {{name: A, pool: care, shift: {{mon-fri: ["{6 + n % 16:02}:{n // 16 % 60:02}-23:{n // 960:02}"]}}}}\n'
        for n in range(number)
    )
    return parse_configuration(f"pools: {{care: {{}}}}\nqueues: {{q: {{pool: care}}}}\nagents:\n{agents}")


def test_hundreds_of_agents_may_have_hours_of_their_own() -> None:
    assert find_refused(with_shifts(300), START_MS) == {}


def test_it_is_known_beforehand_which_pool_would_be_refused_and_why() -> None:
    assert find_refused(with_shifts(1_001), START_MS) == {"care": "A pool has at most 1000 calendars."}
