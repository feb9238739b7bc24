"""The topics under the streams: makes those that are missing and refuses those that would break a promise.

It never changes or deletes a topic that exists: its settings are the operator's, and must only be such that nothing is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code

from libs.common.errors import LogMismatchError, LogUnavailableError
from libs.common.log.batch import BATCH_BYTES_MAX
from libs.common.log.kafka_connection import KafkaConnection, kafka_errors
from libs.common.log.streams import StreamSpec

RETENTION_DAYS_MIN: Final = 2

_DAY_MS: Final = 24 * 60 * 60 * 1000
_HOUR_MS: Final = 60 * 60 * 1000
_REPLICAS: Final = 3
_MESSAGE_BYTES: Final = 1_048_588  # Kafka's default, said explicitly, since a broker's own default may be lower.
_LEADER_WAIT_S: Final = 0.1
_UNLIMITED: Final = -1


async def ensure_topics(connection: KafkaConnection, specs: Mapping[str, StreamSpec], *, retention_days: int) -> None:
    """Make what is missing, check everything, and return when every partition has a leader.

    Raises LogMismatchError, which names every topic that is wrong and why, and LogUnavailableError.
    """
    if retention_days < RETENTION_DAYS_MIN:
        raise LogMismatchError(
            f"a retention of {retention_days} days is too short for Kafka, which lets records go by their age alone:"
            f" the router writes a snapshot at least daily and needs what came after it; {RETENTION_DAYS_MIN} days are the least"
        )
    topics = {connection.topic(spec.name): spec for spec in specs.values()}
    async with kafka_errors(f"{connection}: topics"):
        admin = AIOKafkaAdminClient(**connection.arguments("topics"), request_timeout_ms=10_000)
        try:
            await admin.start()
            found = await _describe(admin, topics)
            if len(found) < len(topics):
                brokers = len((await admin.describe_cluster())["brokers"])
                missing = {topic: spec for topic, spec in topics.items() if topic not in found}
                await _create(admin, missing, brokers=brokers, retention_ms=retention_days * _DAY_MS)
            while not _complete(found, topics):
                await asyncio.sleep(_LEADER_WAIT_S)
                found = await _describe(admin, topics)
            settings = await _read_settings(admin, topics)
        finally:
            await admin.close()
    problems = [
        f"{topic}: {problem}"
        for topic, spec in topics.items()
        for problem in _find_problems(spec, len(found[topic]), settings[topic])
    ]
    if problems:
        raise LogMismatchError(f"{connection}: the topics do not fit: " + "; ".join(problems))


def topic_settings(spec: StreamSpec, *, replicas: int, retention_ms: int) -> dict[str, str]:
    """The settings of a new topic."""
    settings = {
        # The log's time, not the writer's: no clock but the log's decides what came when.
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(_MESSAGE_BYTES),
        "min.insync.replicas": "2" if replicas >= _REPLICAS else "1",
    }
    if spec.compacted:
        # A small log that is read from its beginning at every start: let what is superseded go soon.
        settings |= {"cleanup.policy": "compact", "segment.ms": str(_HOUR_MS), "min.cleanable.dirty.ratio": "0.1"}
    else:
        settings |= {"cleanup.policy": "delete", "retention.ms": str(retention_ms)}
    return settings


def _find_problems(spec: StreamSpec, partitions: int, settings: Mapping[str, str]) -> list[str]:
    problems = []
    if partitions != spec.partitions:
        problems.append(
            f"has {partitions} partitions, the settings say {spec.partitions}; keys would move to other partitions"
        )
    policy = "compact" if spec.compacted else "delete"
    for name, wanted in (("message.timestamp.type", "LogAppendTime"), ("cleanup.policy", policy)):
        if settings.get(name) != wanted:
            problems.append(f"{name} is {settings.get(name)}, it must be {wanted}")
    if int(settings.get("max.message.bytes", "0")) < BATCH_BYTES_MAX:
        problems.append(f"max.message.bytes is below {BATCH_BYTES_MAX}, so that not every batch fits")
    retention_ms = int(settings.get("retention.ms", _UNLIMITED))
    if not spec.compacted and retention_ms != _UNLIMITED and retention_ms < RETENTION_DAYS_MIN * _DAY_MS:
        problems.append(f"retention.ms is below {RETENTION_DAYS_MIN} days")
    return problems


async def _describe(admin: AIOKafkaAdminClient, topics: Mapping[str, StreamSpec]) -> dict[str, dict[int, bool]]:
    """Of each topic that exists: which partitions have a leader."""
    described = await admin.describe_topics()
    return {
        topic["topic"]: {partition["partition"]: partition["leader"] >= 0 for partition in topic["partitions"]}
        for topic in described
        if topic["topic"] in topics
    }


def _complete(found: Mapping[str, Mapping[int, bool]], topics: Mapping[str, StreamSpec]) -> bool:
    return all(topic in found and found[topic] and all(found[topic].values()) for topic in topics)


async def _create(
    admin: AIOKafkaAdminClient, missing: Mapping[str, StreamSpec], *, brokers: int, retention_ms: int
) -> None:
    replicas = min(_REPLICAS, brokers)
    new = [
        NewTopic(
            topic,
            spec.partitions,
            replicas,
            topic_configs=topic_settings(spec, replicas=replicas, retention_ms=retention_ms),
        )
        for topic, spec in missing.items()
    ]
    answer = await admin.create_topics(new, timeout_ms=10_000)
    for topic, code, *message in answer.topic_errors:
        # Another process may have been quicker.
        if for_code(code) not in (NoError, TopicAlreadyExistsError):
            raise LogUnavailableError(f"the topic {topic} cannot be made: {for_code(code).__name__} {message}")


async def _read_settings(admin: AIOKafkaAdminClient, topics: Mapping[str, StreamSpec]) -> dict[str, dict[str, str]]:
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    settings: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(wanted):
        for code, message, _, topic, entries in answer.resources:
            if for_code(code) is not NoError:
                raise LogUnavailableError(
                    f"the settings of {topic} cannot be read: {for_code(code).__name__} {message}"
                )
            settings[topic] = {name: value for name, value, *_ in _pairs(entries)}
    return settings


def _pairs(entries: Any) -> list[tuple[str, str]]:
    return [(entry[0], entry[1]) for entry in entries]
