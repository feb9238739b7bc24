"""Fixtures that hand the system's parts to tests of every layer.

A part starts when the first test asks for it and lives until the run ends; a part that cannot be had fails the test that
asks, with the reason. Nothing is skipped.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.parts.chromium import Chromium, obtain_chromium
from tests.parts.kafka import KafkaBroker, obtain_kafka
from tests.parts.postgres import PostgresServer, obtain_postgres
from tests.parts.smtp import MailServer
from tests.support.processes import Child

ChildStarter = Callable[..., Child]


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[KafkaBroker]:
    """A running broker, shared by the whole run: make topics of your own, and leave it running."""
    with obtain_kafka() as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server, shared by the whole run: `create_database` gives you one of your own; leave it running."""
    with obtain_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    """Where the browser is and how to start it."""
    return obtain_chromium()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A running mail server of the test's own."""
    with MailServer() as server:
        yield server


@pytest.fixture
def start_child(tmp_path: Path) -> Iterator[ChildStarter]:
    """`start_child(command, name="ingest", environment={...})` gives a running `Child`; what is left at the end is killed.

    Its output is in `tmp_path/NAME.log`; further arguments are those of `Child`.
    """
    children: list[Child] = []

    def start(command: tuple[str, ...], *, name: str = "child", **options: object) -> Child:
        child = Child(command, tmp_path / f"{name}.log", **options)  # type: ignore[arg-type]  # handed through as they are
        children.append(child)
        return child

    yield start
    for child in reversed(children):
        child.close()
