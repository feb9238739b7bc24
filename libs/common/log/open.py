"""From a log's URL to the log. The one place that knows which adapters there are; called where a process is put together."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from libs.common.clock import Clock, SystemClock
from libs.common.errors import RefusedError
from libs.common.log.memory import MemoryLog
from libs.common.log.port import EventLog

_SQLITE: Final = "sqlite:///"
_KAFKA: Final = "kafka://"


class LogUrlInvalidError(RefusedError):
    """A log's URL is `sqlite:///path`, `kafka://host:port[,host:port]` or `memory:`."""


def open_log(url: str, partitions: int, retention_days: int, clock: Clock | None = None) -> EventLog:
    """The log at this URL, not connected yet. Raises LogUrlInvalidError or KafkaUrlInvalidError.

    `sqlite:///data/log.db` is relative to the working directory, `sqlite:////var/lib/log.db` is absolute.
    """
    clock = clock or SystemClock()
    if url == "memory:":
        return MemoryLog(partitions, clock, retention_days=retention_days)
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        # Imported here: locks by file exist on POSIX systems alone, and the other logs need none.
        from libs.common.log.sqlite import SqliteLog

        return SqliteLog(Path(url.removeprefix(_SQLITE)), partitions, clock, retention_days=retention_days)
    if url.startswith(_KAFKA):
        # Imported here: it takes a fifth of a second, which nobody without Kafka should pay.
        from libs.common.log.kafka import KafkaLog
        from libs.common.log.kafka_connection import parse_kafka_url

        return KafkaLog(parse_kafka_url(url), partitions, retention_days=retention_days)
    raise LogUrlInvalidError
