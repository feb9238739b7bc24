"""The parts that routes work with, put together once by `compose` and kept in `app.state.parts`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import HTTPConnection

from libs.common.blobs import BlobStore
from libs.common.clock import Clock
from libs.common.configuration import Configuration
from libs.common.http.auth import TokenAuthority
from libs.common.http.health import Health
from libs.common.http.problem import unavailable_problem
from libs.common.log.publisher import Publisher
from libs.common.metrics import Metrics
from libs.common.plain_sql import PlainSession
from libs.common.store import reading, store_errors
from libs.common.store_engine import StoreEngine
from services.agent_api.attendance import Attendance
from services.agent_api.command_book import CommandBook
from services.agent_api.credentials import SignIns
from services.agent_api.explanations import Explanations
from services.agent_api.hub import Hub
from services.agent_api.outcomes import Outcomes
from services.agent_api.settings import AgentApiSettings


@dataclass(slots=True, kw_only=True)
class Parts:
    """See the module. `started` becomes True once the tables are there; routes answer 503 until then."""

    settings: AgentApiSettings
    configuration: Configuration
    clock: Clock
    engine: StoreEngine
    publisher: Publisher
    blobs: BlobStore
    tokens: TokenAuthority
    sign_ins: SignIns
    hub: Hub = field(default_factory=Hub)
    outcomes: Outcomes = field(default_factory=Outcomes)
    attendance: Attendance = field(default_factory=Attendance)
    health: Health
    metrics: Metrics
    explanations: Explanations
    started: bool = False
    command_book: CommandBook = field(init=False)

    def __post_init__(self) -> None:
        """The book writes into the same store."""
        self.command_book = CommandBook(self.engine)

    @asynccontextmanager
    async def looking_up(self) -> AsyncIterator[PlainSession]:
        """For what is looked up by its key: each look-up sees what is committed. Raises StoreUnavailableError."""
        with store_errors():
            async with self.engine.read_plain() as session:
                yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One snapshot of the view. Raises StoreUnavailableError."""
        with store_errors():
            async with reading(self.engine) as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction on the rows that requests own; the view's are the tailer's. Raises StoreUnavailableError."""
        with store_errors():
            async with self.engine.begin() as connection:
                yield connection


def parts_of(connection: HTTPConnection) -> Parts:
    """The parts of the app that handles this request or WebSocket."""
    parts: Parts = connection.app.state.parts
    return parts


async def started_parts(request: Request) -> Parts:
    """A route's dependency: the parts. Raises ProblemError 503 until the store was reached for the first time."""
    parts = parts_of(request)
    if not parts.started:
        raise unavailable_problem("The service is starting.")
    return parts
