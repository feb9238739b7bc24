import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from libs.common.errors import StoreUnavailableError
from libs.common.logging import configure_logging, correlated, current_correlation_id, describe_exception, get_logger

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What was logged, parsed; at info."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = before, level
    logging.captureWarnings(capture=False)


def test_a_line_has_its_time_level_logger_event_and_fields(lines: Lines) -> None:
    with correlated("call-17", service="ingest"):
        get_logger("services.ingest.app").info("batch appended", partition=3, ms=1.5)

    (line,) = lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "services.ingest.app",
        "event": "batch appended",
        "partition": 3,
        "ms": 1.5,
        "correlation_id": "call-17",
        "service": "ingest",
    }


def test_libraries_lines_look_the_same(lines: Lines) -> None:
    with correlated("call-18"):
        logging.getLogger("some.library").warning("retry %d of %s", 2, "three")
    logging.getLogger("uvicorn.error").error("bad")
    logging.getLogger("uvicorn.error").info("Started server process")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    first, second, third = lines()
    assert (first["event"], first["logger"], first["correlation_id"]) == ("retry 2 of three", "some.library", "call-18")
    assert (second["event"], second["level"]) == ("bad", "error")
    assert third["logger"] == "py.warnings"


def test_the_level_is_kept(lines: Lines) -> None:
    get_logger("a").debug("hidden")
    get_logger("a").info("shown")

    assert [line["event"] for line in lines()] == ["shown"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        configure_logging("loud")


def test_fields_that_hold_what_somebody_wrote_are_dropped_at_any_depth(lines: Lines) -> None:
    get_logger("a").info("received", text="secret", Body="secret", message={"subject": "secret", "id": "msg_1"})
    logging.getLogger("b").info("received", extra={"html": "secret"})

    first, second = lines()
    assert first["dropped"] == ["Body", "subject", "text"]
    assert first["message"] == {"id": "msg_1"}
    assert "secret" not in json.dumps([first, second])


def test_an_object_that_is_no_json_shows_its_type_alone(lines: Lines) -> None:
    class Letter:
        def __repr__(self) -> str:
            return "secret"

    get_logger("a").info("received", letter=Letter())

    (line,) = lines()
    assert "Letter" in line["letter"]
    assert "secret" not in json.dumps(line)


def fail(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def test_an_exception_shows_where_and_what_kind_but_no_customers_words(lines: Lines) -> None:
    try:
        int("luca@example.com")
    except ValueError:
        get_logger("a").exception("failed")
        logging.getLogger("b").exception("failed")

    for line in lines():
        assert line["exception"][0] == "builtins.ValueError"
        assert any("test_logging.py" in place for place in line["exception"])
        assert "luca" not in json.dumps(line)


def test_telling_messages_and_causes_are_shown() -> None:
    described = describe_exception(
        fail(StoreUnavailableError("no answer (57P03)"), fail(ConnectionRefusedError(111, "refused")))
    )

    headlines = [line for line in described if not line.startswith(" ")]
    assert headlines == [
        "libs.common.errors.StoreUnavailableError: no answer (57P03)",
        "builtins.ConnectionRefusedError: [Errno 111] refused",
    ]


def test_a_databases_error_shows_its_state_alone() -> None:
    class DriverError(Exception):
        sqlstate = "23505"

    driver = DriverError("Key (name)=(Luca) exists")
    described = describe_exception(fail(IntegrityError("INSERT", None, driver), driver))

    assert "SQLSTATE 23505" in " ".join(described)
    assert "Luca" not in " ".join(described)


def test_the_members_of_a_group_are_shown() -> None:
    described = describe_exception(
        fail(BaseExceptionGroup("luca", [fail(KeyError("luca")), fail(OSError("disk full"))]))
    )

    assert "| builtins.KeyError" in described
    assert "| builtins.OSError: disk full" in described
    assert "luca" not in " ".join(described)


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert len(describe_exception(first)) < 20


def test_the_correlation_id_is_that_of_the_innermost_block() -> None:
    assert current_correlation_id() is None
    with correlated("a"):
        with correlated("b"):
            assert current_correlation_id() == "b"
        assert current_correlation_id() == "a"
    assert current_correlation_id() is None


def test_a_library_that_tells_of_every_attempt_is_heard_once_a_minute(lines: Lines) -> None:
    def attempt(second: int, node: int, name: str = "aiokafka.conn") -> None:
        record = logging.makeLogRecord(
            {
                "name": name,
                "levelno": logging.ERROR,
                "levelname": "ERROR",
                "msg": "cannot reach node %s",
                "args": (node,),
            }
        )
        record.created = 1_000.0 + second
        logging.getLogger(name).handle(record)

    for second in (0, 1, 59, 60, 61, 120):
        attempt(second, second % 3)
    attempt(61, 7, "some.library")
    attempt(61, 8, "some.library")

    assert [line["event"] for line in lines()] == [
        "cannot reach node 0",
        "cannot reach node 0 (and 2 more like this)",
        "cannot reach node 0 (and 1 more like this)",
        "cannot reach node 7",
        "cannot reach node 8",
    ]
