"""A broker of these tests' own, which they may kill and freeze."""

from collections.abc import Iterator

import pytest

from libs.common.ids import new_id
from libs.common.log.kafka_connection import KafkaConnection
from tests.parts.kafka import KafkaBroker, obtain_kafka


@pytest.fixture(scope="package")
def fragile_broker() -> Iterator[KafkaBroker]:
    """A running broker; whoever stops it starts it again."""
    with obtain_kafka() as broker:
        yield broker


@pytest.fixture
def connection(kafka_broker: KafkaBroker) -> KafkaConnection:
    """The run's common broker, with topics of the test's own."""
    return KafkaConnection(bootstrap=kafka_broker.bootstrap, prefix=f"{new_id('test')}.")


@pytest.fixture
def fragile_connection(fragile_broker: KafkaBroker) -> KafkaConnection:
    """The broker that may be killed, with topics of the test's own."""
    return KafkaConnection(bootstrap=fragile_broker.bootstrap, prefix=f"{new_id('test')}.")
