"""Puts the follow-up service together. Cheap: nothing is reached before `run`."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from fastapi import FastAPI

from libs.common.clock import Clock
from libs.common.configuration.models import Configuration
from libs.common.http.auth import TokenAuthority
from libs.common.http.health import Health
from libs.common.ids import new_id
from libs.common.lifecycle import retrying
from libs.common.log.dlq import DeadLetters
from libs.common.log.port import EventLog
from libs.common.log.publisher import Publisher
from libs.common.log.streams import DELIVERY_EVENTS, ROUTING_EVENTS
from libs.common.metrics import Metrics
from libs.common.outbox import Outbox, UnknownOutcome
from libs.common.outbox_runner import OutboxRunner
from libs.common.projection import Projection
from libs.common.settings import CommonSettings
from libs.common.smtp import open_transport
from libs.common.store import open_engine, run_migrations
from libs.common.store_engine import StoreEngine
from services.followup.announcer import Announcer
from services.followup.app import Deps, create_app
from services.followup.intake import Intake
from services.followup.sender import MailSender, MailTransport
from services.followup.store.tables import MIGRATIONS, VERSION_TABLE, outbox, positions
from services.followup.teller import Teller

_DAY_MS: Final = 86_400_000
# Nobody waits for a mail within a blink of an eye; facts that come one by one under load are taken in together.
_GATHER_MS: Final = 25


class FollowupService:
    """The follow-up service: `run` does all its work until cancelled, `close` lets go of everything."""

    name = "followup"

    def __init__(
        self,
        settings: CommonSettings,
        configuration: Configuration,
        log: EventLog,
        clock: Clock,
        engine: StoreEngine,
        transport: MailTransport | None,
    ) -> None:
        self._settings = settings
        self._log = log
        self._clock = clock
        self.health = Health("log", "store", "publisher")
        metrics = Metrics()
        self.engine = engine
        self.publisher = Publisher(log, "followup", clock=clock, on_ready=self._publisher_changed)
        self.transport = transport
        rows = Outbox(self.engine, outbox, holder=new_id("followup"), unknown=UnknownOutcome.GIVE_UP)
        self.intake = intake = Intake(outbox=rows, configuration=configuration, clock=clock)
        sender = MailSender(
            settings=configuration.followup,
            transport=self.transport,
            engine=self.engine,
            publisher=self.publisher,
            clock=clock,
            health=self.health,
            metrics=metrics,
        )
        self.outbox = rows
        self.announcer = Announcer(engine=self.engine, publisher=self.publisher, clock=clock)
        self.teller = Teller(engine=self.engine, publisher=self.publisher, clock=clock)
        self.runner = OutboxRunner(
            rows,
            name="outbox",
            send=sender.send,
            report=sender.report,
            gate=sender.gate,
            clock=clock,
            health=self.health,
        )
        self.projection = Projection(
            name="intake",
            log=log,
            engine=self.engine,
            positions=positions,
            folds={ROUTING_EVENTS: intake.fold_facts, DELIVERY_EVENTS: intake.fold_deliveries},
            dead_letters=DeadLetters(
                self.publisher,
                "followup",
                on_put=lambda record: metrics.dead_letters.labels(record.stream, "followup").inc(),
            ),
            clock=clock,
            health=self.health,
            committed=self._wake,
            wanted={ROUTING_EVENTS: intake.wants},
            gather_ms=_GATHER_MS,
        )
        self.app: FastAPI = create_app(
            Deps(
                engine=self.engine,
                tokens=TokenAuthority(settings.require_secret(), clock),
                health=self.health,
                metrics=metrics,
            )
        )

    async def run(self) -> None:
        """Connect, bring the tables up to date, then plan and send until cancelled."""
        await retrying("log", self._log.connect, health=self.health, clock=self._clock)
        await retrying("store", self.migrate, health=self.health, clock=self._clock)
        await self.publisher.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.projection.run())
            group.create_task(self.runner.run())
            group.create_task(self.announcer.run())
            group.create_task(self.teller.run())
            group.create_task(self._prune())

    async def migrate(self) -> None:
        """Make or change the tables."""
        await run_migrations(self.engine, MIGRATIONS, VERSION_TABLE)

    async def close(self) -> None:
        """Let go of the log's writer, the mail server and the database. The log itself belongs to who opened it."""
        await self.publisher.close()
        if self.transport is not None:
            await self.transport.close()
        await self.engine.dispose()

    async def _prune(self) -> None:
        # The log can bring a fact back as long as it keeps it; the row that makes it harmless stays twice as long.
        while True:
            before_ms = self._clock.now_ms() - 2 * self._settings.retention_days * _DAY_MS
            prune = partial(self.outbox.prune, before_ms=before_ms)
            await retrying("store", prune, health=self.health, clock=self._clock)
            forget = partial(self.intake.forget, self.engine, before_ms=before_ms)
            await retrying("store", forget, health=self.health, clock=self._clock)
            await self._clock.sleep_ms(_DAY_MS)

    def _wake(self) -> None:
        if self.intake.planned:
            self.runner.wake(over=self.intake.suppressed)
            self.intake.planned = self.intake.suppressed = False
            self.announcer.wake()
        if self.intake.told:
            self.intake.told = False
            self.teller.wake()

    def _publisher_changed(self, ready: bool, why_not: str) -> None:
        self.health.set("publisher", ok=ready, detail=why_not)


def compose(
    settings: CommonSettings,
    configuration: Configuration,
    *,
    log: EventLog,
    clock: Clock,
    engine: StoreEngine | None = None,
    transport: MailTransport | None = None,
) -> FollowupService:
    """The service, ready to run. `engine`, `transport`: in place of those that the settings name."""
    return FollowupService(
        settings,
        configuration,
        log,
        clock,
        engine or open_engine(settings.store_url("followup")),
        transport or open_transport(settings.smtp_url),
    )
