"""Event logs of a benchmark's own: every run gets a fresh one, on the kind of log that was asked for, and leaves nothing behind.

On Kafka the topics of a run have a prefix that nobody else uses; they are deleted after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from libs.common.errors import RefusedError
from libs.common.ids import new_id
from libs.common.log.kafka_connection import kafka_errors, parse_kafka_url
from libs.common.log.streams import stream_specs

_SQLITE: Final = "sqlite:///"
_KAFKA: Final = "kafka://"
PARTITIONS: Final = 4  # As services have it where nobody says otherwise.


class LogNotMeasurableError(RefusedError):
    """A benchmark runs on `sqlite:///FOLDER`, where it makes files of its own, or on `kafka://host:port` without a prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPlace:
    """A kind of log and where fresh ones are made. `kind`: `sqlite` or `kafka`."""

    kind: str
    url: str

    @contextlib.asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        """The URL of a log that does not exist yet; gone afterwards."""
        name = new_id("bench")
        if self.kind == "sqlite":
            path = Path(self.url.removeprefix(_SQLITE)) / name
            try:
                yield f"{_SQLITE}{path / 'log.db'}"
            finally:
                await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        else:
            url = f"{self.url}?prefix={name}."
            try:
                yield url
            finally:
                await _delete_topics(url)


def parse_place(url: str) -> LogPlace:
    """Where fresh logs are made. Raises LogNotMeasurableError."""
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        return LogPlace(kind="sqlite", url=url)
    if url.startswith(_KAFKA) and "?" not in url:
        return LogPlace(kind="kafka", url=url.rstrip("/"))
    raise LogNotMeasurableError


async def _delete_topics(url: str) -> None:
    connection = parse_kafka_url(url)
    admin = AIOKafkaAdminClient(**connection.arguments("bench"))
    async with kafka_errors(f"{connection}: end of a benchmark"):
        await admin.start()
        try:
            there = set(await admin.list_topics())
            ours = [connection.topic(stream) for stream in stream_specs(partitions=PARTITIONS)]
            await admin.delete_topics([topic for topic in ours if topic in there])
        finally:
            await admin.close()
