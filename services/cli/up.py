"""`centralino up`: everything in one process with one folder of files. With `--demo` also customers, agents and mail boxes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from libs.common.configuration import Configuration
from libs.common.errors import RefusedError
from libs.common.settings import CommonSettings
from services.cli import welcome
from services.cli.surroundings import (
    choose_port,
    find_or_make_secret,
    prepare_folder,
    read_configuration,
    read_settings,
)

if TYPE_CHECKING:
    from services.demo.compose import Demo

_PORTS: Final = {"ingest_port": 8001, "agent_api_port": 8002, "followup_port": 8003, "router_port": 8004}
_DEMO_PORT: Final = 8005
_DEMO_FOLDER: Final = Path("data/demo")

_port = click.IntRange(0, 65535)


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="The configuration (CENTRALINO_CONFIG, a sample).")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder (CENTRALINO_DATA, ./data).")
@click.option("--log", help="The event log: sqlite:///path, kafka://host:9092 or memory: (CENTRALINO_LOG).")
@click.option("--host", help="The address to listen on (CENTRALINO_HOST, 127.0.0.1).")
@click.option("--ingest-port", type=_port, help="Webhooks and forms (8001; 0: a free port, here and below).")
@click.option("--agent-api-port", type=_port, help="Agent API and console (8002).")
@click.option("--followup-port", type=_port, help="Follow-up (8003).")
@click.option("--router-port", type=_port, help="The router's operations (8004).")
@click.option("--port-offset", type=click.IntRange(0, 50000), default=0, help="Added to every usual port.")
@click.option("--demo", is_flag=True, help="Add simulated customers and agents, and a mailbox for what is sent.")
@click.option("--demo-port", type=_port, help="The demo's mails and phones (8005).")
@click.option("--seed", type=int, help="What the demo's chance begins with: the same customers say the same.")
def up(**options: Any) -> None:
    """Run all four services in this process until it is told to end."""
    from services.cli.processes import SERVICES, run_to_the_end

    demo_wanted, offset = options.pop("demo"), options.pop("port_offset")
    demo_port, seed = options.pop("demo_port"), options.pop("seed")
    if demo_wanted and options["config"] is not None:
        raise RefusedError("--demo brings a configuration of its own: leave --config out")
    overrides = _overrides(options, offset, demo=demo_wanted)
    settings = read_settings(CommonSettings, overrides)
    prepare_folder(settings.data)
    overrides["secret"] = find_or_make_secret(settings)
    settings = read_settings(CommonSettings, overrides)
    demo: Demo | None = None
    if demo_wanted:
        from services.demo.compose import compose_demo

        port = choose_port(_DEMO_PORT + offset if demo_port is None else demo_port, settings.host)
        demo = compose_demo(settings, port=port, seed=seed)
        os.environ.update(demo.environment)
        asyncio.run(_set_passwords(settings, demo.passwords))
        overrides["smtp_url"] = demo.smtp_url
        configuration: Configuration = demo.configuration
    else:
        configuration, warnings = read_configuration(settings.config, os.environ)
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)

    def tell(_: Mapping[str, str]) -> None:
        click.echo(welcome.render(settings, configuration, demo.summary() if demo else None))

    exit_code = run_to_the_end(
        SERVICES, settings, overrides, configuration, beside=demo.placements if demo else (), on_started=tell
    )
    sys.exit(exit_code)


def _overrides(options: Mapping[str, Any], offset: int, *, demo: bool) -> dict[str, Any]:
    """Options as settings. Ports of 0 are made definite, because the public URLs that services hand out contain them."""
    overrides = {name: value for name, value in options.items() if value is not None}
    if demo and "data" not in overrides and not os.environ.get("CENTRALINO_DATA"):
        overrides["data"] = _DEMO_FOLDER
    if demo:
        # The environment's may be that of a real installation, whose agents and customers the demo has no business with.
        overrides.setdefault(
            "log", f"sqlite:///{Path(overrides.get('data') or os.environ['CENTRALINO_DATA']) / 'log.db'}"
        )
        overrides["store"] = ""
        if not os.environ.get("CENTRALINO_LOG_LEVEL"):
            # Whoever looks on for the first time shall still see where everything is.
            overrides["log_level"] = "warning"
    host = str(overrides.get("host") or os.environ.get("CENTRALINO_HOST") or "127.0.0.1")
    for name, usual in _PORTS.items():
        if offset and name not in overrides:
            overrides[name] = usual + offset
        if name in overrides or os.environ.get(f"CENTRALINO_{name.upper()}") == "0":
            overrides[name] = choose_port(int(overrides.get(name, 0)), host)
    return overrides


async def _set_passwords(settings: CommonSettings, passwords: Mapping[str, str]) -> None:
    from services.agent_api.credentials import set_password

    for agent, password in passwords.items():
        await set_password(settings.store_url("agent-api"), agent, password)
