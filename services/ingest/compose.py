"""Puts the ingest service together. Cheap: nothing is reached before `run`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from functools import partial
from typing import Final

import httpx
from fastapi import FastAPI

from libs.common.blobs import FolderBlobs
from libs.common.clock import Clock
from libs.common.configuration.models import Configuration
from libs.common.http.auth import TokenAuthority
from libs.common.http.health import Health
from libs.common.ids import new_id
from libs.common.lifecycle import retrying
from libs.common.log.dlq import DeadLetters
from libs.common.log.port import EventLog, Record
from libs.common.log.publisher import Publisher
from libs.common.log.streams import (
    DEAD_LETTERS,
    DELIVERY_EVENTS,
    FOLLOWUP_EVENTS,
    OUTBOUND_MESSAGES,
    ROUTING_INPUTS,
)
from libs.common.metrics import Metrics
from libs.common.outbox import Outbox, UnknownOutcome
from libs.common.outbox_runner import OutboxRunner
from libs.common.projection import Projection
from libs.common.settings import CommonSettings
from libs.common.smtp import open_transport
from libs.common.store import open_engine, run_migrations
from services.ingest.accounts import build_accounts
from services.ingest.app import Deps, create_app
from services.ingest.channels.port import AccountContext, Means
from services.ingest.channels.registry import find_channel, find_sender
from services.ingest.expected_waits import ExpectedWaits
from services.ingest.media import MediaFetcher, open_media_client
from services.ingest.media_intake import MediaIntake
from services.ingest.receive import Receiver
from services.ingest.replays import Replays
from services.ingest.routes_webhooks import BODY_BYTES_MAX, Hook, Webhooks
from services.ingest.senders import Senders
from services.ingest.store.tables import MIGRATIONS, VERSION_TABLE, media, positions, sends

_DAY_MS: Final = 86_400_000
# Under load, replies and files to fetch are taken in together.
_GATHER_MS: Final = 20
_PROVIDER_TIMEOUT_S: Final = 20.0


class IngestService:
    """The ingest service: `run` does all its work until cancelled, `close` lets go of everything."""

    name = "ingest"

    def __init__(
        self,
        settings: CommonSettings,
        configuration: Configuration,
        log: EventLog,
        clock: Clock,
        environ: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._log = log
        self._clock = clock
        self.health = Health("log", "store", "publisher")
        self.metrics = Metrics()
        self.engine = open_engine(settings.store_url("ingest"))
        self.publisher = Publisher(log, "ingest", clock=clock, on_ready=self._publisher_changed)
        self._client = httpx.AsyncClient(timeout=_PROVIDER_TIMEOUT_S)
        self._media_client = open_media_client()
        self._transport = open_transport(settings.smtp_url)
        self._blobs = FolderBlobs(settings.blobs)
        self.accounts = build_accounts(configuration, environ, settings.ingest_url)
        self.sends = Outbox(self.engine, sends, holder=new_id("ingest"), unknown=UnknownOutcome.SEND_AGAIN)
        self.media = Outbox(self.engine, media, holder=new_id("ingest"), unknown=UnknownOutcome.SEND_AGAIN)
        self.send_runner, self.media_runner, self.projection = self._build_work()
        receiver = Receiver(
            configuration=configuration,
            publisher=self.publisher,
            blobs=self._blobs,
            clock=clock,
            metrics=self.metrics,
        )
        webhooks = Webhooks(
            hooks=_hooks(self.accounts, configuration),
            receiver=receiver,
            replays=Replays(self.engine),
            clock=clock,
            metrics=self.metrics,
            public_url=settings.ingest_url,
        )
        tokens = TokenAuthority(settings.require_secret(), clock)
        self._expected_waits = ExpectedWaits(settings.agent_api_url, tokens, clock)
        self.app: FastAPI = create_app(
            Deps(
                accounts=self.accounts,
                configuration=configuration,
                webhooks=webhooks,
                receiver=receiver,
                tokens=tokens,
                ask_wait=self._expected_waits.ask,
                clock=clock,
                health=self.health,
                metrics=self.metrics,
            )
        )

    def _build_work(self) -> tuple[OutboxRunner, OutboxRunner, Projection]:
        senders = Senders(
            outbox=self.sends,
            accounts=self.accounts,
            find_sender=find_sender,
            means=Means(client=self._client, mail=self._transport, blobs=self._blobs),
            publisher=self.publisher,
            clock=self._clock,
            metrics=self.metrics,
        )
        fetcher = MediaFetcher(client=self._media_client, blobs=self._blobs)
        intake = MediaIntake(outbox=self.media, accounts=self.accounts, fetch=fetcher.fetch, clock=self._clock)
        send_runner = OutboxRunner(
            self.sends,
            name="senders",
            send=senders.send,
            report=senders.report,
            clock=self._clock,
            health=self.health,
        )
        media_runner = OutboxRunner(
            self.media,
            name="media",
            send=intake.send,
            report=intake.report,
            clock=self._clock,
            health=self.health,
        )
        projection = Projection(
            name="intake",
            log=self._log,
            engine=self.engine,
            positions=positions,
            folds={OUTBOUND_MESSAGES: senders.fold, ROUTING_INPUTS: intake.fold},
            dead_letters=DeadLetters(self.publisher, "ingest", on_put=self._count_dead_letter),
            clock=self._clock,
            health=self.health,
            committed=lambda: self._wake(senders, intake),
            wanted={ROUTING_INPUTS: intake.wants},
            gather_ms=_GATHER_MS,
        )
        return send_runner, media_runner, projection

    async def run(self) -> None:
        """Connect, bring the tables up to date, then send and fetch until cancelled."""
        await retrying("log", self._log.connect, health=self.health, clock=self._clock)
        # Webhooks need the log alone; a store that is away must not keep them out.
        await self.publisher.start()
        await retrying("store", self.migrate, health=self.health, clock=self._clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.projection.run())
            group.create_task(self.send_runner.run())
            group.create_task(self.media_runner.run())
            group.create_task(self._prune())

    async def migrate(self) -> None:
        """Make or change the tables."""
        await run_migrations(self.engine, MIGRATIONS, VERSION_TABLE)

    async def close(self) -> None:
        """Let go of the log's writer, the providers and the database. The log itself belongs to who opened it."""
        await self.publisher.close()
        await self._expected_waits.close()
        await self._client.aclose()
        await self._media_client.aclose()
        if self._transport is not None:
            await self._transport.close()
        await self.engine.dispose()

    async def _prune(self) -> None:
        # The log can bring a request back as long as it keeps it; the row that makes it harmless stays twice as long.
        while True:
            before_ms = self._clock.now_ms() - 2 * self._settings.retention_days * _DAY_MS
            for outbox in (self.sends, self.media):
                prune = partial(outbox.prune, before_ms=before_ms)
                await retrying("store", prune, health=self.health, clock=self._clock)
            await retrying("log", self._trim, health=self.health, clock=self._clock)
            await self._clock.sleep_ms(_DAY_MS)

    async def _trim(self) -> None:
        # The router trims what it reads, because its snapshots stand in for it; the rest goes by age alone.
        for stream in (OUTBOUND_MESSAGES, DELIVERY_EVENTS, FOLLOWUP_EVENTS, DEAD_LETTERS):
            for partition in range(self._log.partitions(stream)):
                await self._log.trim(stream, partition, await self._log.end_offset(stream, partition))

    def _wake(self, senders: Senders, media: MediaIntake) -> None:
        if senders.requested:
            senders.requested = False
            self.send_runner.wake()
        if media.noted:
            media.noted = False
            self.media_runner.wake()

    def _count_dead_letter(self, record: Record) -> None:
        self.metrics.dead_letters.labels(record.stream, self.name).inc()

    def _publisher_changed(self, ready: bool, why_not: str) -> None:
        self.health.set("publisher", ok=ready, detail=why_not)


def _hooks(accounts: Mapping[str, AccountContext], configuration: Configuration) -> dict[str, Hook]:
    hooks = {}
    for name, account in accounts.items():
        channel = find_channel(account)
        if channel is not None:
            limit = configuration.accounts[name].max_body_bytes or BODY_BYTES_MAX
            hooks[name] = Hook(account=account, channel=channel, body_bytes_max=limit)
    return hooks


def compose(
    settings: CommonSettings,
    configuration: Configuration,
    *,
    log: EventLog,
    clock: Clock,
    environ: Mapping[str, str] | None = None,
) -> IngestService:
    """The service, ready to run. `environ`: where the accounts' secrets are looked up; the process's own by default."""
    return IngestService(settings, configuration, log, clock, os.environ if environ is None else environ)
