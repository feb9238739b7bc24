"""Logging: one JSON object per line on standard error, the same for our own lines and for those of libraries.

Customers' words must never get here. Callers log ids and numbers; as a last guard a processor drops the fields whose names say
that they hold what somebody wrote, and an exception shows its places but not its message, unless its type is known to carry none of a
customer's words. `configure_logging` is called once by `main`; everybody else calls `get_logger`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from traceback import extract_tb
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from libs.common.errors import CentralinoError
from libs.common.log_lines import LogLines

FORBIDDEN_FIELDS: Final = frozenset({"text", "body", "subject", "html", "content", "comment", "summary", "password"})
"""Names of fields that are dropped from every line, whoever wrote it."""

# The messages of these say which name, file or place is wrong. A ValueError or a KeyError may quote a customer instead.
_TELLING_ERRORS: Final = (
    CentralinoError,
    OSError,
    AssertionError,
    ImportError,
    AttributeError,
    NameError,
    TypeError,
    NotImplementedError,
)
_URGENT_LEVELS: Final = frozenset({"warning", "error", "critical"})
_FRAMES_MAX: Final = 40
_REPEATING: Final = frozenset({"aiokafka"})
_REPEAT_S: Final = 60.0
_KINDS_MAX: Final = 1_000
_CAUSES_MAX: Final = 6

_correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
_service: ContextVar[str | None] = ContextVar("service", default=None)

Logger = structlog.stdlib.BoundLogger


def get_logger(name: str) -> Logger:
    """The logger of a module or service: `log.info("batch appended", partition=3)`. The event is a fixed sentence."""
    return structlog.stdlib.get_logger(name)


def current_correlation_id() -> str | None:
    """The correlation id of the request or record that this task works on."""
    return _correlation_id.get()


@contextmanager
def correlated(correlation_id: str | None, *, service: str | None = None) -> Iterator[None]:
    """Every line logged inside carries this correlation id (and this service's name, where it is given)."""
    token = _correlation_id.set(correlation_id)
    service_token = _service.set(service) if service is not None else None
    try:
        yield
    finally:
        _correlation_id.reset(token)
        if service_token is not None:
            _service.reset(service_token)


def configure_logging(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send all logging of this process, that of libraries included, to `stream` (standard error) as JSON lines.

    `level`: debug, info, warning, error. Raises ValueError for another word. Calling it again replaces the configuration.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"unknown log level {level!r}")
    lines = LogLines(stream or sys.stderr, at_once=stream is not None)
    shared = (
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_context,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            _render_exception,
            drop_forbidden_fields,
            _Write(lines),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Cached loggers would keep the configuration of the first call for ever.
        cache_logger_on_first_use=False,
    )
    handler = _LibraryHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _render_exception,
                drop_forbidden_fields,
                _render_line,
            ],
        )
    )
    handler.addFilter(RepeatedLines())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(number)
    logging.captureWarnings(capture=True)
    for chatty in (
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
        "aiokafka",
        "alembic",
        "aiosqlite",
        "httpx",
        "asyncio",
    ):
        library = logging.getLogger(chatty)
        library.handlers = []
        library.propagate = True
        # What libraries say at info (a server process started, a group rebalanced) our own lines say better.
        library.setLevel(max(number, logging.WARNING))


class RepeatedLines(logging.Filter):
    """Lets each kind of line of a library that tells of every attempt to reconnect through once a minute, with how many it stands for.

    A kind is a logger, a level and an unformatted message. Our own lines say what an outage means, and when it is over.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is shown."""
        if record.name.partition(".")[0] not in _REPEATING:
            return True
        kind = (record.name, record.levelno, str(record.msg))
        shown_s, held_back = self._kinds.get(kind, (-_REPEAT_S, 0))
        if record.created - shown_s < _REPEAT_S:
            self._kinds[kind] = (shown_s, held_back + 1)
            return False
        if len(self._kinds) >= _KINDS_MAX:
            self._kinds.clear()
        self._kinds[kind] = (record.created, 0)
        if held_back:
            record.msg, record.args = f"{record.getMessage()} (and {held_back} more like this)", ()
        return True


class _Write:
    """The end of the way of our own lines. They do not go through `logging`, which takes longer than the rest of it."""

    def __init__(self, lines: LogLines) -> None:
        self._lines = lines

    def __call__(self, logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        self._lines.write(_render_line(logger, method, event), urgent=event.get("level") in _URGENT_LEVELS)
        raise structlog.DropEvent


class _LibraryHandler(logging.Handler):
    """The end of the way of libraries' lines."""

    def __init__(self, lines: LogLines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        try:
            self._lines.write(self.format(record), urgent=record.levelno >= logging.WARNING)
        except Exception:  # As `logging` wants it: a line that cannot be written must not end what wrote it.
            self.handleError(record)


def drop_forbidden_fields(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last guard: take the fields of `FORBIDDEN_FIELDS` out, at any depth, and name them in `dropped`."""
    dropped = sorted(_drop(event))
    if dropped:
        event["dropped"] = dropped
    return event


def _drop(fields: MutableMapping[str, Any]) -> set[str]:
    dropped = {name for name in fields if name.lower() in FORBIDDEN_FIELDS}
    for name in dropped:
        del fields[name]
    for name, value in fields.items():
        if isinstance(value, Mapping):
            inner = {str(key): item for key, item in value.items()}
            dropped |= _drop(inner)
            fields[name] = inner
    return dropped


def describe_exception(error: BaseException) -> list[str]:
    """The exception and its causes, one line per exception and per frame, newest frame last.

    A message is shown only for types that never quote a customer; of a database's error its SQLSTATE is shown.
    """
    lines: list[str] = []
    current: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if current is None:
            break
        lines.append(_headline(current))
        lines.extend(_places(current.__traceback__))
        if isinstance(current, BaseExceptionGroup):
            for inner in current.exceptions[:_CAUSES_MAX]:
                lines.extend(f"| {line}" for line in describe_exception(inner))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return lines


def _headline(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, _TELLING_ERRORS):
        return f"{name}: {error}"
    state = getattr(error, "sqlstate", None)
    return f"{name} (SQLSTATE {state})" if isinstance(state, str) else name


def _places(trace: TracebackType | None) -> list[str]:
    frames = extract_tb(trace)
    shown = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames[-_FRAMES_MAX:]]
    return shown if len(frames) <= _FRAMES_MAX else [f"  ... {len(frames) - _FRAMES_MAX} frames", *shown]


def _add_context(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, variable in (("correlation_id", _correlation_id), ("service", _service)):
        value = variable.get()
        if value is not None:
            event.setdefault(name, value)
    return event


def _render_exception(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    given = event.pop("exc_info", None)
    error: BaseException | None = None
    if isinstance(given, BaseException):
        error = given
    elif isinstance(given, tuple):
        error = given[1]
    elif given:
        error = sys.exc_info()[1]
    if error is not None:
        event["exception"] = describe_exception(error)
    return event


def _render_line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    return _encode(event)


def _describe_type(value: object) -> str:
    # An unknown object's repr may hold anything that a customer wrote.
    return f"<{type(value).__qualname__}>"


_encode: Final = json.JSONEncoder(default=_describe_type, ensure_ascii=False).encode
