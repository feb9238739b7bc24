"""What the configuration says about each pool, as the input that tells the core.

Pure: no I/O and no clock. Called by the partition worker when it takes a partition over, and by tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from libs.common.configuration.callbacks import Callbacks
from libs.common.configuration.models import CHANNEL_TARGETS_MS, Configuration
from libs.common.configuration.models import Overflow as OverflowRule
from libs.common.configuration.opening import Opening, agent_calendar, horizon, openings_of, queue_calendar, work_out
from libs.common.events.codec import encode_packed, encode_value
from libs.common.events.inputs import ConfigurePool
from libs.common.events.message import Channel
from libs.common.events.pool import (
    AgentConfiguration,
    Calendar,
    CallbackConfiguration,
    ChannelConfiguration,
    Overflow,
    QueueConfiguration,
    Relaxation,
    RoutingRules,
)
from libs.common.log.streams import partition_of
from services.router.core.decide_pool import find_problem

_VERSION_CHARS: Final = 32

# What a pool's configuration may take on the log when it is packed. It is one append, and so is the fact that follows on it.
_CONFIGURATION_BYTES_MAX: Final = 900_000
_PLAIN_RULES: Final = RoutingRules()


def configured_pools(configuration: Configuration, partition: int, partitions: int) -> dict[str, ConfigurePool]:
    """The pools of one of `partitions` partitions by name, in the order of their names, each as the input that configures it."""
    return {
        pool: pool_configuration(configuration, pool)
        for pool in sorted(configuration.pools)
        if partition_of(pool, partitions) == partition
    }


def openings_by_pool(configuration: Configuration, pools: Iterable[str]) -> dict[str, dict[str, Opening]]:
    """What the calendars of each of these pools are worked out of, by their ids."""
    return {pool: openings_of(configuration, pool) for pool in pools}


def pool_configuration(configuration: Configuration, pool: str) -> ConfigurePool:
    """The part of the configuration that is this pool's. The same content has the same `version`, in whatever order it is written.

    The queue of the pool's default rule comes first, so that it takes what no other queue does; the others by their names.
    """
    default = _default_queue(configuration, pool)
    queues = tuple(
        _queue(configuration, name)
        for name, queue in sorted(configuration.queues.items(), key=lambda item: (item[0] != default, item[0]))
        if queue.pool == pool
    )
    agents = tuple(
        AgentConfiguration(
            id=name,
            name=agent.name,
            skills=dict(sorted(agent.skills.items())),
            capacity=dict(sorted(agent.capacity.items())),
            role=agent.role,
            units=agent.units,
            shift=agent_calendar(configuration, name),
        )
        for name, agent in sorted(configuration.agents.items())
        if agent.pool == pool
    )
    mine = configuration.pools[pool]
    channels = tuple(
        ChannelConfiguration(
            id=name,
            target_ms=channel.target_ms,
            offer_timeout_ms=channel.offer_timeout_ms,
            wrap_up_ms=channel.wrap_up_ms,
            units=channel.units,
            excludes=tuple(sorted(channel.excludes)),
            interrupts=tuple(sorted(channel.interrupts)),
            hold_frees_room=name != Channel.VOICE if channel.hold_frees_room is None else channel.hold_frees_room,
        )
        for name, channel in sorted(mine.channels.items())
    )
    rules = RoutingRules(
        not_responding_after=mine.routing.not_responding_after,
        flag_after_declines=mine.routing.flag_after_declines,
        offers_open_max=mine.routing.offers_open_max,
        transfers_max=mine.routing.transfers_max,
        transfer_back_ms=mine.routing.transfer_back_ms,
        abandoned_kept_ms=mine.routing.abandoned_kept_ms,
        vanish_after_ms=mine.routing.vanish_after_ms,
    )
    openings = openings_of(configuration, pool)
    return configure_pool(pool, queues, agents, CHANNEL_TARGETS_MS, channels=channels, rules=rules, openings=openings)


def _queue(configuration: Configuration, name: str) -> QueueConfiguration:
    queue = configuration.queues[name]
    return QueueConfiguration(
        id=name,
        skills=dict(sorted(queue.skills.items())),
        target_ms=queue.target_ms,
        priority=queue.priority,
        offer_timeout_ms=queue.offer_timeout_ms,
        wrap_up_ms=queue.wrap_up_ms,
        strategy=queue.strategy,
        hours=queue_calendar(configuration, name),
        offer_when_closed=queue.offer_when_closed,
        target_in_open_time=queue.target_in_open_time,
        relax=tuple(
            Relaxation(
                after_ms=step.after_ms,
                drop=tuple(sorted(step.drop)),
                lower=dict(sorted(step.lower.items())),
                widen=step.widen,
            )
            for step in queue.relax
        ),
        overflow=tuple(_overflow(configuration, rule) for rule in queue.overflow),
        callback=_callback(queue.callback or configuration.pools[queue.pool].callback),
        any_of=tuple(dict(sorted(skills.items())) for skills in queue.any_of),
        prefer_last_agent_ms=queue.prefer_last_agent_ms,
        pull=queue.pull,
    )


def _callback(callback: Callbacks) -> CallbackConfiguration:
    texts = {str(language): words for language, words in sorted(callback.text.items())}
    return CallbackConfiguration(attempts=callback.attempts, retry_ms=callback.retry_ms, texts=texts)


def _overflow(configuration: Configuration, rule: OverflowRule) -> Overflow:
    # Where the default rule of the other pool would send it.
    queue = _default_queue(configuration, rule.target) if rule.to == "pool" else None
    return Overflow(
        when=rule.when,
        at_least=rule.at_least or 0,
        to=rule.to,
        target=rule.target,
        text={str(language): words for language, words in sorted(rule.text.items())},
        queue=queue,
    )


def _default_queue(configuration: Configuration, pool: str | None) -> str | None:
    """The queue of this pool's default rule, where it has one."""
    return next((rule.queue for _, rule in configuration.rules_of(pool or "") if rule.when is None), None)


