"""Puts services together into one process and runs it to its end. Called by `up` and `serve`.

Every service offers `services.<package>.compose.compose(settings, configuration, *, log, clock)`; the type of its `settings` parameter
says which settings it reads.
"""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.common.clock import Clock, SystemClock
from libs.common.configuration import Configuration
from libs.common.lifecycle import Placement, Service, run_process, run_services
from libs.common.log.open import open_log
from libs.common.log.port import EventLog
from libs.common.logging import configure_logging
from libs.common.settings import CommonSettings
from services.cli.surroundings import read_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlace:
    """A service: what the command line calls it, its package, and the setting with its port."""

    name: str
    package: str
    port_setting: str


SERVICES: Final = (
    ServicePlace(name="ingest", package="ingest", port_setting="ingest_port"),
    ServicePlace(name="agent-api", package="agent_api", port_setting="agent_api_port"),
    ServicePlace(name="followup", package="followup", port_setting="followup_port"),
    ServicePlace(name="router", package="router", port_setting="router_port"),
)


def compose_service(
    place: ServicePlace, overrides: Mapping[str, Any], configuration: Configuration, log: EventLog, clock: Clock
) -> Placement:
    """The service with its own settings, and where it listens. Raises SettingsInvalidError."""
    compose = importlib.import_module(f"services.{place.package}.compose").compose
    kind = typing.get_type_hints(compose).get("settings", CommonSettings)
    settings = read_settings(kind, overrides)
    service: Service = compose(settings, configuration, log=log, clock=clock)
    return Placement(service=service, host=settings.host, port=getattr(settings, place.port_setting))


def run_to_the_end(
    places: Sequence[ServicePlace],
    settings: CommonSettings,
    overrides: Mapping[str, Any],
    configuration: Configuration,
    *,
    beside: Sequence[Placement] = (),
    on_started: Callable[[Mapping[str, str]], None] | None = None,
) -> int:
    """Compose these services over one event log and run them until a signal or a failure; the process's exit code.

    `beside` are further placements (the demo), started after the services and stopped before them.
    """
    configure_logging(settings.log_level)

    async def run() -> int:
        clock = SystemClock()
        log = open_log(settings.log, settings.partitions, settings.retention_days, clock)
        try:
            placements = [compose_service(place, overrides, configuration, log, clock) for place in places]
            return await run_services(
                [*placements, *beside], on_started=on_started, trusted_proxies=settings.trusted_proxies
            )
        finally:
            await log.close()

    return run_process(run())
