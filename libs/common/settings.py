"""The settings that every service has, read once from `CENTRALINO_...` in the environment.

Services subclass `CommonSettings` where they need more, or use it as it is. Only `main` (the command line) constructs one from
the environment; everything else is handed the object. It must not hold anything about queues or agents: that is the
configuration's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from libs.common.errors import RefusedError

LogLevel = Literal["debug", "info", "warning", "error"]

_Port = Annotated[int, Field(ge=0, le=65535)]


def _log_beside(values: Mapping[str, Any]) -> str:
    return f"sqlite:///{values['data'] / 'log.db'}" if "data" in values else ""


def _blobs_beside(values: Mapping[str, Any]) -> Path:
    return Path(values["data"]) / "blobs" if "data" in values else Path()


class CommonSettings(BaseSettings):
    """What every service needs to know about where it runs.

    `log`: `sqlite:///path`, `kafka://host:9092` or `memory:`. `store`: `sqlite:///path` or `postgresql://...`, empty for a SQLite
    file per service in `data`. Ports may be 0: the system chooses. The URLs of the first three services are how the world outside
    reaches them (provider's signatures and links in mails are made of them), that of the router is for the agent API alone.
    """

    model_config = SettingsConfigDict(
        env_prefix="CENTRALINO_", frozen=True, env_ignore_empty=True, extra="forbid", validate_default=True
    )

    data: Path = Path("data")
    config: Path | None = None
    log: str = Field(default_factory=_log_beside, pattern=r"^(sqlite:///.+|kafka://.+|memory:)$")
    store: str = Field(default="", pattern=r"^(|sqlite:///.+|postgresql://.+)$")
    blobs: Path = Field(default_factory=_blobs_beside)
    secret: SecretStr | None = Field(default=None, min_length=32)
    smtp_url: SecretStr | None = None
    partitions: int = Field(default=4, ge=1, le=1000)
    retention_days: int = Field(default=14, ge=1)
    log_level: LogLevel = "info"
    host: str = "127.0.0.1"
    ingest_port: _Port = 8001
    agent_api_port: _Port = 8002
    followup_port: _Port = 8003
    router_port: _Port = 8004
    ingest_url: str = Field(
        default_factory=lambda values: f"http://localhost:{values.get('ingest_port', 8001)}", pattern=r"^https?://[^/]+"
    )
    agent_api_url: str = Field(
        default_factory=lambda values: f"http://localhost:{values.get('agent_api_port', 8002)}",
        pattern=r"^https?://[^/]+",
    )
    followup_url: str = Field(
        default_factory=lambda values: f"http://localhost:{values.get('followup_port', 8003)}",
        pattern=r"^https?://[^/]+",
    )
    router_url: str = Field(
        default_factory=lambda values: f"http://localhost:{values.get('router_port', 8004)}", pattern=r"^https?://[^/]+"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        # Addresses in the environment stand in one text, separated by commas.
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("ingest_url", "agent_api_url", "followup_url", "router_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    def store_url(self, service: str) -> str:
        """The database of a service (`ingest`, `agent-api`, `followup`): `store` where it is set, else its own SQLite file."""
        return self.store or f"sqlite:///{self.data / f'{service}.db'}"

    def require_secret(self) -> str:
        """The signing secret. Raises RefusedError naming the variable where there is none."""
        if self.secret is None:
            raise RefusedError("CENTRALINO_SECRET is not set: the secret that signs tokens, at least 32 characters")
        return self.secret.get_secret_value()
