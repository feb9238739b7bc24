"""The Kafka log under the contract, on a real broker."""

from collections.abc import AsyncIterator

import pytest

from libs.common.ids import new_id
from libs.common.log.kafka import KafkaLog
from libs.common.log.kafka_connection import KafkaConnection
from libs.common.testing.contract import LogContract, OpenLog
from tests.parts.kafka import KafkaBroker


class TestKafka(LogContract):
    @pytest.fixture
    async def open_log(self, kafka_broker: KafkaBroker) -> AsyncIterator[OpenLog]:
        connection = KafkaConnection(bootstrap=kafka_broker.bootstrap, prefix=f"{new_id('test')}.")
        opened = []

        async def open_it() -> KafkaLog:
            log = KafkaLog(connection, session_timeout_ms=3_000)
            opened.append(log)
            await log.connect()
            return log

        yield open_it
        for log in opened:
            await log.close()
