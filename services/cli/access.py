"""`centralino token` and `centralino password`: who may call. Both need the secret or the store, and no running service."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from libs.common.clock import SystemClock
from libs.common.configuration import load_configuration
from libs.common.configuration.durations import parse_duration_ms
from libs.common.errors import RefusedError
from libs.common.settings import CommonSettings
from services.cli.surroundings import find_secret, prepare_folder, read_settings

_AGENT_TTL_MS = 12 * 3_600_000
_INTEGRATION_TTL_MS = 365 * 24 * 3_600_000

_data = click.option("--data", type=click.Path(path_type=Path), help="The data folder (CENTRALINO_DATA, ./data).")


class _DurationType(click.ParamType[int]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_duration_ms(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option("--agent", help="The agent's id.")
@click.option("--integration", help="The integration's name.")
@click.option("--role", type=click.Choice(["agent", "supervisor", "admin"]), default="agent", show_default=True)
@click.option("--ttl", type=_DurationType(), help="How long it is good: 30m, 12h, 90d. Agents 12h, integrations 365d.")
@_data
def token(agent: str | None, integration: str | None, role: str, ttl: int | None, data: Path | None) -> None:
    """Print a bearer token, signed with CENTRALINO_SECRET or the secret in the data folder."""
    from libs.common.http.auth import Principal, Role, mint_token

    if bool(agent) == bool(integration):
        raise click.UsageError("give one of --agent ID and --integration NAME")
    if ttl == 0:
        raise click.UsageError("a token that is good for no time at all is of no use")
    settings = read_settings(CommonSettings, {"data": data})
    if agent:
        principal, usual_ms = Principal(kind="agent", id=agent, role=Role(role)), _AGENT_TTL_MS
    else:
        principal, usual_ms = Principal(kind="integration", id=str(integration), role=Role(role)), _INTEGRATION_TTL_MS
    secret = find_secret(settings).get_secret_value()
    minted, _ = mint_token(secret, principal, ttl or usual_ms, SystemClock().now_ms())
    click.echo(minted)


@click.command()
@click.option("--agent", required=True, help="The agent's id.")
@click.option("--config", type=click.Path(path_type=Path), help="Check that the agent is in this configuration.")
@_data
def password(agent: str, config: Path | None, data: Path | None) -> None:
    """Set an agent's password: asks for it, or reads a line from standard input."""
    from services.agent_api.credentials import set_password

    settings = read_settings(CommonSettings, {"data": data, "config": config})
    if settings.config is not None and agent not in load_configuration(settings.config).agents:
        click.echo(f"warning: {settings.config} has no agent {agent}", err=True)
    if sys.stdin.isatty():
        chosen: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        chosen = sys.stdin.readline().rstrip("\r\n")
    if not chosen:
        raise RefusedError("a password must not be empty")
    prepare_folder(settings.data)
    asyncio.run(set_password(settings.store_url("agent-api"), agent, chosen))
    click.echo(f"The password of {agent} is set.", err=True)
