"""The services of the simulated world beside the router: each a process with the real parts in it, on its own connections.

Made anew after each crash, from what their stores and the log hold. `world` and `whole` say when they die.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol

from libs.common.clock import Clock
from libs.common.configuration.models import Configuration
from libs.common.lifecycle import retrying
from libs.common.log.memory import MemoryLog
from libs.common.log.publisher import Publisher
from libs.common.metrics import Metrics
from libs.common.settings import CommonSettings
from libs.common.store_engine import StoreEngine
from services.agent_api import compose as agent_api
from services.agent_api.settings import AgentApiSettings
from services.followup import compose as followup
from services.ingest.receive import Receiver
from tests.simulation.connection import Connection, Sky
from tests.simulation.database import StoreLine
from tests.simulation.mail import MailBox, SimulatedTransport
from tests.simulation.process import Process
from tests.simulation.trouble import Troubles

SECRET = "simulation-secret-0123456789-0123456789"


class HungUpError(Exception):
    """Whoever was asked died, or does not answer: nobody knows what became of it."""


class Surroundings(Protocol):
    """What a service needs of its world."""

    log: MemoryLog
    sky: Sky
    clock: Any
    configuration: Configuration
    troubles: Troubles
    box: MailBox
    folder: Path


class SimulatedService:
    """One process of a service. `serve` is its background work."""

    name: str

    def __init__(self, world: Surroundings, number: int) -> None:
        self.process = Process(f"{self.name} {number}")
        self.connection = Connection(world.log, world.sky, self.process)
        self.clock: Clock = world.clock
        self.build(world)
        self.task = self.process.spawn(self.serve(), "main")

    def build(self, world: Surroundings) -> None:
        """Put the real parts together."""
        raise NotImplementedError

    async def serve(self) -> None:
        """All background work."""
        raise NotImplementedError

    async def ask(self, request: Coroutine[Any, Any, Any], timeout_s: float = 30) -> Any:
        """What a request comes to that this process works on. It goes on when its caller has given up.

        Raises HungUpError, and what the request raises.
        """
        if self.process.dead:
            request.close()
            raise HungUpError
        task = self.process.spawn(request, "request")
        task.add_done_callback(_take_note)
        await asyncio.wait([task], timeout=timeout_s)
        if self.process.dead or not task.done() or task.cancelled():
            raise HungUpError
        return task.result()

    def check_alive(self) -> None:
        """Raise what it failed with, if it failed."""
        if self.task.done() and not self.process.dead:
            self.task.result()
            raise AssertionError(f"{self.process.name} has ended by itself")

    async def stop(self) -> None:
        """A clean end, as by SIGTERM."""
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled():
            self.task.result()

    def _open_engine(self, world: Surroundings, store: str) -> StoreEngine:
        return StoreLine(self.process, world.sky, world.troubles, world.folder / store).open_engine()


class Door(SimulatedService):
    """Ingest, as far as messages come in."""

    name = "ingest"

    def build(self, world: Surroundings) -> None:
        self.publisher = Publisher(self.connection, "ingest", clock=world.clock)
        self.receiver = Receiver(
            configuration=world.configuration,
            publisher=self.publisher,
            blobs=_NoBlobs(),
            clock=world.clock,
            metrics=Metrics(),
        )

    async def serve(self) -> None:
        await self.publisher.start()
        try:
            await asyncio.Future()
        finally:
            await self.publisher.close()


class Office(SimulatedService):
    """The agent API without its HTTP edge: its view, its commands and its streams."""

    name = "agent-api"

    def build(self, world: Surroundings) -> None:
        settings = AgentApiSettings(log="memory:", secret=SECRET, data=world.folder)
        engine = self._open_engine(world, "agent-api.db")
        self.service = agent_api.compose(
            settings, world.configuration, log=self.connection, clock=world.clock, engine=engine
        )
        self.parts = self.service.parts

    async def serve(self) -> None:
        parts = self.parts
        try:
            await retrying("log", self.connection.connect, health=parts.health, clock=self.clock)
            await parts.publisher.start()
            await self.service.tailer.run()
        finally:
            await self.service.close()


class PostRoom(SimulatedService):
    """The follow-up service."""

    name = "followup"

    def build(self, world: Surroundings) -> None:
        self.service = followup.compose(
            CommonSettings(log="memory:", secret=SECRET, data=world.folder),
            world.configuration,
            log=self.connection,
            clock=world.clock,
            engine=self._open_engine(world, "followup.db"),
            transport=SimulatedTransport(world.box, self.process),
        )

    async def serve(self) -> None:
        service = self.service
        try:
            await retrying("log", self.connection.connect, health=service.health, clock=self.clock)
            await service.publisher.start()
            async with asyncio.TaskGroup() as group:
                group.create_task(service.projection.run())
                group.create_task(service.runner.run())
                group.create_task(service.announcer.run())
                group.create_task(service.teller.run())
        finally:
            await service.close()


class _NoBlobs:
    """Messages of this world have no attachments."""

    async def put(self, blob_id: str, data: bytes, content_type: str) -> None:
        raise AssertionError("there is nothing to keep")

    async def get(self, blob_id: str) -> Any:
        return None

    async def delete(self, blob_id: str) -> None:
        raise AssertionError("there is nothing to delete")


def _take_note(task: asyncio.Task[Any]) -> None:
    """An answer for which nobody waits any more is nobody's."""
    if not task.cancelled():
        task.exception()
