"""What random histories of a pool are made of: its configuration, and times. Hypothesis strategies; used by `test_routing`."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from libs.common.events.pool import (
    AgentConfiguration,
    CallbackConfiguration,
    ChannelConfiguration,
    Overflow,
    QueueConfiguration,
    Relaxation,
    RoutingRules,
)
from libs.common.testing.builders import POOL
from services.router.core.strategies import STRATEGIES

AGENTS = ("anna", "bruno", "carla", "dario", "elena")
QUEUES = ("orders", "billing", "night", "gone")
CHANNELS = ("webchat", "email", "voice")
SKILLS = ("it", "en", "orders")

levels = st.one_of(
    st.just({"it": 3, "en": 3, "orders": 3}),
    st.just({"it": 5}),
    st.dictionaries(st.sampled_from(SKILLS), st.integers(0, 6), max_size=3),
)
any_of = st.one_of(
    st.just(()),
    st.just(()),
    st.lists(st.dictionaries(st.sampled_from((*SKILLS, "rare")), st.integers(0, 6), max_size=2), max_size=3).map(tuple),
)
a_relaxation = st.builds(
    Relaxation,
    after_ms=st.sampled_from([-5, 5_000, 30_000, 61_000]),
    drop=st.sampled_from([(), (), ("it",), ("rare", "orders")]),
    lower=st.sampled_from([{}, {"it": 1}, {"orders": 2, "en": 9}]),
    widen=st.sampled_from([None, None, *QUEUES]),
)
an_overflow = st.builds(
    Overflow,
    when=st.sampled_from(["closed", "waiting", "expected_wait", "waited", "waited", "no such condition"]),
    at_least=st.sampled_from([-5, 1, 2, 5_000, 30_000, 61_000]),
    to=st.sampled_from(["queue", "queue", "pool", "message", "callback", "end", "nowhere"]),
    target=st.sampled_from([*QUEUES, POOL, "far"]),
    queue=st.sampled_from([None, "first"]),
    text=st.sampled_from([{}, {"it": "Siamo chiusi.", "en": "We are closed."}]),
)
a_queue = st.builds(
    QueueConfiguration,
    id=st.sampled_from(QUEUES[:3]),
    skills=st.sampled_from([{}, {}, {"it": 1}, {"orders": 3}, {"en": 2}]),
    target_ms=st.sampled_from([None, 0, 30_000, 600_000]),
    priority=st.integers(-1, 1),
    offer_timeout_ms=st.sampled_from([None, -5, 5_000, 20_000, 90_000]),
    wrap_up_ms=st.sampled_from([None, 0, 10_000, 100_000, -1]),
    strategy=st.sampled_from([*STRATEGIES, "longest_idle", "no such strategy"]),
    hours=st.sampled_from([None, None, "shop", "other"]),
    offer_when_closed=st.sampled_from([False, False, True]),
    target_in_open_time=st.booleans(),
    relax=st.lists(a_relaxation, max_size=3).map(tuple),
    callback=st.builds(
        CallbackConfiguration,
        attempts=st.sampled_from([1, 2, 3, -1]),
        retry_ms=st.sampled_from([0, 60_000, 600_000]),
        texts=st.sampled_from([{}, {"it": "La richiameremo."}]),
    ),
    overflow=st.one_of(st.just(()), st.lists(an_overflow, max_size=3).map(tuple)),
    any_of=any_of,
    prefer_last_agent_ms=st.sampled_from([0, 0, 30_000, 90_000]),
    pull=st.booleans(),
)
an_agent = st.builds(
    AgentConfiguration,
    id=st.sampled_from(AGENTS),
    name=st.just("Name"),
    skills=levels,
    capacity=st.dictionaries(st.sampled_from(CHANNELS), st.sampled_from([1, 2, 3, 3, 0, -1]), max_size=3),
    units=st.sampled_from([None, None, 0, 100, 150, -1]),
    shift=st.sampled_from([None, None, None, "shop", "early"]),
)
other_channels = st.lists(st.sampled_from(CHANNELS), max_size=2, unique=True).map(tuple)
a_channel = st.builds(
    ChannelConfiguration,
    id=st.sampled_from(CHANNELS),
    target_ms=st.sampled_from([None, 45_000]),
    offer_timeout_ms=st.sampled_from([None, 15_000]),
    wrap_up_ms=st.sampled_from([None, 20_000, -1]),
    units=st.sampled_from([0, 30, 50, 100, -1]),
    excludes=other_channels,
    interrupts=other_channels,
    hold_frees_room=st.booleans(),
)
# Half of all pools are plain ones.
channels = st.one_of(st.lists(a_channel, max_size=0), st.lists(a_channel, max_size=3))
rules = st.one_of(
    st.just(RoutingRules()),
    st.builds(
        RoutingRules,
        offers_open_max=st.sampled_from([0, 1, 2, -1]),
        not_responding_after=st.sampled_from([0, 1, 2]),
        flag_after_declines=st.sampled_from([0, 1, 2]),
        transfers_max=st.sampled_from([10, 10, 1, -1]),
        transfer_back_ms=st.sampled_from([300_000, 5_000, 0]),
        abandoned_kept_ms=st.sampled_from([900_000, 10_000, 0]),
        vanish_after_ms=st.sampled_from([0, 60_000, 120_000]),
    ),
)
# What is open when, in seconds after the time of the input; the core must bear with spans in any order.
a_calendar = st.builds(
    lambda calendar_id, spans, until: (calendar_id, spans, until),
    st.sampled_from(("shop", "early", "early")),
    st.one_of(
        st.just([(-90, 100_000)]),
        st.lists(st.tuples(st.integers(-90, 900), st.integers(-90, 900)), max_size=4),
    ),
    st.sampled_from([900, 100_000]),
)
calendars: st.SearchStrategy[list[Any]] = st.one_of(st.just([]), st.lists(a_calendar, max_size=2))
# Mostly a pool that works: hypothesis tries the small and empty ones by itself, and rarely a large one.
queues = st.one_of(
    st.lists(a_queue, min_size=1, max_size=2), st.lists(a_queue, min_size=2, max_size=4), st.lists(a_queue, max_size=2)
)
agents = st.one_of(
    *(st.lists(an_agent, min_size=size, max_size=5, unique_by=lambda agent: agent.id) for size in (5, 4, 3, 0))
)
small_leaps_ms = st.sampled_from([0, 0, 1, 1, 500, 999, -1, -30_000])
leaps_ms = st.one_of(
    small_leaps_ms, small_leaps_ms, st.sampled_from([5_000, 20_000, 60_000, 61_000, 700_000, 90_000_000])
)


# At which number, after how long.
wishes = st.tuples(
    st.sampled_from([None, None, None, 0, 1, 2, 9]), st.sampled_from([None, 0, 5_000, 61_000, 700_000, -5_000])
)
