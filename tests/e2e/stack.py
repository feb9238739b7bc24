"""Centralino as its users run it: real processes, started with the real command, on the parts that a mode names.

`up`: one process on SQLite. `sqlite`: the four services as processes of their own on one SQLite log. `kafka`: the four services on a
real broker and a real PostgreSQL. The tests talk to it by HTTP and WebSocket alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from libs.common.clock import SystemClock
from libs.common.http.auth import Principal, Role, TokenAuthority
from tests.support.ports import free_port
from tests.support.processes import Child, centralino_command

SECRET = "end-to-end-secret-0123456789-0123456789"
SERVICES = ("router", "agent-api", "ingest", "followup")
SECRETS = {
    "E2E_POSTMARK": "hook:postmark-password",
    "E2E_MAILGUN": "key-0123456789abcdef0123456789abcdef",
    "E2E_TWILIO": "0123456789abcdef0123456789abcdef",
    "E2E_TWILIO_SID": "AC00000000000000000000000000000000",
    "E2E_TELEGRAM": "telegram-webhook-secret",
    "E2E_BOT": "4711:bot-token",
}
CONFIGURATION = """
pools: {care: {timezone: Europe/Rome}}
queues:
  orders: {pool: care, skills: {orders: 2}, target: 60s, offer_timeout: 10s}
  general: {pool: care, target: 1h, offer_timeout: 10s}
accounts:
  support-mail: {channel: email, provider: postmark, pool: care, address: support@shop.example, secret_env: E2E_POSTMARK}
  orders-mail: {channel: email, provider: mailgun, pool: care, address: orders@shop.example, secret_env: E2E_MAILGUN}
  sms-main:
    {channel: sms, provider: twilio, pool: care, address: "+390212345678", secret_env: E2E_TWILIO, account_sid_env: E2E_TWILIO_SID}
  whatsapp-main:
    {channel: whatsapp, provider: twilio, pool: care, address: "+390212345679", secret_env: E2E_TWILIO,
     account_sid_env: E2E_TWILIO_SID}
  telegram-bot: {channel: telegram, pool: care, secret_env: E2E_TELEGRAM, token_env: E2E_BOT}
  contact-form: {channel: webform, pool: care, language: it}
  api: {channel: api, pool: care}
rules:
  - {when: {subject_contains: [ordine, order]}, queue: orders, skills: {lang.it: 3}}
  - {queue: general}
agents:
  anna:
    name: Anna Bianchi
    pool: care
    skills: {orders: 4, lang.it: 5}
    capacity: &many {email: 20, webform: 20, api: 20, sms: 20, whatsapp: 20, telegram: 20}
  bruno: {name: Bruno Conti, pool: care, skills: {orders: 3, lang.it: 5}, capacity: *many}
  carla: {name: Carla Esposito, pool: care, skills: {lang.it: 5}, capacity: *many}
  sara: {name: Sara Moretti, pool: care, role: supervisor}
followup: {delay: 1s, from: "Shop <care@shop.example>", reply_to: care@shop.example, acknowledge: true}
"""


@dataclass(kw_only=True)
class Stack:
    """The processes of one Centralino. `mode` as in the module; further `environment` goes to each."""

    mode: str
    folder: Path
    start_child: Callable[..., Child]
    environment: Mapping[str, str]
    configuration: str = CONFIGURATION
    children: dict[str, Child] = field(default_factory=dict)
    replicas: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write the configuration and choose ports that stay the same over restarts."""
        self.config_path = self.folder / "centralino.yaml"
        self.config_path.write_text(self.configuration)
        self.ports = {name: free_port() for name in SERVICES}
        self._authority = TokenAuthority(SECRET, SystemClock())

    @property
    def names(self) -> tuple[str, ...]:
        """The processes that there are."""
        return ("up",) if self.mode == "up" else SERVICES

    def url(self, service: str) -> str:
        """Where a service, or a replica of one, listens."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def token(self, agent: str | None = None, *, integration: str = "shop", role: Role = Role.AGENT) -> str:
        """A bearer token of an agent, or of an integration."""
        principal = Principal(kind="integration", id=integration)
        if agent is not None:
            principal = Principal(kind="agent", id=agent, role=role)
        return self._authority.mint(principal, 3_600_000)[0]

    def add_replica(self, service: str) -> str:
        """One more process of a service, not started; its name for `launch`, `url` and `kill`."""
        name = f"{service}-{len(self.replicas) + 2}"
        self.replicas[name] = service
        self.ports[name] = free_port()
        return name

    async def start(self) -> None:
        """Start every process and wait until all are ready."""
        for name in self.names:
            self.launch(name)
        await self.wait_until_ready()

    def launch(self, name: str) -> Child:
        """Start one process; not ready yet."""
        environment = {
            **SECRETS,
            "CENTRALINO_SECRET": SECRET,
            "CENTRALINO_DATA": str(self.folder / "data"),
            "CENTRALINO_CONFIG": str(self.config_path),
            "CENTRALINO_INGEST_URL": self.url("ingest"),
            **self.environment,
        }
        ports = [f"--{service}-port={self.ports[service]}" for service in SERVICES]
        command = (
            centralino_command("up", *ports)
            if name == "up"
            else centralino_command("serve", self.replicas.get(name, name), "--port", str(self.ports[name]))
        )
        self.children[name] = self.start_child(command, name=name, environment=environment)
        return self.children[name]

    async def wait_until_ready(self, timeout_s: float = 60) -> None:
        """Wait until every service says that it is ready."""
        for service in SERVICES if self.mode == "up" else tuple(self.children):
            child = self.children["up" if self.mode == "up" else service]
            await child.wait_until_ready(f"{self.url(service)}/readyz", timeout_s)

    async def kill(self, name: str) -> None:
        """End one process with SIGKILL."""
        await asyncio.to_thread(self.children[name].kill)

    async def stop(self) -> None:
        """End every process with SIGTERM; each must end by itself with code 0."""
        await asyncio.gather(*(child.stopped() for child in self.children.values()))

    def output(self) -> str:
        """All that the processes have written."""
        return "".join(child.output() for child in self.children.values())
