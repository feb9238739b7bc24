"""A real PostgreSQL server for tests: `obtain_postgres` gives one, however this machine can have it.

Its methods block until they are done; a test that runs in an event loop calls them through `asyncio.to_thread`. Called by the fixture
`postgres_server` and by `python -m tests.parts`.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.parts.part import GivenPart, Part, obtain

POSTGRES_VARIABLE = "CENTRALINO_TEST_POSTGRES"
POSTGRES_IMAGE = "postgres:16-alpine"

# A killed process loses nothing by these (the system keeps what was written), only a machine without power would.
QUICK_SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=200")

T = TypeVar("T")


class PostgresServer(Part):
    """One server."""

    url: str
    """`postgresql://user:password@host:port/database` of a superuser, on loopback."""

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


class GivenPostgres(GivenPart, PostgresServer):
    """See `GivenPart`."""

    variable = POSTGRES_VARIABLE

    def __init__(self, url: str) -> None:
        """`url`: as `PostgresServer.url`; the user must be allowed to create databases."""
        self.url = url


def obtain_postgres() -> PostgresServer:
    """A server, not started yet. Installs what is missing. `PartMissingError` when there is no way to have one."""
    return obtain(POSTGRES_VARIABLE, POSTGRES_IMAGE, given=GivenPostgres, contained=_contained, local=_local)


def _contained() -> PostgresServer:
    from tests.parts.postgres_docker import DockerPostgres

    return DockerPostgres()


def _local() -> PostgresServer:
    from tests.parts.postgres_local import LocalPostgres, install_postgres

    return LocalPostgres(install_postgres())
