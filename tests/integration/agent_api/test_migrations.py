"""Tables of an earlier revision, with rows in them, brought to the newest one."""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlalchemy as sa

from libs.common.store import open_engine, run_migrations
from services.agent_api.credentials import MIGRATIONS, VERSION_TABLE, migrate
from services.agent_api.store import tables


def revisions_until(last: str, folder: Path) -> Path:
    """The migrations as they were when `last` was the newest one."""
    versions = folder / "earlier" / "versions"
    versions.mkdir(parents=True)
    for path in (MIGRATIONS / "versions").glob("[0-9]*.py"):
        if path.name[: len(last)] <= last:
            shutil.copy(path, versions)
    return versions.parent


async def test_rows_of_before_are_counted_on(store: str, tmp_path: Path) -> None:
    # given the tables of before contacts without an answer were counted, with a minute and a queue in them
    await run_migrations(store, revisions_until("0003", tmp_path), VERSION_TABLE)
    engine = open_engine(store)
    async with engine.begin() as connection:
        await connection.execute(
            sa.text("INSERT INTO agent_throughput VALUES (60000, 'care', 'orders', 'email', 3, 2, 1)")
        )
        await connection.execute(
            sa.text("INSERT INTO agent_queues VALUES ('care', 'orders', '{}', 60000, 0, 20000, 0, true, false, 0)")
        )

    # when
    await migrate(engine)
    await migrate(engine)

    # then
    async with engine.connect() as connection:
        minute = (await connection.execute(sa.select(tables.throughput))).one()
        queue = (await connection.execute(sa.select(tables.queues))).one()
    await engine.dispose()
    assert tuple(minute) == (60_000, "care", "orders", "email", 3, 2, 1, 0, 0)
    assert (queue.queue, queue.pull) == ("orders", False)
