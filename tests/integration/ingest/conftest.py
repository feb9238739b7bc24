"""An ingest service on a memory log, served for real."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from libs.common.clock import Clock, SystemClock
from libs.common.configuration.load import parse_configuration
from libs.common.events.codec import decode_event
from libs.common.http.auth import Principal, TokenAuthority
from libs.common.http.server import serve_app
from libs.common.log.memory import MemoryLog
from libs.common.log.streams import DEAD_LETTERS, DELIVERY_EVENTS, ROUTING_INPUTS
from libs.common.settings import CommonSettings
from services.ingest.compose import IngestService, compose
from tests.support.waiting import eventually

SECRET = "s" * 40
PUBLIC_URL = "https://hooks.shop.example"
ENVIRONMENT = {
    "POSTMARK": "hook:postmark-password",
    "MAILGUN": "key-0123456789abcdef",
    "TWILIO": "12345",
    "TELEGRAM": "telegram-secret",
    "BOT": "4711:bot-token",
    "SID": "AC00000000000000000000000000000000",
}
CONFIGURATION = """
pools: {care: {}, sales: {}}
queues:
  orders: {pool: care}
  general: {pool: care}
  sales: {pool: sales}
accounts:
  support-mail: {channel: email, provider: postmark, pool: care, address: support@shop.example, secret_env: POSTMARK}
  orders-mail: {channel: email, provider: mailgun, pool: care, address: orders@shop.example, secret_env: MAILGUN}
  sms-main: {channel: sms, provider: twilio, pool: care, address: "+390212345678", secret_env: TWILIO, account_sid_env: SID}
  telegram-bot: {channel: telegram, pool: care, secret_env: TELEGRAM, token_env: BOT, max_body_bytes: 20000}
  contact-form: {channel: webform, pool: care, language: it}
  api: {channel: api, pool: sales}
agents:
  anna: {name: Anna, pool: care, skills: {orders: 3, lang.it: 3}}
  piero: {name: Piero, pool: sales, skills: {orders: 3}}
rules:
  - {when: {subject_contains: [ordine]}, queue: orders, skills: {lang.it: 3}}
  - {queue: general}
  - {queue: sales}
followup: {from: "Shop <care@shop.example>"}
"""


class Ingest:
    """The service under test and what it wrote."""

    def __init__(self, service: IngestService, log: MemoryLog, client: httpx.AsyncClient) -> None:
        self.service = service
        self.log = log
        self.client = client

    async def read(self, stream: str) -> list:
        """All records of a stream, in order of their partitions."""
        partitions = self.log.partitions(stream)
        reader = await self.log.open_reader(stream, dict.fromkeys(range(partitions), 0))
        records = await reader.poll(max_records=10_000)
        await reader.close()
        return records

    async def received(self) -> list:
        """The inputs on the log."""
        return [decode_event(record) for record in await self.read(ROUTING_INPUTS)]

    async def deliveries(self) -> list:
        """The delivery events on the log."""
        return [decode_event(record) for record in await self.read(DELIVERY_EVENTS)]

    async def dead_letters(self) -> list:
        """The dead letters on the log."""
        return await self.read(DEAD_LETTERS)

    def token(self, name: str = "shop") -> dict[str, str]:
        """The header of an integration."""
        authority = TokenAuthority(SECRET, SystemClock())
        return {"authorization": f"Bearer {authority.mint(Principal(kind='integration', id=name), 60_000)[0]}"}


@pytest.fixture
async def make_ingest(tmp_path: Path) -> AsyncIterator[Callable]:
    """Start an ingest service with settings of the test's own."""
    async with AsyncExitStack() as stack:

        async def make(clock: Clock | None = None, **changes) -> Ingest:
            log = MemoryLog(partitions=2, clock=clock)
            settings = CommonSettings(
                **{
                    "data": tmp_path,
                    "log": "memory:",
                    "secret": SecretStr(SECRET),
                    "ingest_url": PUBLIC_URL,
                    **changes,
                }
            )
            service = compose(
                settings, parse_configuration(CONFIGURATION), log=log, clock=clock or SystemClock(), environ=ENVIRONMENT
            )
            stack.push_async_callback(service.close)
            work = asyncio.create_task(service.run())

            async def stop() -> None:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

            stack.push_async_callback(stop)
            served = await stack.enter_async_context(serve_app(service.app))
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=served.url, trust_env=False))
            await eventually(lambda: service.health.ready or work.done())
            return Ingest(service, log, client)

        yield make


@pytest.fixture
async def ingest(make_ingest: Callable) -> Ingest:
    return await make_ingest()
