"""What goes wrong inside the client or in a callback comes out, or is got over with nothing lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.common.errors import LogClosedError, LogUnavailableError
from libs.common.log.kafka import KafkaLog
from libs.common.log.kafka_connection import KafkaConnection
from libs.common.log.streams import ROUTING_INPUTS
from libs.common.testing.contract import STREAM, GroupMember, a_record, read_until, texts


@pytest.fixture
async def log(connection: KafkaConnection) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(connection, session_timeout_ms=3_000)
    await log.connect()
    yield log
    await log.close()


async def test_a_reader_whose_client_has_died_goes_on_with_another(log: KafkaLog) -> None:
    """given a reader in the middle of a partition / when its client's fetching ends / then the next poll goes on where it was."""
    writer = await log.open_writer("test")
    reader = await log.open_reader(STREAM, {0: 0})
    await writer.append(STREAM, 0, [a_record(str(n)) for n in range(5)])
    assert texts(await read_until(reader, 2, max_records=2)) == ["0", "1"]
    fetching = reader._consumer._fetcher.error_future
    fetching.cancel()
    await asyncio.wait([fetching])
    assert texts(await read_until(reader, 3)) == ["2", "3", "4"]
    await reader.close()


async def test_a_writer_whose_client_has_died_says_so(log: KafkaLog) -> None:
    """given a writer / when its client's sending ends / then an append fails as an outage, and another writer goes on."""
    writer = await log.open_writer("test")
    await writer.append(STREAM, 0, [a_record("before")])
    await writer._producer._sender.close()
    with pytest.raises(LogUnavailableError):
        await writer.append(STREAM, 0, [a_record("lost")])
    with pytest.raises(LogClosedError):
        await writer.append(STREAM, 0, [a_record("lost")])
    await writer.close()
    assert (await (await log.open_writer("test")).append(STREAM, 0, [a_record("after")])).first_offset == 1


async def test_a_callback_that_fails_is_heard_of_and_ends_the_membership(log: KafkaLog) -> None:
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
    revoked_for: list[frozenset[int]] = []

    async def assigned(partitions: frozenset[int]) -> None:
        raise ZeroDivisionError

    async def revoked(partitions: frozenset[int]) -> None:
        revoked_for.append(partitions)

    claim = await log.claim("group", ROUTING_INPUTS, assigned, revoked)
    heir = await GroupMember({}).join(log, "group")
    await heir.holds(4)
    assert [type(context["exception"]) for context in heard] == [ZeroDivisionError]
    with pytest.raises(ZeroDivisionError):
        await claim.close()
    await heir.leave()
