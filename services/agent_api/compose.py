"""The one place where the agent API's parts are put together. Called by the command line and by tests."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI

from libs.common.blobs import FolderBlobs
from libs.common.clock import Clock
from libs.common.configuration import Configuration
from libs.common.http.auth import TokenAuthority
from libs.common.http.health import Health
from libs.common.lifecycle import retrying
from libs.common.log.dlq import DeadLetters
from libs.common.log.port import EventLog
from libs.common.log.publisher import Publisher
from libs.common.metrics import Metrics
from libs.common.store import open_engine
from libs.common.store_engine import StoreEngine
from services.agent_api.app import create_app
from services.agent_api.attendance import tell_attendance
from services.agent_api.credentials import SignIns, migrate
from services.agent_api.explanations import Explanations
from services.agent_api.parts import Parts
from services.agent_api.settings import AgentApiSettings
from services.agent_api.tailer import HEALTH_PART, Tailer
from services.agent_api.upkeep import keep_up

NAME = "agent-api"


class AgentApi:
    """The service: its app, its background work, its end."""

    name = NAME

    def __init__(self, parts: Parts, tailer: Tailer, log: EventLog) -> None:
        self.parts = parts
        self.app: FastAPI = create_app(parts)
        self.tailer = tailer
        self._log = log

    async def run(self) -> None:
        """Reach the store and the log, waiting for each as long as it takes, then follow the log until cancelled."""
        parts = self.parts
        await retrying("store", lambda: migrate(parts.engine), health=parts.health, clock=parts.clock)
        parts.started = True
        await retrying("log", self._log.connect, health=parts.health, clock=parts.clock)
        await parts.publisher.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.tailer.run())
            group.create_task(keep_up(parts, self.tailer))
            group.create_task(
                tell_attendance(parts.configuration, parts.attendance, parts.hub, parts.publisher, parts.clock)
            )

    async def close(self) -> None:
        """Let go of the log's writer, the router's and the store's connections. The log itself belongs to whoever opened it."""
        await self.parts.publisher.close()
        await self.parts.explanations.close()
        await self.parts.engine.dispose()


def compose(
    settings: AgentApiSettings,
    configuration: Configuration,
    *,
    log: EventLog,
    clock: Clock,
    engine: StoreEngine | None = None,
) -> AgentApi:
    """The service, not started. Opens no connection. `engine`: in place of the one that the settings name.

    Raises RefusedError where a setting is missing.
    """
    engine = engine or open_engine(settings.store_url(NAME))
    health = Health("store", "log", HEALTH_PART)
    metrics = Metrics()
    publisher = Publisher(
        log, NAME, clock=clock, on_ready=lambda ready, why_not: health.set("log", ok=ready, detail=why_not)
    )
    tokens = TokenAuthority(settings.require_secret(), clock)
    parts = Parts(
        settings=settings,
        configuration=configuration,
        clock=clock,
        engine=engine,
        publisher=publisher,
        blobs=FolderBlobs(settings.blobs),
        tokens=tokens,
        sign_ins=SignIns(engine, clock),
        health=health,
        metrics=metrics,
        explanations=Explanations(settings.router_url, tokens),
    )
    tailer = Tailer(
        log=log,
        engine=engine,
        hub=parts.hub,
        outcomes=parts.outcomes,
        dead_letters=DeadLetters(
            publisher, NAME, on_put=lambda record: metrics.dead_letters.labels(record.stream, NAME).inc()
        ),
        clock=clock,
        health=health,
        metrics=metrics,
    )
    return AgentApi(parts, tailer, log)
