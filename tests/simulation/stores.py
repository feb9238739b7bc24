"""The databases of the simulated world: made once with the real migrations, copied for each run, and looked into from the outside."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from libs.common.log import streams
from libs.common.log.memory import MemoryLog
from libs.common.store import open_engine, run_migrations
from services.agent_api.credentials import MIGRATIONS, VERSION_TABLE
from services.agent_api.tailer import FOLLOWED
from services.followup.store import tables as followup_tables

AGENT_API = "agent-api.db"
FOLLOWUP = "followup.db"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The folder with the databases of one world."""

    folder: Path

    @staticmethod
    def make(folder: Path) -> Stores:
        """New ones, by the services' own migrations. Not in a virtual loop: the migrations have an engine of their own."""
        folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(_migrate(folder))
        return Stores(folder=folder)

    def copy_to(self, folder: Path) -> Stores:
        """The same again."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (AGENT_API, FOLLOWUP):
            shutil.copyfile(self.folder / name, folder / name)
        return Stores(folder=folder)

    def rows(self, store: str, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """What a query gives now."""
        with self._reading(store) as connection:
            return [dict(row) for row in connection.execute(query, values)]

    def table(self, store: str, table: sa.Table) -> list[Row]:
        """A whole table, as text and numbers."""
        order = ", ".join(column.name for column in table.primary_key)
        return self.rows(store, f'SELECT * FROM "{table.name}" ORDER BY {order}')

    async def behind(self, log: MemoryLog) -> str:
        """What the services have still to do; empty when they have done everything."""
        for store, table, followed in (
            (AGENT_API, "agent_positions", FOLLOWED),
            (FOLLOWUP, "followup_positions", (streams.ROUTING_EVENTS, streams.DELIVERY_EVENTS)),
        ):
            stored = {
                (row["stream"], row["partition"]): row["next_offset"]
                for row in self.rows(store, f'SELECT * FROM "{table}"')
            }
            for stream in followed:
                for partition in range(log.partitions(stream)):
                    end = await log.end_offset(stream, partition)
                    reached = stored.get((stream, partition), 0)
                    if reached < end:
                        return f"{store}: {stream}/{partition} is at {reached} of {end}"
        waiting = self.rows(
            FOLLOWUP,
            f"SELECT effect_id, state, due_ms FROM {followup_tables.outbox.name} "
            "WHERE NOT reported OR state NOT IN ('sent', 'failed', 'suppressed')",
        )
        unannounced = self.rows(FOLLOWUP, f"SELECT effect_id FROM {followup_tables.mails.name} WHERE NOT announced")
        unsaid = self.rows(FOLLOWUP, f"SELECT message_id FROM {followup_tables.texts.name} WHERE NOT published")
        return "".join(str(row) for row in (*waiting[:1], *unannounced[:1], *unsaid[:1]))

    @contextmanager
    def _reading(self, store: str) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.folder / store)) as connection:
            connection.row_factory = sqlite3.Row
            yield connection


async def _migrate(folder: Path) -> None:
    for name, location, version_table in (
        (AGENT_API, MIGRATIONS, VERSION_TABLE),
        (FOLLOWUP, followup_tables.MIGRATIONS, followup_tables.VERSION_TABLE),
    ):
        engine = open_engine(f"sqlite:///{folder / name}")
        await run_migrations(engine, location, version_table)
        await engine.dispose()
