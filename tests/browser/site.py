"""A whole Centralino for browser tests: its configuration, its process, and customers who write to it.

Every test has a pool of its own, so that tests can share one process and do not see one another's work. Called by the browser tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from libs.common.clock import SystemClock
from libs.common.http.auth import Principal, Role, mint_token
from services.agent_api.credentials import set_password
from tests.support.ports import free_port
from tests.support.processes import Child, centralino_command
from tests.support.waiting import eventually

SECRET = "a secret of the browser tests, and long enough"
PASSWORD = "correct horse battery staple"
HOUR_MS = 3_600_000
START_S = 60

# A short time-out in one queue, where an offer is to expire, and a wrap-up in another; nobody waits for the long one.
POOLS = {
    "signing": "offer_timeout: 10m",
    "work": "offer_timeout: 10m",
    "wrapping": "offer_timeout: 10m, wrap_up: 10m",
    "lost": "offer_timeout: 10m",
    "hostile": "offer_timeout: 10m",
    "choice": "offer_timeout: 10m",
    "expiry": "offer_timeout: 4s",
    "race": "offer_timeout: 10m",
    "seen": "offer_timeout: 10m",
    "strange": "offer_timeout: 10m",
    "words": "offer_timeout: 10m",
    "board": "offer_timeout: 10m, target: 2m",
    "leaving": "offer_timeout: 10m",
    "passing": "offer_timeout: 10m",
    "holding": "offer_timeout: 10m",
    "asking": "offer_timeout: 10m",
    "taking": "offer_timeout: 10m, pull: true",
    "guided": "offer_timeout: 10m",
    "narrow": "offer_timeout: 10m",
    "noticed": "offer_timeout: 2s",
    "refused": "offer_timeout: 10m",
    "why": "offer_timeout: 10m",
    "extending": "offer_timeout: 10m, wrap_up: 10m",
    "calling": "offer_timeout: 10m",
    "recalling": "offer_timeout: 10m",
    "emptying": "offer_timeout: 10m",
    "crash": "offer_timeout: 10m",
    "anew": "offer_timeout: 10m",
}
# Pools with rules of their own.
RULES = {"noticed": "routing: {not_responding_after: 1, flag_after_declines: 1}"}
# A second queue, to pass contacts on to; it asks for a skill that nobody has.
SECOND_QUEUES = {"passing": "invoices", "guided": "refunds", "emptying": "general"}


def write_configuration(pools: tuple[str, ...], path: Path) -> None:
    """For each pool: a queue, a form, the agents `anna-POOL` and `bruno-POOL`, and the supervisor `sara-POOL`."""
    queues, accounts, rules, agents = [], [], [], []
    for pool in pools:
        queues.append(f"  {pool}: {{pool: {pool}, {POOLS[pool]}}}")
        if pool in SECOND_QUEUES:
            queues.append(f"  {SECOND_QUEUES[pool]}: {{pool: {pool}, skills: {{{SECOND_QUEUES[pool]}: 3}}}}")
        accounts.append(f"  form-{pool}: {{channel: webform, pool: {pool}, address: {pool}@shop.example}}")
        rules.append(f"  - {{queue: {pool}}}")
        for name, role in (("Anna", "agent"), ("Bruno", "agent"), ("Sara", "supervisor")):
            agent = f"{name.lower()}-{pool}"
            agents.append(
                f"  {agent}: {{name: {name}, pool: {pool}, capacity: {{webform: 3, voice: 1}}, role: {role}}}"
            )
    text = "\n".join(
        (
            "pools:",
            *(f"  {pool}: {{{RULES.get(pool, '')}}}" for pool in pools),
            "queues:",
            *queues,
            "accounts:",
            *accounts,
            "rules:",
            *rules,
            "agents:",
            *agents,
            'followup: {delay: 1s, from: "Shop <care@shop.example>", reply_to: care@shop.example, acknowledge: false}',
        )
    )
    path.write_text(text + "\n")


@dataclass
class Site:
    """One Centralino in a folder, on ports that stay the same over its restarts."""

    folder: Path
    start_child: Callable[..., Child]
    pools: tuple[str, ...]
    smtp_url: str

    def __post_init__(self) -> None:
        self.ports = {name: free_port() for name in ("ingest", "agent-api", "followup", "router")}
        self.url = f"http://127.0.0.1:{self.ports['agent-api']}"
        self.data = self.folder / "data"
        self.data.mkdir(parents=True)
        self.configuration = self.folder / "centralino.yaml"
        write_configuration(self.pools, self.configuration)
        self.child: Child | None = None

    @property
    def store(self) -> Path:
        """The agent API's tables."""
        return self.data / "agent-api.db"

    async def set_passwords(self, *agents: str) -> None:
        """Give these agents the password of all tests."""
        for agent in agents:
            await set_password(f"sqlite:///{self.store}", agent, PASSWORD)

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        options = [part for name, port in self.ports.items() for part in (f"--{name}-port", str(port))]
        command = centralino_command("up", "--config", self.configuration, "--data", self.data, *options)
        environment = {"CENTRALINO_SECRET": SECRET, "CENTRALINO_SMTP_URL": self.smtp_url}
        self.child = self.start_child(command, name="centralino", environment=environment)
        for port in self.ports.values():
            await self.child.wait_until_ready(f"http://127.0.0.1:{port}/readyz", timeout_s=START_S)

    def kill(self) -> None:
        """`kill -9`."""
        assert self.child is not None
        self.child.kill()

    def forget_view(self) -> None:
        """Lose everything that the agent API had made of the log. For a killed site."""
        for path in self.data.glob("agent-api.db*"):
            path.unlink()

    def token(self, agent: str, *, role: Role = Role.AGENT, ttl_ms: int = HOUR_MS, ago_ms: int = 0) -> str:
        """A token that was made so long ago."""
        principal = Principal(kind="agent", id=agent, role=role)
        token, _ = mint_token(SECRET, principal, ttl_ms, SystemClock().now_ms() - ago_ms)
        return token

    def client(self, agent: str, role: Role = Role.AGENT) -> httpx.AsyncClient:
        """The API, as this agent uses it beside the browser."""
        headers = {"Authorization": f"Bearer {self.token(agent, role=role)}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=20)

    async def set_presence(self, agent: str, status: str) -> None:
        """From outside the browser."""
        async with self.client(agent) as client:
            answer = await client.put("/v1/me/presence", json={"status": status})
        assert answer.status_code == 200, answer.text

    async def write(
        self,
        pool: str,
        subject: str,
        text: str = "Hello!",
        *,
        name: str = "Luca Verdi",
        files: Any = None,
        **fields: str,
    ) -> str:
        """A customer writes, by the pool's form. Gives the id of the contact that it opens."""
        body = {"name": name, "email": "luca@example.com", "subject": subject, "message": text, **fields}
        url = f"http://127.0.0.1:{self.ports['ingest']}/v1/forms/form-{pool}"
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            answer = await client.post(url, data=body, files=files)
        assert answer.status_code == 202, answer.text
        hint: str = answer.json()["contact_hint"]
        return hint

    async def leave(self, pool: str, contact_id: str) -> None:
        """The customer did not wait, as an integration tells."""
        principal = Principal(kind="integration", id="site")
        token, _ = mint_token(SECRET, principal, HOUR_MS, SystemClock().now_ms())
        url = f"http://127.0.0.1:{self.ports['ingest']}/v1/contacts/{contact_id}/left"
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await client.post(url, json={"account": f"form-{pool}"}, headers=headers)
        assert answer.status_code == 202, answer.text

    async def state_of(self, contact_id: str, state: str, agent: str) -> dict[str, Any]:
        """The contact, once it stands so, as this agent sees it."""
        async with self.client(agent) as client:

            async def stands() -> dict[str, Any] | None:
                answer = await client.get(f"/v1/contacts/{contact_id}")
                contact: dict[str, Any] = answer.json()
                return contact if answer.status_code == 200 and contact["state"] == state else None

            contact = await eventually(stands)
        assert contact is not None
        return contact
