"""A real PostgreSQL server for tests: `obtain_postgres` gives one, however this machine can have it.

Its methods block until they are done; a test that runs in an event loop calls them through `asyncio.to_thread`. Called by the fixture
`postgres_server` and by `python -m tests.parts`.
"""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.parts.choice import WAYS_VARIABLE, Way, allowed_ways
from tests.parts.errors import PartMissingError, PartNotOursError

POSTGRES_VARIABLE = "CENTRALINO_TEST_POSTGRES"
POSTGRES_IMAGE = "postgres:16-alpine"

# A killed process loses nothing by these (the system keeps what was written), only a machine without power would.
QUICK_SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=200")

T = TypeVar("T")


class PostgresServer(ABC):
    """One server with a fixed address, whose data outlives `stop` and `kill` and goes with `close`."""

    url: str
    """`postgresql://user:password@host:port/database` of a superuser, on loopback."""

    @abstractmethod
    def start(self) -> None:
        """Start it on its own port with the data that it has, and return when it answers queries."""

    @abstractmethod
    def stop(self) -> None:
        """End it in good order, cutting off whoever is connected; the data stays."""

    @abstractmethod
    def kill(self) -> None:
        """End all of it with SIGKILL; the data stays."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""

    @abstractmethod
    def resume(self) -> None:
        """Let it go on after `pause`."""

    @abstractmethod
    def close(self) -> None:
        """End it and delete its data."""

    def restart(self) -> None:
        """`stop` and `start`."""
        self.stop()
        self.start()

    def create_database(self, name: str) -> str:
        """Make an empty database, in place of one of that name, and give its URL."""
        assert name.isidentifier(), f"{name!r} is no plain name"

        async def create() -> None:
            connection = await asyncpg.connect(self.url)
            try:
                await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                await connection.execute(f'CREATE DATABASE "{name}"')
            finally:
                await connection.close()

        run_coroutine(create())
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def run_coroutine(coroutine: Coroutine[object, object, T]) -> T:
    """Run `coroutine` to its end in an event loop of its own, also where the caller is inside of one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, coroutine).result()


async def answers(url: str) -> bool:
    """Whether the server at `url` answers a query."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            return bool(await connection.fetchval("SELECT 1") == 1)
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False


class GivenPostgres(PostgresServer):
    """A server that somebody else runs, named by `CENTRALINO_TEST_POSTGRES`: it is used, and never stopped."""

    def __init__(self, url: str) -> None:
        """`url`: as `PostgresServer.url`; the user must be allowed to create databases."""
        self.url = url

    def start(self) -> None:
        """Nothing: it runs."""

    def stop(self) -> None:
        """`PartNotOursError`."""
        raise PartNotOursError(
            f"the server in {POSTGRES_VARIABLE} is not this test run's to stop; unset it for tests of failure"
        )

    kill = pause = resume = stop

    def close(self) -> None:
        """Nothing: it goes on running."""


def obtain_postgres() -> PostgresServer:
    """A server, not started yet. Installs what is missing. `PartMissingError` when there is no way to have one."""
    given = os.environ.get(POSTGRES_VARIABLE)
    if given:
        return GivenPostgres(given)
    ways = allowed_ways()
    if Way.DOCKER in ways:
        from tests.parts.containers import image_ready
        from tests.parts.postgres_docker import DockerPostgres

        if image_ready(POSTGRES_IMAGE):
            return DockerPostgres()
        if Way.LOCAL not in ways:
            raise PartMissingError(
                f"{WAYS_VARIABLE} is 'docker', but no Docker engine gives the image {POSTGRES_IMAGE}"
            )
    from tests.parts.postgres_local import LocalPostgres, install_postgres

    return LocalPostgres(install_postgres())
