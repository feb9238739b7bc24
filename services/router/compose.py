"""Puts the router together. Cheap: nothing is reached before `run`."""

from __future__ import annotations

from fastapi import FastAPI

from libs.common.clock import Clock
from libs.common.configuration.models import Configuration
from libs.common.http.auth import TokenAuthority
from libs.common.http.health import Health
from libs.common.log.dlq import DeadLetters
from libs.common.log.port import EventLog, Record
from libs.common.log.publisher import Publisher
from libs.common.metrics import Metrics
from services.router.app import Deps, create_app
from services.router.runner import CLAIM, LOG, Runner
from services.router.settings import RouterSettings


class RouterService:
    """The router: `run` does all its work until cancelled, `close` lets go of everything."""

    name = "router"

    def __init__(self, settings: RouterSettings, configuration: Configuration, log: EventLog, clock: Clock) -> None:
        self.health = Health(LOG, CLAIM)
        self.metrics = Metrics()
        self.publisher = Publisher(log, "router dead letters", clock=clock)
        self.runner = Runner(
            log,
            configuration,
            settings,
            clock=clock,
            health=self.health,
            metrics=self.metrics,
            dead_letters=DeadLetters(self.publisher, "router", on_put=self._count_dead_letter),
        )
        tokens = None if settings.secret is None else TokenAuthority(settings.require_secret(), clock)
        self.app: FastAPI = create_app(Deps(health=self.health, metrics=self.metrics, log=log, tokens=tokens))

    async def run(self) -> None:
        """Claim partitions and work on them until cancelled."""
        await self.publisher.start()
        await self.runner.run()

    async def close(self) -> None:
        """Let go of the log's writer. The log itself belongs to who opened it."""
        await self.publisher.close()

    def _count_dead_letter(self, record: Record) -> None:
        self.metrics.dead_letters.labels(record.stream, "router").inc()


def compose(settings: RouterSettings, configuration: Configuration, *, log: EventLog, clock: Clock) -> RouterService:
    """The service, ready to run."""
    return RouterService(settings, configuration, log, clock)
