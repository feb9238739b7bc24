"""Whole systems for end-to-end tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from libs.common.clock import SystemClock
from libs.common.http.server import serve_app
from libs.common.ids import new_id
from services.demo.customers import Target
from services.demo.phones import Phones
from services.demo.posts import Secrets
from tests.conftest import ChildStarter
from tests.e2e.stack import SECRETS, Stack
from tests.parts.kafka import KafkaBroker, obtain_kafka
from tests.parts.postgres import PostgresServer, obtain_postgres
from tests.parts.smtp import MailServer

MODES = ("up", "sqlite", "kafka")
PROVIDERS = Secrets(
    postmark_webhook=SECRETS["E2E_POSTMARK"],
    mailgun_signing_key=SECRETS["E2E_MAILGUN"],
    twilio_auth_token=SECRETS["E2E_TWILIO"],
    twilio_account_sid=SECRETS["E2E_TWILIO_SID"],
    telegram_webhook_secret=SECRETS["E2E_TELEGRAM"],
    telegram_bot_token=SECRETS["E2E_BOT"],
    integration_token="unused",
)


@pytest.fixture(scope="package")
def fragile_broker() -> Iterator[KafkaBroker]:
    """A broker that tests may kill and freeze; whoever stops it starts it again."""
    with obtain_kafka() as broker:
        yield broker


@pytest.fixture(scope="package")
def fragile_postgres() -> Iterator[PostgresServer]:
    """A database server that tests may kill and freeze; whoever stops it starts it again."""
    with obtain_postgres() as server:
        yield server


@pytest.fixture
def make_stack(
    request: pytest.FixtureRequest, tmp_path: Path, start_child: ChildStarter, mail_server: MailServer
) -> Callable[..., Stack]:
    """Put a system together, not started: `make_stack("kafka", {...})`. With `fragile` its broker and database may be killed."""

    def make(mode: str, environment: dict[str, str] | None = None, *, fragile: bool = False, **options) -> Stack:
        parts = {"CENTRALINO_SMTP_URL": mail_server.url}
        if mode == "kafka":
            broker = request.getfixturevalue("fragile_broker" if fragile else "kafka_broker")
            server = request.getfixturevalue("fragile_postgres" if fragile else "postgres_server")
            parts["CENTRALINO_LOG"] = f"kafka://{broker.bootstrap}?prefix={new_id('e2e')}."
            parts["CENTRALINO_STORE"] = server.create_database(new_id("e2e"))
        return Stack(
            mode=mode,
            folder=tmp_path,
            start_child=start_child,
            environment={**parts, **(environment or {})},
            **options,
        )

    return make


@pytest.fixture
async def make_phones() -> AsyncIterator[Callable]:
    """`await make_phones(stack)`, before its start: the customers' phones behind a stand-in for Twilio's and Telegram's send APIs."""
    async with AsyncExitStack() as stack:

        async def make(system: Stack) -> Phones:
            client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
            target = Target(url=system.url("ingest"), public_url=system.url("ingest"), addresses={}, secrets=PROVIDERS)
            phones = Phones(target, SystemClock(), client)
            app = FastAPI()
            app.include_router(phones.router())
            served = await stack.enter_async_context(serve_app(app))
            stack.push_async_callback(phones.close)
            urls = {
                "CENTRALINO_TWILIO_URL": f"{served.url}/twilio",
                "CENTRALINO_TELEGRAM_URL": f"{served.url}/telegram",
            }
            system.environment = {**system.environment, **urls}
            return phones

        yield make
