"""The store on both databases: what differs between them must not show."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, String, Table, Text, func, insert, select, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.errors import StoreUnavailableError
from libs.common.sqlite_connection import DirectConnection
from libs.common.store import (
    Position,
    StoreTooNewError,
    StoreUrlInvalidError,
    advance_position,
    is_outage,
    open_engine,
    positions_table,
    read_positions,
    reading,
    run_migrations,
    store_errors,
    upsert,
)
from tests.parts.postgres import PostgresServer

MIGRATIONS = Path(__file__).parent / "migrations"
VERSIONS = "cards_version"
STREAM = "routing.events"

metadata = MetaData()
cards = Table("cards", metadata, Column("id", String(40), primary_key=True), Column("name", Text, nullable=False))
positions = positions_table(metadata, "card_positions")

_numbers = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of the test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new folder/cards.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(f"store_{next(_numbers)}")


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """The database with its tables."""
    await run_migrations(url, MIGRATIONS, VERSIONS)
    engine = open_engine(url)
    yield engine
    await engine.dispose()


async def add_card(engine: AsyncEngine, card: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(cards).values(id=card, name="Luca"))


async def add_cards(engine: AsyncEngine, *ids: str) -> None:
    async with engine.begin() as connection:
        for card in ids:
            await connection.execute(insert(cards).values(id=card, name="Luca"))


async def count_cards(engine: AsyncEngine) -> int:
    async with reading(engine) as connection:
        return (await connection.execute(select(func.count()).select_from(cards))).scalar_one()


async def advance(engine: AsyncEngine, expected: int, following: int, term: int | None = None) -> bool:
    async with engine.begin() as connection:
        return await advance_position(
            connection, positions, STREAM, 0, expected_offset=expected, next_offset=following, term=term
        )


async def position(engine: AsyncEngine) -> Position | None:
    async with reading(engine) as connection:
        return (await read_positions(connection, positions, STREAM)).get(0)


# Migrations


async def test_replicas_that_start_at_once_migrate_once(url: str) -> None:
    await asyncio.gather(*(run_migrations(url, MIGRATIONS, VERSIONS) for _ in range(6)))

    engine = open_engine(url)
    assert await count_cards(engine) == 0
    async with engine.connect() as connection:
        rows = (await connection.execute(text(f"SELECT version_num FROM {VERSIONS}"))).scalars().all()
    await engine.dispose()
    assert rows == ["0002"]


@pytest.fixture
def earlier(tmp_path: Path) -> Iterator[Path]:
    """The migrations as they were before the newest one."""
    folder = tmp_path / "earlier" / "versions"
    folder.mkdir(parents=True)
    shutil.copy(MIGRATIONS / "versions" / "0001_cards.py", folder)
    yield folder.parent
    shutil.rmtree(folder.parent)


async def test_an_earlier_revision_is_upgraded_with_its_rows(url: str, earlier: Path) -> None:
    await run_migrations(url, earlier, VERSIONS)
    engine = open_engine(url)
    await add_card(engine, "cus_1")

    await run_migrations(engine, MIGRATIONS, VERSIONS)
    await run_migrations(engine, MIGRATIONS, VERSIONS)

    assert await count_cards(engine) == 1
    assert await advance(engine, 0, 1)
    await engine.dispose()


async def test_a_database_of_a_newer_version_is_left_alone(url: str, earlier: Path) -> None:
    await run_migrations(url, MIGRATIONS, VERSIONS)

    with pytest.raises(StoreTooNewError, match=VERSIONS):
        await run_migrations(url, earlier, VERSIONS)


async def test_a_migration_that_fails_leaves_nothing_behind(url: str, earlier: Path) -> None:
    (earlier / "versions" / "0002_broken.py").write_text(
        "from alembic import op\n"
        "revision = '0002'\n"
        "down_revision = '0001'\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE half (id INTEGER)')\n"
        "    op.execute('CREATE TABLE half (id INTEGER)')\n"
    )

    with pytest.raises(SQLAlchemyError) as failure:
        await run_migrations(url, earlier, VERSIONS)
    await run_migrations(url, MIGRATIONS, VERSIONS)

    assert not is_outage(failure.value)
    engine = open_engine(url)
    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: sync.dialect.get_table_names(sync))
    await engine.dispose()
    assert sorted(tables) == ["card_positions", "cards", VERSIONS]


async def test_two_services_in_one_database_have_their_own_versions(url: str, earlier: Path) -> None:
    (earlier / "versions" / "0001_cards.py").write_text(
        "from alembic import op\n"
        "revision = 'f001'\n"
        "down_revision = None\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE mails (id INTEGER)')\n"
    )

    await asyncio.gather(run_migrations(url, MIGRATIONS, VERSIONS), run_migrations(url, earlier, "mails_version"))
    await run_migrations(url, MIGRATIONS, VERSIONS)

    engine = open_engine(url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT version_num FROM mails_version"))).scalar_one() == "f001"
    await engine.dispose()


# Transactions


async def test_a_transaction_that_fails_leaves_nothing(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError):
        await add_cards(engine, "cus_1", "cus_2", "cus_1")

    assert await count_cards(engine) == 0


async def test_a_reader_sees_one_state_and_waits_for_no_writer(engine: AsyncEngine) -> None:
    await add_card(engine, "cus_1")

    async with reading(engine) as reader:
        before = (await reader.execute(select(func.count()).select_from(cards))).scalar_one()
        async with engine.begin() as writer:
            await writer.execute(insert(cards).values(id="cus_2", name="Anna"))
            async with asyncio.timeout(5):
                during = await count_cards(engine)
        after = (await reader.execute(select(func.count()).select_from(cards))).scalar_one()

    assert (before, during, after) == (1, 1, 1)
    assert await count_cards(engine) == 2


async def test_many_writers_at_once_all_get_through(engine: AsyncEngine) -> None:
    async def read_then_write(number: int) -> None:
        async with engine.begin() as connection:
            # Reading first is what makes a deferred SQLite transaction fail when it comes to write.
            await connection.execute(select(func.count()).select_from(cards))
            await connection.execute(insert(cards).values(id=f"cus_{number}", name="Luca"))

    await asyncio.gather(*(read_then_write(number) for number in range(40)))

    assert await count_cards(engine) == 40


async def test_a_cancelled_transaction_is_rolled_back_and_its_lock_let_go(engine: AsyncEngine) -> None:
    inserted = asyncio.Event()

    async def write() -> None:
        async with engine.begin() as connection:
            await connection.execute(insert(cards).values(id="cus_1", name="Luca"))
            inserted.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await inserted.wait()
    task.cancel()
    await asyncio.wait([task])

    await add_card(engine, "cus_2")
    assert await count_cards(engine) == 1


async def test_upsert_leaves_or_changes_what_is_there(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(upsert(connection, cards, {"id": "a", "name": "first"}, key=["id"]))
        await connection.execute(upsert(connection, cards, {"id": "a", "name": "second"}, key=["id"]))
        kept = (await connection.execute(select(cards.c.name))).scalar_one()
        rows = [{"id": "a", "name": "third"}, {"id": "b", "name": "new"}]
        await connection.execute(upsert(connection, cards, rows, key=["id"], change=None))
        changed = (await connection.execute(select(cards.c.id, cards.c.name).order_by(cards.c.id))).all()

    assert kept == "first"
    assert [tuple(row) for row in changed] == [("a", "third"), ("b", "new")]


async def test_an_error_shows_no_customers_words(engine: AsyncEngine) -> None:
    await add_card(engine, "cus_1")

    with pytest.raises(IntegrityError) as failure:
        async with engine.begin() as connection:
            await connection.execute(insert(cards).values(id="cus_1", name="Where is my order?"))

    assert "Where is my order?" not in str(failure.value)


# Positions


async def test_a_position_begins_and_moves_on_with_its_term(engine: AsyncEngine) -> None:
    assert await position(engine) is None
    assert await advance(engine, 0, 10, term=3)
    assert await advance(engine, 10, 25, term=7)

    assert await position(engine) == Position(next_offset=25, term=7)


async def test_of_two_replicas_with_the_same_expectation_one_advances(engine: AsyncEngine) -> None:
    assert await advance(engine, 0, 10)

    assert not await advance(engine, 0, 12)
    outcomes = await asyncio.gather(*(advance(engine, 10, 20) for _ in range(8)))

    assert sorted(outcomes) == [False] * 7 + [True]
    assert await position(engine) == Position(next_offset=20, term=None)


async def test_of_many_first_replicas_one_begins(engine: AsyncEngine) -> None:
    outcomes = await asyncio.gather(*(advance(engine, 0, 10 + number) for number in range(8)))

    assert sorted(outcomes) == [False] * 7 + [True]


async def test_the_position_and_the_rows_are_there_together_or_not_at_all(engine: AsyncEngine) -> None:
    async def advance_and_fail() -> None:
        async with engine.begin() as connection:
            assert await advance_position(connection, positions, STREAM, 0, expected_offset=0, next_offset=5)
            await connection.execute(insert(cards).values(id="cus_1", name="Luca"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await advance_and_fail()

    assert await position(engine) is None
    assert await count_cards(engine) == 0


# Outages


async def ask_nonsense(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("SELECT nothing FROM nowhere"))


async def test_a_mistake_is_no_outage(engine: AsyncEngine) -> None:
    await add_card(engine, "cus_1")
    with pytest.raises(IntegrityError), store_errors():
        await add_card(engine, "cus_1")
    with pytest.raises(SQLAlchemyError), store_errors():
        await ask_nonsense(engine)
    with pytest.raises(KeyError), store_errors():
        raise KeyError("a bug")


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "mysql://host/db", "postgresql+psycopg2://host/db", "nonsense", "sqlite:///:memory:"]
)
def test_only_known_stores_are_opened(url: str) -> None:
    with pytest.raises(StoreUrlInvalidError):
        open_engine(url)


async def add_card_without_patience(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        assert isinstance(raw.driver_connection, DirectConnection)
        raw.driver_connection.busy_ms = 1
        await connection.execute(insert(cards).values(id="cus_2", name="Anna"))


async def test_a_sqlite_writer_that_waits_too_long_is_an_outage(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cards.db"
    await run_migrations(url, MIGRATIONS, VERSIONS)
    first, second = open_engine(url), open_engine(url)
    async with first.begin() as holder:
        await holder.execute(insert(cards).values(id="cus_1", name="Luca"))
        with pytest.raises(StoreUnavailableError, match="SQLITE_BUSY"), store_errors():
            await add_card_without_patience(second)
    await add_card(second, "cus_2")

    assert await count_cards(first) == 2
    await first.dispose()
    await second.dispose()


async def test_a_sqlite_folder_that_cannot_be_had_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    engine = open_engine(f"sqlite:///{tmp_path}/file/cards.db")

    with pytest.raises(StoreUnavailableError), store_errors():
        await count_cards(engine)
    await engine.dispose()


async def test_a_killed_postgresql_is_an_outage_and_comes_back_by_itself(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database(f"store_{next(_numbers)}")
    await run_migrations(url, MIGRATIONS, VERSIONS)
    engine = open_engine(url)
    await add_card(engine, "cus_1")

    async def lose_server() -> None:
        async with engine.begin() as connection:
            await connection.execute(insert(cards).values(id="cus_2", name="Anna"))
            await asyncio.to_thread(postgres_server.kill)
            await connection.execute(insert(cards).values(id="cus_3", name="Anna"))

    # While a transaction is open, so that its connection is lost under it.
    with pytest.raises(StoreUnavailableError), store_errors():
        await lose_server()
    # While it is away, for a connection and for migrations.
    with pytest.raises(StoreUnavailableError), store_errors():
        await count_cards(engine)
    with pytest.raises(StoreUnavailableError):
        await run_migrations(url, MIGRATIONS, VERSIONS)
    await asyncio.to_thread(postgres_server.start)

    # The first request afterwards already succeeds, and nothing of the lost transaction is there.
    assert await count_cards(engine) == 1
    await engine.dispose()


async def test_a_postgresql_restarted_between_two_requests_is_not_noticed(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database(f"store_{next(_numbers)}")
    await run_migrations(url, MIGRATIONS, VERSIONS)
    engine = open_engine(url)
    await asyncio.gather(*(count_cards(engine) for _ in range(5)))

    await asyncio.to_thread(postgres_server.restart)

    assert await asyncio.gather(*(count_cards(engine) for _ in range(5))) == [0] * 5
    await engine.dispose()


async def test_a_postgresql_that_hangs_is_an_outage_and_comes_back_by_itself(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database(f"store_{next(_numbers)}")
    await run_migrations(url, MIGRATIONS, VERSIONS)
    engine = open_engine(url, command_timeout_s=0.5)
    await add_card(engine, "cus_1")

    await asyncio.to_thread(postgres_server.pause)
    async with asyncio.timeout(30):
        with pytest.raises(StoreUnavailableError), store_errors():
            await add_card(engine, "cus_2")
    await asyncio.to_thread(postgres_server.resume)

    async with asyncio.timeout(30):
        assert await count_cards(engine) == 1
    await engine.dispose()
