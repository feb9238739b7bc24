"""How Kafka is reached: addresses, TLS, SASL, the names' prefix; and the end of aiokafka's clients within a time limit.

aiokafka retries most things for ever and flushes before it closes. A process that must stop, or go on without a broker, cannot wait
for that: everything here that waits has a limit. Used by the Kafka adapter's parts alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from libs.common.errors import LogUnavailableError, RefusedError

CALL_TIMEOUT_S: Final = 15.0  # For one question to the broker: start a client, make topics, ask for offsets.
CLOSE_TIMEOUT_S: Final = 5.0

_CANCEL_TRIES: Final = 10
_CANCEL_WAIT_S: Final = 0.2
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class KafkaUrlInvalidError(RefusedError):
    """The URL is `kafka://[user:password@]host:port[,host:port][?tls=true&sasl=SCRAM-SHA-512&prefix=shop.]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """Where the brokers are and who this is. `prefix` stands before the names of topics and groups, for a shared cluster."""

    bootstrap: str
    tls: bool = False
    user: str | None = None
    password: str | None = None
    mechanism: str = "SCRAM-SHA-512"
    prefix: str = ""

    def __repr__(self) -> str:
        return f"kafka://{self.bootstrap}"  # Never the password.

    def topic(self, stream: str) -> str:
        """The topic of a stream."""
        return self.prefix + stream

    def arguments(self, client: str) -> dict[str, Any]:
        """What every aiokafka client is given; `client` says whose it is in the broker's logs and metrics."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap.split(","),
            "client_id": f"centralino-{client}",
        }
        if self.tls:
            arguments["ssl_context"] = ssl.create_default_context()
        if self.user is None:
            arguments["security_protocol"] = "SSL" if self.tls else "PLAINTEXT"
        else:
            arguments["security_protocol"] = "SASL_SSL" if self.tls else "SASL_PLAINTEXT"
            arguments["sasl_mechanism"] = self.mechanism
            arguments["sasl_plain_username"] = self.user
            arguments["sasl_plain_password"] = self.password
        return arguments


def parse_kafka_url(url: str) -> KafkaConnection:
    """The connection that a log's URL describes. Raises KafkaUrlInvalidError, whose message never holds the URL's password."""
    parts = urlsplit(url)
    credentials, _, bootstrap = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    tls, mechanism = options.pop("tls", "false"), options.pop("sasl", "SCRAM-SHA-512")
    prefix = options.pop("prefix", "")
    wrong = options or not bootstrap or parts.path not in ("", "/") or tls not in ("true", "false")
    if parts.scheme != "kafka" or wrong or mechanism not in _MECHANISMS:
        raise KafkaUrlInvalidError
    return KafkaConnection(
        bootstrap=bootstrap,
        tls=tls == "true",
        user=unquote(user) if user else None,
        password=unquote(password) if user else None,
        mechanism=mechanism,
        prefix=prefix,
    )


@contextlib.asynccontextmanager
async def kafka_errors(what: str, timeout_s: float = CALL_TIMEOUT_S) -> AsyncIterator[None]:
    """Limit the time of a question to the broker, and turn the client's errors into LogUnavailableError."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise LogUnavailableError(f"{what}: no answer within {timeout_s} s") from None
    except KafkaError as error:
        raise LogUnavailableError(f"{what}: {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """The error's name and its words; many of aiokafka's have only a name."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """End a producer at once; what it has not sent is not sent. Never raises, never hangs."""
    # Not `stop`, which would wait for the broker. The parts are private; aiokafka is pinned to 0.14 for such reasons.
    producer._closed = True
    await _cancel(producer._sender.sender_task)
    await _ends(producer.client.close())
    # Requests that hung in a connection have failed now, so a sender that waited for them can end.
    await _cancel(producer._sender.sender_task, tries=_CANCEL_TRIES)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """End a consumer, which leaves its group if it is in one and the broker answers in time. Never raises, never hangs."""
    # aiokafka waits for tasks that it cancels, and one that was never run raises its cancellation there: let each run once.
    await asyncio.sleep(0)
    if await _ends(consumer.stop()):
        return
    consumer._closed = True
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    await _ends(consumer._client.close())
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
    tasks = [getattr(coordinator, name, None) for name in names]
    for task in (*tasks, getattr(fetcher, "_fetch_task", None)):
        await _cancel(task, tries=_CANCEL_TRIES)


async def _ends(stopping: Coroutine[Any, Any, None]) -> bool:
    """Whether it ended well and in time; otherwise the caller takes it apart by force."""
    task = asyncio.ensure_future(stopping)
    try:
        await asyncio.wait([task], timeout=CLOSE_TIMEOUT_S)
        return task.done() and not task.cancelled() and task.exception() is None
    finally:
        await _cancel(task, tries=_CANCEL_TRIES)


async def _cancel(task: asyncio.Future[None] | None, tries: int = 1) -> None:
    """Cancel as often as it takes: aiokafka's tasks wait for their requests when they are cancelled the first time."""
    if task is None:
        return
    for _ in range(tries):
        if task.done():
            break
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_WAIT_S)
    if task.done() and not task.cancelled():
        task.exception()  # Looked at, so that nothing warns of it when the task is thrown away.
