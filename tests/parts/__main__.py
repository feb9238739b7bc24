"""`python -m tests.parts`: installs the parts that tests need, says which way each is had, or runs one by hand.

`install` and `status` are called by `make parts` and by whoever wonders; `kafka` and `postgres` run a server of the same kind
as the tests use until Ctrl-C; `chromium` prints the browser's path and arguments.
"""

import argparse
import signal
import sys
from collections.abc import Callable

from tests.parts.choice import say
from tests.parts.chromium import obtain_chromium
from tests.parts.errors import PartMissingError
from tests.parts.kafka import KafkaBroker, obtain_kafka
from tests.parts.postgres import PostgresServer, obtain_postgres


def main() -> int:
    """Exit code 0 when the parts are there, 1 with a sentence when one cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.parts", description=__doc__)
    parser.add_argument("command", choices=sorted(_COMMANDS))
    try:
        _COMMANDS[parser.parse_args().command]()
    except PartMissingError as error:
        print(f"tests.parts: {error}", file=sys.stderr)
        return 1
    return 0


def _install() -> None:
    say(f"Kafka: {type(obtain_kafka()).__name__}")
    say(f"PostgreSQL: {type(obtain_postgres()).__name__}")
    say(f"browser: {obtain_chromium().executable_path}")


def _status() -> None:
    """The same, and each server is started once, so that what is said has been tried."""
    with obtain_kafka() as broker:
        say(f"Kafka: {type(broker).__name__} serves at {broker.bootstrap}")
    with obtain_postgres() as server:
        say(f"PostgreSQL: {type(server).__name__} answers at {server.url}")
    say(f"browser: {obtain_chromium().executable_path}")


def _serve(part: KafkaBroker | PostgresServer) -> None:
    """Run one server until SIGINT or SIGTERM."""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # Before the start, so that an early Ctrl-C cleans up too.
    with part:
        say(f"{part.url} (Ctrl-C ends it and deletes its data)")
        signal.sigwait(ends)


def _show_browser() -> None:
    browser = obtain_chromium()
    print(browser.executable_path, *browser.arguments)


_COMMANDS: dict[str, Callable[[], None]] = {
    "install": _install,
    "status": _status,
    "kafka": lambda: _serve(obtain_kafka()),
    "postgres": lambda: _serve(obtain_postgres()),
    "chromium": _show_browser,
}

if __name__ == "__main__":
    sys.exit(main())
