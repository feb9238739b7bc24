"""Topics: made with the settings on which promises rest, and refused where they would break one."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from libs.common.errors import LogMismatchError
from libs.common.log.kafka import KafkaLog
from libs.common.log.kafka_connection import KafkaConnection
from libs.common.log.kafka_topics import topic_settings
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS, ROUTING_SNAPSHOTS, stream_specs

SPECS = stream_specs(partitions=4)
DAY_MS = 86_400_000


async def make_topic(connection: KafkaConnection, stream: str, partitions: int = 4, **changed: str) -> None:
    """A topic that somebody made by hand, right but for what is said."""
    settings = topic_settings(SPECS[stream], replicas=1, retention_ms=14 * DAY_MS)
    settings |= {name.replace("_", "."): value for name, value in changed.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=connection.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(connection.topic(stream), partitions, 1, topic_configs=settings)])
    finally:
        await admin.close()


async def read_settings(connection: KafkaConnection, stream: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=connection.bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, connection.topic(stream))])
    finally:
        await admin.close()
    return {name: value for *_, entries in answer.resources for name, value, *_ in entries}


async def test_makes_topics_with_the_settings_that_promises_rest_on(connection: KafkaConnection) -> None:
    log = KafkaLog(connection, retention_days=3)
    await log.connect()
    await log.close()
    events = await read_settings(connection, ROUTING_EVENTS)
    snapshots = await read_settings(connection, ROUTING_SNAPSHOTS)
    assert events["message.timestamp.type"] == snapshots["message.timestamp.type"] == "LogAppendTime"
    assert (events["cleanup.policy"], events["retention.ms"]) == ("delete", str(3 * DAY_MS))
    assert snapshots["cleanup.policy"] == "compact"


async def test_is_made_by_several_services_at_once(connection: KafkaConnection) -> None:
    logs = [KafkaLog(connection) for _ in range(4)]
    await asyncio.gather(*(log.connect() for log in logs))
    await asyncio.gather(*(log.close() for log in logs))


@pytest.mark.parametrize(
    ("stream", "partitions", "changed", "complaint"),
    [
        (ROUTING_INPUTS, 5, {}, "has 5 partitions, the settings say 4"),
        (ROUTING_EVENTS, 4, {"message_timestamp_type": "CreateTime"}, "message.timestamp.type is CreateTime"),
        (ROUTING_SNAPSHOTS, 4, {"cleanup_policy": "delete"}, "cleanup.policy is delete, it must be compact"),
        (ROUTING_EVENTS, 4, {"cleanup_policy": "compact,delete"}, "cleanup.policy is compact,delete"),
        (ROUTING_EVENTS, 4, {"retention_ms": str(DAY_MS)}, "retention.ms is below 2 days"),
        (ROUTING_INPUTS, 4, {"max_message_bytes": "100000"}, "max.message.bytes is below"),
    ],
)
async def test_refuses_a_topic_that_would_break_a_promise(
    connection: KafkaConnection, stream: str, partitions: int, changed: dict[str, str], complaint: str
) -> None:
    """given a topic that somebody made otherwise / when the log is connected / then the error names it and what is wrong."""
    await make_topic(connection, stream, partitions, **changed)
    log = KafkaLog(connection)
    with pytest.raises(LogMismatchError, match=complaint) as refused:
        await log.connect()
    assert connection.topic(stream) in str(refused.value)
    await log.close()


async def test_accepts_a_longer_retention_that_the_operator_chose(connection: KafkaConnection) -> None:
    await make_topic(connection, ROUTING_EVENTS, retention_ms="-1")
    log = KafkaLog(connection)
    await log.connect()
    await log.close()
    assert (await read_settings(connection, ROUTING_EVENTS))["retention.ms"] == "-1"


async def test_refuses_a_retention_that_a_snapshot_could_outlive(connection: KafkaConnection) -> None:
    with pytest.raises(LogMismatchError, match="1 days is too short"):
        await KafkaLog(connection, retention_days=1).connect()
