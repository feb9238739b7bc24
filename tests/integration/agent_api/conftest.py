"""An agent API: on SQLite, and on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from tests.parts.postgres import PostgresServer
from tests.support.agent_api import Api, running_api, settings_for

_numbers = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of the test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/agent-api.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(f"agent_api_{next(_numbers)}")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The service on SQLite, ready, with the pool `care` configured."""
    async with running_api(settings_for(tmp_path)) as api:
        yield api


@pytest.fixture
async def any_api(store: str, tmp_path: Path) -> AsyncIterator[Api]:
    """The same on each database in turn, for what a database could make different."""
    async with running_api(settings_for(tmp_path, store)) as api:
        yield api
