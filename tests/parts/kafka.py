"""A real Kafka broker for tests: `obtain_kafka` gives one, however this machine can have it.

The broker is one node that is broker and controller, with automatic topics off: whoever needs a topic makes it. Its methods
block until they are done; a test that runs in an event loop calls them through `asyncio.to_thread`. Called by the fixture
`kafka_broker` and by `python -m tests.parts`.
"""

from tests.parts.part import GivenPart, Part, obtain

KAFKA_VARIABLE = "CENTRALINO_TEST_KAFKA"
KAFKA_IMAGE = "apache/kafka:4.1.0"
HEAP_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC")

# What one broker alone needs, and what makes it quick: small internal topics, no wait before a group's first rebalance,
# a short time after which a killed broker's registration ends (its restart waits for that), a small cleaner's buffer.
SINGLE_NODE_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "auto.create.topics.enable": "false",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "2000",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
}
READY_TEXT = "Kafka Server started"


class KafkaBroker(Part):
    """One broker. After a `kill`, `start` takes some seconds: the controller waits until the old registration has timed out."""

    bootstrap: str
    """The address, `host:port`."""

    @property
    def url(self) -> str:
        """The address as Centralino's settings take it: `kafka://host:port`."""
        return f"kafka://{self.bootstrap}"

    def url_for(self, name: str) -> str:
        """The same with names of topics and groups that begin with `name`, for a test that wants the streams to itself."""
        return f"{self.url}?prefix={name}."


class GivenKafka(GivenPart, KafkaBroker):
    """See `GivenPart`."""

    variable = KAFKA_VARIABLE

    def __init__(self, bootstrap: str) -> None:
        """`bootstrap`: host:port."""
        self.bootstrap = bootstrap


def obtain_kafka() -> KafkaBroker:
    """A broker, not started yet. Installs what is missing. `PartMissingError` when there is no way to have one."""
    return obtain(KAFKA_VARIABLE, KAFKA_IMAGE, given=GivenKafka, contained=_contained, local=_local)


def _contained() -> KafkaBroker:
    from tests.parts.kafka_docker import DockerKafka

    return DockerKafka()


def _local() -> KafkaBroker:
    from tests.parts.kafka_local import LocalKafka, install_kafka

    return LocalKafka(install_kafka())