def configure_pool(
    pool: str,
    queues: tuple[QueueConfiguration, ...],
    agents: tuple[AgentConfiguration, ...],
    channel_targets_ms: dict[str, int],
    *,
    channels: tuple[ChannelConfiguration, ...] = (),
    rules: RoutingRules = _PLAIN_RULES,
    openings: Mapping[str, Opening] | None = None,
) -> ConfigurePool:
    """The input that gives a pool these queues, agents, channels and rules; its `version` is a digest of everything else in it, and of
    what its calendars are worked out of. The calendars themselves depend on the time: `with_calendars` puts them in.
    """
    content = ConfigurePool(
        pool=pool,
        version="",
        queues=queues,
        agents=agents,
        channel_targets_ms=dict(sorted(channel_targets_ms.items())),
        channels=channels,
        rules=rules,
    )
    source = encode_value(content)
    if openings:
        source += repr(sorted(openings.items())).encode()
    digest = hashlib.sha256(source).hexdigest()[:_VERSION_CHARS]
    return replace(content, version=digest)


def find_refused(configuration: Configuration, now_ms: int) -> dict[str, str]:
    """Why the core would refuse the configuration of a pool, or the log not take it, by the pools' names. Tens of thousands of agents are
    possible.
    """
    problems = {}
    for pool in sorted(configuration.pools):
        event = with_calendars(pool_configuration(configuration, pool), openings_of(configuration, pool), now_ms)
        problem = find_problem(event) or _find_too_large(event)
        if problem is not None:
            problems[pool] = problem
    return problems


def _find_too_large(event: ConfigurePool) -> str | None:
    size = len(encode_packed(event)[0])
    if size <= _CONFIGURATION_BYTES_MAX:
        return None
    return (
        f"its {len(event.agents)} agents, {len(event.queues)} queues and {len(event.calendars)} calendars take {size} bytes"
        f" when they are packed, at most {_CONFIGURATION_BYTES_MAX} are possible: divide it into several pools"
    )


def with_calendars(configuration: ConfigurePool, openings: Mapping[str, Opening], now_ms: int) -> ConfigurePool:
    """The same with the pool's calendars, worked out from this time on."""
    return replace(configuration, calendars=work_out_calendars(openings, now_ms))


def work_out_calendars(openings: Mapping[str, Opening], now_ms: int) -> tuple[Calendar, ...]:
    """The calendars as the core goes by them: what is open in the 60 days after this time, and in the two before it."""
    from_ms, until_ms = horizon(now_ms)
    return tuple(
        Calendar(id=calendar_id, spans=work_out(opening, from_ms, until_ms), until_ms=until_ms)
        for calendar_id, opening in sorted(openings.items())
    )
