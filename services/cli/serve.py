"""`centralino serve`: one service in this process, as large installations run them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from libs.common.errors import RefusedError
from libs.common.settings import CommonSettings
from services.cli.surroundings import choose_port, find_secret, prepare_folder, read_configuration, read_settings


@click.command()
@click.argument("service", type=click.Choice(["ingest", "router", "agent-api", "followup"]))
@click.option("--config", type=click.Path(path_type=Path), help="The configuration (CENTRALINO_CONFIG).")
@click.option("--log", help="The event log: sqlite:///path or kafka://host:9092 (CENTRALINO_LOG).")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder (CENTRALINO_DATA, ./data).")
@click.option("--host", help="The address to listen on (CENTRALINO_HOST, 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on.")
def serve(
    service: str, config: Path | None, log: str | None, data: Path | None, host: str | None, port: int | None
) -> None:
    """Run one service until it is told to end."""
    from services.cli.processes import SERVICES, run_to_the_end

    place = next(place for place in SERVICES if place.name == service)
    overrides: dict[str, object] = {"config": config, "log": log, "data": data, "host": host, place.port_setting: port}
    settings = read_settings(CommonSettings, overrides)
    overrides[place.port_setting] = choose_port(getattr(settings, place.port_setting), settings.host)
    if settings.config is None:
        raise RefusedError("CENTRALINO_CONFIG is not set, and there is no --config: the file that all services share")
    if settings.log == "memory:":
        raise RefusedError("CENTRALINO_LOG is memory: which no other process sees; use `centralino up`")
    overrides["secret"] = find_secret(settings)
    configuration, warnings = read_configuration(settings.config, os.environ)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    prepare_folder(settings.data)

    def tell(urls: Mapping[str, str]) -> None:
        click.echo(f"{service} is at {urls[service]}")

    sys.exit(run_to_the_end((place,), settings, overrides, configuration, on_started=tell))
