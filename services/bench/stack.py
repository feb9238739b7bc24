"""Centralino as a benchmark runs it: real processes, started with the real command, on a log and a folder of the run's own.

`serve`: the four services, a process each. `up`: all of them in one. Their log level is what they have by default.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from libs.common.clock import SystemClock
from libs.common.http.auth import Principal, mint_token
from services.bench.children import Children
from services.bench.requests import ADDRESSES, POSTMARK, TELEGRAM, TWILIO, Sender, make_secrets
from services.cli.surroundings import choose_port

POOL: Final = "care"
SERVICES: Final = ("ingest", "router", "agent-api", "followup")
_TOKEN_MS: Final = 24 * 3_600_000
_HOST: Final = "127.0.0.1"


def configuration(agents: Sequence[str], capacity: int) -> dict[str, Any]:
    """A centralino.yaml as data: every agent may take everything, up to `capacity` contacts on each channel."""
    room = dict.fromkeys(("sms", "telegram", "email"), capacity)
    return {
        "pools": {POOL: {}},
        "queues": {"general": {"pool": POOL, "target": "5m", "offer_timeout": "1h"}},
        "accounts": {
            TWILIO: {
                "channel": "sms",
                "provider": "twilio",
                "pool": POOL,
                "address": ADDRESSES[TWILIO],
                "secret_env": "BENCH_TWILIO_AUTH_TOKEN",
                "account_sid_env": "BENCH_TWILIO_ACCOUNT_SID",
            },
            TELEGRAM: {
                "channel": "telegram",
                "pool": POOL,
                "secret_env": "BENCH_TELEGRAM_WEBHOOK_SECRET",
                "token_env": "BENCH_TELEGRAM_BOT_TOKEN",
            },
            POSTMARK: {
                "channel": "email",
                "provider": "postmark",
                "pool": POOL,
                "address": ADDRESSES[POSTMARK],
                "secret_env": "BENCH_POSTMARK_WEBHOOK",
            },
        },
        "rules": [{"queue": "general"}],
        "agents": {agent: {"name": f"Agent {agent}", "pool": POOL, "capacity": room} for agent in agents},
        "followup": {
            "delay": "0s",
            "from": f"Bottega <{ADDRESSES[POSTMARK]}>",
            "reply_to": ADDRESSES[POSTMARK],
            "acknowledge": True,
        },
    }


@dataclass(kw_only=True)
class Stack:
    """The processes of one Centralino. `names`: which services; `together`: in one process."""

    children: Children
    folder: Path
    log_url: str
    configuration: Mapping[str, Any]
    names: Sequence[str] = SERVICES
    together: bool = False
    smtp_url: str | None = None
    store: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write the configuration and choose the ports."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._config = self.folder / "centralino.yaml"
        self._config.write_text(json.dumps(self.configuration))  # JSON is YAML too.
        self._ports = {name: choose_port(0, _HOST) for name in SERVICES}
        self._secret = secrets.token_hex(32)
        self._provider_secrets = make_secrets()
        self.sender = Sender(secrets=self._provider_secrets, public_url=self.url("ingest"))

    def url(self, service: str) -> str:
        """Where a service listens."""
        return f"http://{_HOST}:{self._ports[service]}"

    @property
    def process_names(self) -> tuple[str, ...]:
        """The names of its processes among the children."""
        return ("up",) if self.together else tuple(self.names)

    async def start(self) -> None:
        """Start every process and wait until all are ready. Raises ChildFailedError."""
        environment = self._environment()
        if self.together:
            ports = [f"--{service}-port={port}" for service, port in self._ports.items()]
            self.children.start("up", "services", "up", *ports, environment=environment)
        else:
            for name in self.names:
                port = f"--port={self._ports[name]}"
                self.children.start(name, "services", "serve", name, port, environment=environment)
        for name in SERVICES if self.together else self.names:
            await self.children.wait_until_ready("up" if self.together else name, f"{self.url(name)}/readyz")

    async def stop(self) -> None:
        """End every process in good order."""
        await self.children.stop(*self.process_names)

    def agent_headers(self, agent: str) -> dict[str, str]:
        """What an agent's requests carry."""
        principal = Principal(kind="agent", id=agent)
        token, _ = mint_token(self._secret, principal, _TOKEN_MS, SystemClock().now_ms())
        return {"authorization": f"Bearer {token}"}

    def _environment(self) -> dict[str, str]:
        keys = self._provider_secrets.environment()
        environment = {name.replace("DEMO_", "BENCH_"): value for name, value in keys.items()}
        environment |= {
            "CENTRALINO_SECRET": self._secret,
            "CENTRALINO_LOG": self.log_url,
            "CENTRALINO_DATA": str(self.folder / "data"),
            "CENTRALINO_CONFIG": str(self._config),
            "CENTRALINO_INGEST_URL": self.url("ingest"),
        }
        if self.smtp_url is not None:
            environment["CENTRALINO_SMTP_URL"] = self.smtp_url
        if self.store is not None:
            environment["CENTRALINO_STORE"] = self.store
        return {**environment, **self.environment}
