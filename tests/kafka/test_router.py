"""The router under its contract on a real broker."""

from collections.abc import AsyncIterator

import pytest

from libs.common.log.kafka import KafkaLog
from libs.common.log.kafka_connection import KafkaConnection
from tests.support.router_contract import PARTITIONS, OpenLog, RouterContract


class TestRouterOnKafka(RouterContract):
    @pytest.fixture
    async def open_log(self, connection: KafkaConnection) -> AsyncIterator[OpenLog]:
        opened = []

        async def open_it() -> KafkaLog:
            log = KafkaLog(connection, PARTITIONS, session_timeout_ms=3_000)
            opened.append(log)
            await log.connect()
            return log

        yield open_it
        for log in opened:
            await log.close()
