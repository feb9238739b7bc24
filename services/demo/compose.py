"""Puts the demo together: its configuration, its secrets, and the one service that plays the world around Centralino.

Called by the command line's `up --demo`. Everything secret is made here, anew at every start, and lives in this process alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from fastapi import FastAPI

from libs.common.clock import Clock, SystemClock
from libs.common.configuration import Configuration, load_configuration
from libs.common.http.auth import Principal, mint_token
from libs.common.http.server import bind_listener
from libs.common.lifecycle import Placement
from libs.common.settings import CommonSettings
from services.demo.agents import SimulatedAgent
from services.demo.customers import Customers, Target
from services.demo.mailbox import Mailbox
from services.demo.pages import create_app
from services.demo.phones import Phones
from services.demo.posts import Secrets

CONFIGURATION_PATH: Final = Path(__file__).with_name("demo.yaml")
NEWCOMER: Final = "anna"
SUPERVISOR: Final = "sara"
_PASSWORD_BYTES: Final = 6
_TOKEN_TTL_MS: Final = 30 * 24 * 3_600_000
_TIMEOUT_S: Final = 15.0
_READY_POLL_MS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What the command line needs to run it. `environment` are the variables that the configuration names."""

    configuration: Configuration
    environment: Mapping[str, str] = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)
    smtp_url: str
    url: str
    console_url: str
    placements: tuple[Placement, ...]

    def summary(self) -> str:
        """What a newcomer is told first."""
        name, password = self.configuration.agents[NEWCOMER].name, self.passwords[NEWCOMER]
        return "\n".join(
            (
                "Centralino is running, with customers who write and agents who answer. Ctrl-C ends it.",
                "",
                f"  Open {self.console_url} and sign in as {NEWCOMER} with the password {password}  ({name})",
                f"  Mails and phones of the customers: {self.url}",
                f"  A supervisor sees everything: {SUPERVISOR}, password {self.passwords[SUPERVISOR]}",
            )
        )


class DemoService:
    """The world around: runs the mail server, the customers and the agents until it is cancelled."""

    name = "demo"

    def __init__(
        self,
        *,
        app: FastAPI,
        mailbox: Mailbox,
        phones: Phones,
        customers: Customers,
        agents: tuple[SimulatedAgent, ...],
        client: httpx.AsyncClient,
        clock: Clock,
        ready_urls: tuple[str, ...],
    ) -> None:
        self.app = app
        self.mailbox = mailbox
        self.phones = phones
        self.customers = customers
        self.agents = agents
        self._client = client
        self._clock = clock
        self._ready_urls = ready_urls

    async def run(self) -> None:
        """Play until cancelled. The mail server is there at once; the people come when the services are ready."""
        async with self.mailbox.serve(), asyncio.TaskGroup() as group:
            for url in self._ready_urls:
                await self._wait_until_ready(url)
            group.create_task(self.customers.run(), name="customers")
            for agent in self.agents:
                group.create_task(agent.run(), name=f"agent {agent.agent_id}")

    async def _wait_until_ready(self, url: str) -> None:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await self._client.get(url)).is_success:
                    return
            await self._clock.sleep_ms(_READY_POLL_MS)

    async def close(self) -> None:
        """Let go of the connections."""
        self.mailbox.close()
        await self.phones.close()
        with contextlib.suppress(httpx.HTTPError):
            await self._client.aclose()


def compose_demo(settings: CommonSettings, *, port: int, seed: int | None = None, clock: Clock | None = None) -> Demo:
    """The demo for services with these settings. `port` is where its page will be; `seed` None: another story each time.

    Raises PortUnavailableError, and RefusedError where there is no signing secret.
    """
    clock = clock or SystemClock()
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    configuration = load_configuration(CONFIGURATION_PATH)
    demo_url = f"http://localhost:{port}"
    configuration = _reach(configuration, f"http://{_reachable(settings.host)}:{port}")
    keys = make_secrets(settings.require_secret(), clock.now_ms())
    client = httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False, limits=httpx.Limits(max_connections=50))
    target = Target(
        url=f"http://{_reachable(settings.host)}:{settings.ingest_port}",
        public_url=settings.ingest_url,
        addresses={name: account.address or "" for name, account in configuration.accounts.items()},
        secrets=keys,
    )
    mailbox = Mailbox(bind_listener("127.0.0.1", 0), clock)
    phones = Phones(target, clock, client)
    passwords = {agent: secrets.token_urlsafe(_PASSWORD_BYTES) for agent in configuration.agents}
    agent_api = f"http://{_reachable(settings.host)}:{settings.agent_api_port}"
    service = DemoService(
        app=create_app(mailbox, phones, settings.agent_api_url),
        mailbox=mailbox,
        phones=phones,
        customers=Customers(target, clock, seed, client),
        agents=tuple(
            SimulatedAgent(agent, passwords[agent], agent_api, clock, seed, client)
            for agent in configuration.agents
            if agent not in (NEWCOMER, SUPERVISOR)
        ),
        client=client,
        clock=clock,
        ready_urls=(f"{target.url}/readyz", f"{agent_api}/readyz"),
    )
    return Demo(
        configuration=configuration,
        environment=keys.environment(),
        passwords=passwords,
        smtp_url=f"smtp://127.0.0.1:{mailbox.port}",
        url=demo_url,
        console_url=settings.agent_api_url,
        placements=(Placement(service=service, host=settings.host, port=port),),
    )


def make_secrets(signing_secret: str, now_ms: int) -> Secrets:
    """New secrets for every provider, and a token for the demo's integration."""
    integration = Principal(kind="integration", id="demo-shop")
    token, _ = mint_token(signing_secret, integration, _TOKEN_TTL_MS, now_ms)
    return Secrets(
        postmark_webhook=f"postmark:{secrets.token_urlsafe(18)}",
        mailgun_signing_key=secrets.token_hex(16),
        twilio_auth_token=secrets.token_hex(16),
        twilio_account_sid=f"AC{secrets.token_hex(16)}",
        telegram_webhook_secret=secrets.token_urlsafe(24),
        telegram_bot_token=f"{7_000_000_000 + secrets.randbelow(10**9)}:{secrets.token_urlsafe(26)}",
        integration_token=token,
    )


def _reach(configuration: Configuration, url: str) -> Configuration:
    """The configuration with the demo's stand-ins in the place of the providers' APIs."""
    accounts = {
        name: account.model_copy(update={"api_url": f"{url}/{account.provider}"})
        if account.provider in ("twilio", "telegram")
        else account
        for name, account in configuration.accounts.items()
    }
    return configuration.model_copy(update={"accounts": accounts})


def _reachable(host: str) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # translated, not bound
    return f"[{reachable}]" if ":" in reachable else reachable
