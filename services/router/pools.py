"""What the configuration says about each pool, as the input that tells the core.

Pure: no I/O and no clock. Called by the partition worker when it takes a partition over, and by tests.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from libs.common.configuration.models import CHANNEL_TARGETS_MS, Configuration
from libs.common.events.codec import encode_value
from libs.common.events.inputs import ConfigurePool
from libs.common.events.pool import AgentConfiguration, ChannelConfiguration, QueueConfiguration, RoutingRules
from libs.common.log.streams import partition_of

_VERSION_CHARS: Final = 32
_PLAIN_RULES: Final = RoutingRules()


def configured_pools(configuration: Configuration, partition: int, partitions: int) -> dict[str, ConfigurePool]:
    """The pools of one of `partitions` partitions by name, in the order of their names, each as the input that configures it."""
    return {
        pool: pool_configuration(configuration, pool)
        for pool in sorted(configuration.pools)
        if partition_of(pool, partitions) == partition
    }


def pool_configuration(configuration: Configuration, pool: str) -> ConfigurePool:
    """The part of the configuration that is this pool's. The same content has the same `version`, in whatever order it is written."""
    queues = tuple(
        QueueConfiguration(
            id=name,
            skills=dict(sorted(queue.skills.items())),
            target_ms=queue.target_ms,
            priority=queue.priority,
            offer_timeout_ms=queue.offer_timeout_ms,
            wrap_up_ms=queue.wrap_up_ms,
            strategy=queue.strategy,
        )
        for name, queue in sorted(configuration.queues.items())
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
        )
        for name, channel in sorted(mine.channels.items())
    )
    rules = RoutingRules(offers_open_max=mine.routing.offers_open_max)
    return configure_pool(pool, queues, agents, CHANNEL_TARGETS_MS, channels=channels, rules=rules)


def configure_pool(
    pool: str,
    queues: tuple[QueueConfiguration, ...],
    agents: tuple[AgentConfiguration, ...],
    channel_targets_ms: dict[str, int],
    *,
    channels: tuple[ChannelConfiguration, ...] = (),
    rules: RoutingRules = _PLAIN_RULES,
) -> ConfigurePool:
    """The input that gives a pool these queues, agents, channels and rules; its `version` is a digest of everything else in it."""
    content = ConfigurePool(
        pool=pool,
        version="",
        queues=queues,
        agents=agents,
        channel_targets_ms=dict(sorted(channel_targets_ms.items())),
        channels=channels,
        rules=rules,
    )
    digest = hashlib.sha256(encode_value(content)).hexdigest()[:_VERSION_CHARS]
    return msgspec.structs.replace(content, version=digest)
