"""A real Kafka broker for tests: `obtain_kafka` gives one, however this machine can have it.

The broker is one node that is broker and controller, with automatic topics off: whoever needs a topic makes it. Its methods
block until they are done; a test that runs in an event loop calls them through `asyncio.to_thread`. Called by the fixture
`kafka_broker` and by `python -m tests.parts`.
"""

import os
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from tests.parts.choice import WAYS_VARIABLE, Way, allowed_ways
from tests.parts.errors import PartMissingError, PartNotOursError

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


class KafkaBroker(ABC):
    """One broker with a fixed address, whose data outlives `stop` and `kill` and goes with `close`."""

    bootstrap: str
    """The address, `host:port`."""

    @property
    def url(self) -> str:
        """The address as Centralino's settings take it: `kafka://host:port`."""
        return f"kafka://{self.bootstrap}"

    def url_for(self, name: str) -> str:
        """The same with names of topics and groups that begin with `name`, for a test that wants the streams to itself."""
        return f"{self.url}?prefix={name}."

    @abstractmethod
    def start(self) -> None:
        """Start it on its own port with the data that it has, and return when it serves clients.

        After a `kill` that takes some seconds: the controller waits until the old registration has timed out.
        """

    @abstractmethod
    def stop(self) -> None:
        """End it in good order; the data stays."""

    @abstractmethod
    def kill(self) -> None:
        """End it with SIGKILL; the data stays."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""

    @abstractmethod
    def resume(self) -> None:
        """Let it go on after `pause`."""

    @abstractmethod
    def close(self) -> None:
        """End it and delete its data."""

    def restart(self) -> None:
        """`stop` and `start`."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class GivenKafka(KafkaBroker):
    """A broker that somebody else runs, named by `CENTRALINO_TEST_KAFKA`: it is used, and never stopped."""

    def __init__(self, bootstrap: str) -> None:
        """`bootstrap`: host:port."""
        self.bootstrap = bootstrap

    def start(self) -> None:
        """Nothing: it runs."""

    def stop(self) -> None:
        """`PartNotOursError`."""
        raise PartNotOursError(
            f"the broker in {KAFKA_VARIABLE} is not this test run's to stop; unset it for tests of failure"
        )

    kill = pause = resume = stop

    def close(self) -> None:
        """Nothing: it goes on running."""


def obtain_kafka() -> KafkaBroker:
    """A broker, not started yet. Installs what is missing. `PartMissingError` when there is no way to have one."""
    given = os.environ.get(KAFKA_VARIABLE)
    if given:
        return GivenKafka(given)
    ways = allowed_ways()
    if Way.DOCKER in ways:
        from tests.parts.containers import image_ready
        from tests.parts.kafka_docker import DockerKafka

        if image_ready(KAFKA_IMAGE):
            return DockerKafka()
        if Way.LOCAL not in ways:
            raise PartMissingError(f"{WAYS_VARIABLE} is 'docker', but no Docker engine gives the image {KAFKA_IMAGE}")
    from tests.parts.kafka_local import LocalKafka, install_kafka

    return LocalKafka(install_kafka())
