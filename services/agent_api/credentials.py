"""Agents' passwords: set by an administrator on the command line, checked when an agent signs in.

An unknown agent costs as much time as a known one, so that nobody can find out who works here. Hashing takes long on purpose; it
runs in threads, few at a time, and guesses at one agent's password are limited. Called by `routes_session` and the command line.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Final

import argon2
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import Clock, SystemClock
from libs.common.http.problem import ProblemError
from libs.common.store import open_engine, run_migrations, store_errors
from services.agent_api.store import tables
from services.agent_api.store.statements import merge_rows

MIGRATIONS: Final = Path(__file__).parent / "store" / "migrations"
VERSION_TABLE: Final = "agent_alembic_version"

PASSWORD_CHARS_MAX: Final = 1_000
HASHES_AT_ONCE: Final = 2
HASHES_WAITING_MAX: Final = 64
GUESSES_PER_WINDOW: Final = 10
WINDOW_MS: Final = 60_000
AGENTS_WATCHED_MAX: Final = 10_000

# The first recommendation of RFC 9106 that fits a small machine: 64 MiB, three passes.
_hasher: Final = argon2.PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)


async def migrate(engine: AsyncEngine) -> None:
    """Bring the agent API's tables to the newest revision. Raises StoreUnavailableError, StoreTooNewError."""
    await run_migrations(engine, MIGRATIONS, VERSION_TABLE)


async def set_password(store_url: str, agent_id: str, password: str) -> None:
    """Set an agent's password, for the command line. Makes the tables where they are missing. Raises StoreUnavailableError."""
    engine = open_engine(store_url)
    try:
        await migrate(engine)
        password_hash = await asyncio.to_thread(_hasher.hash, password)
        row = {"agent_id": agent_id, "password_hash": password_hash, "changed_ms": SystemClock().now_ms()}
        with store_errors():
            async with engine.begin() as connection:
                await merge_rows(
                    connection, tables.credentials, [row], key=("agent_id",), change=("password_hash", "changed_ms")
                )
    finally:
        await engine.dispose()


class SignIns:
    """Checks passwords, and how often they are tried."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._threads = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0
        self._guesses: OrderedDict[str, list[int]] = OrderedDict()
        # Whoever is unknown is checked against this; its password is nobody's.
        self._decoy: str | None = None

    async def check(self, agent_id: str, password: str) -> bool:
        """Whether this is the agent's password. Raises ProblemError 429 after too many guesses, 503 when too many sign in at once."""
        self._count_guess(agent_id)
        if self._waiting >= HASHES_WAITING_MAX:
            raise ProblemError(503, "busy", "Busy", "Too many are signing in.", headers={"Retry-After": "2"})
        with store_errors():
            async with self._engine.connect() as connection:
                stored = await connection.scalar(
                    sa.select(tables.credentials.c.password_hash).where(tables.credentials.c.agent_id == agent_id)
                )
        self._waiting += 1
        try:
            async with self._threads:
                if self._decoy is None:
                    self._decoy = await asyncio.to_thread(_hasher.hash, "no password")
                matches = await asyncio.to_thread(_verify, stored or self._decoy, password)
        finally:
            self._waiting -= 1
        if stored is None or not matches:
            return False
        self._guesses.pop(agent_id, None)
        return True

    def _count_guess(self, agent_id: str) -> None:
        now_ms = self._clock.now_ms()
        recent = [at_ms for at_ms in self._guesses.get(agent_id, ()) if now_ms - at_ms < WINDOW_MS]
        if len(recent) >= GUESSES_PER_WINDOW:
            wait_s = -(-(recent[0] + WINDOW_MS - now_ms) // 1000)
            raise ProblemError(
                429,
                "too-many-attempts",
                "Too many attempts",
                "Too many wrong passwords for this agent; wait a little.",
                headers={"Retry-After": str(wait_s)},
            )
        self._guesses[agent_id] = [*recent, now_ms]
        self._guesses.move_to_end(agent_id)
        while len(self._guesses) > AGENTS_WATCHED_MAX:
            self._guesses.popitem(last=False)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
