"""What a queue's overflow says: whether each rule has what it needs and nothing else, where it leads, and whether contacts would go round.

Works on the plain data of the file, as `checks` does, which calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from libs.common.configuration.durations import parse_duration_ms
from libs.common.configuration.places import Path
from libs.common.configuration.problems import Found, suggest

ALWAYS: Final = "always"
_DURATIONS: Final = frozenset({"expected_wait", "waited"})
_WHENS: Final = frozenset({"closed", "waiting", *_DURATIONS})
_TOLD: Final = frozenset({"callback", "message", "end"})
_TARGETED: Final = frozenset({"queue", "pool"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflowing:
    """The parts of the file that overflow is about. `first_queues`: of each pool the queue of its default rule; `hours`: of each pool."""

    queues: Mapping[str, Mapping[str, Any]]
    pools: tuple[str, ...]
    pool_of_queue: Mapping[str, str | None]
    first_queues: Mapping[str, str]
    hours: Mapping[str, Any]


def check_overflows(parts: Overflowing) -> Iterator[Found]:
    """Everything found about the overflow of all queues, in no order."""
    ways: dict[str, dict[str, Path]] = {}
    for name, queue in parts.queues.items():
        rules = queue.get("overflow")
        waited_ms = 0
        for index, rule in enumerate(rules if isinstance(rules, list) else ()):
            if not isinstance(rule, dict):
                continue
            path: Path = ("queues", name, "overflow", index)
            yield from _check_rule(parts, path, name, rule)
            to = _target_queue(parts, rule)
            if to is not None and rule.get("when") != "waited":
                ways.setdefault(name, {}).setdefault(to, (*path, "target"))
            at_least_ms = _duration_ms(rule.get("at_least"))
            if rule.get("when") == "waited" and at_least_ms is not None:
                if at_least_ms <= waited_ms:
                    message = "must be later than that of the rule for `waited` before it"
                    yield Found(path=(*path, "at_least"), message=message)
                waited_ms = max(waited_ms, at_least_ms)
    yield from _check_rounds(ways)


def _check_rule(parts: Overflowing, path: Path, name: str, rule: Mapping[str, Any]) -> Iterator[Found]:
    when, to = rule.get("when"), rule.get("to")
    if when in _WHENS:
        yield from _check_at_least(path, str(when), rule)
    if when == "closed":
        pool = parts.pool_of_queue.get(name)
        closes = parts.queues[name].get("hours", parts.hours.get(pool) if pool is not None else ALWAYS)
        if closes in (None, ALWAYS):
            message = "never holds: neither the queue nor its pool has hours"
            yield Found(path=(*path, "when"), message=message, warning=True)
    yield from _check_text(path, to, rule)
    yield from _check_target(parts, path, name, rule)


def _check_at_least(path: Path, when: str, rule: Mapping[str, Any]) -> Iterator[Found]:
    given = rule.get("at_least")
    if when == "closed":
        if given is not None:
            yield Found(path=(*path, "at_least"), message="is not for `closed`", on_key=True)
        return
    if given is None:
        asked = "a duration" if when in _DURATIONS else "a number of contacts"
        yield Found(path=(*path, "at_least"), message=f"is required with `{when}`: {asked}", on_key=True)
    elif when in _DURATIONS and isinstance(given, int):
        yield Found(path=(*path, "at_least"), message="must be a duration such as 30s, 5m or 2h")
    elif when in _DURATIONS and _duration_ms(given) == 0:
        yield Found(path=(*path, "at_least"), message="must be at least 1s")
    elif when == "waiting" and isinstance(given, str):
        yield Found(path=(*path, "at_least"), message="must be a number of contacts")


def _check_text(path: Path, to: Any, rule: Mapping[str, Any]) -> Iterator[Found]:
    text = rule.get("text")
    if to == "message" and not text:
        yield Found(path=(*path, "text"), message="is required with `message`, in one language at least", on_key=True)
    if to not in _TOLD and to is not None and text is not None:
        yield Found(path=(*path, "text"), message=f"is not for `{to}`: the customer is told nothing", on_key=True)


def _check_target(parts: Overflowing, path: Path, name: str, rule: Mapping[str, Any]) -> Iterator[Found]:
    to, target = rule.get("to"), rule.get("target")
    at: Path = (*path, "target")
    if to in _TARGETED:
        mine = parts.pool_of_queue.get(name)
        if target is None:
            yield Found(path=at, message=f"is required: the {to}", on_key=True)
            return
        if to == "queue":
            others = tuple(other for other in parts.queues if other != name and parts.pool_of_queue.get(other) == mine)
            yield from _reference(at, "queue of the same pool", target, others)
        else:
            yield from _reference(at, "other pool", target, tuple(pool for pool in parts.pools if pool != mine))
            has_queue = target in parts.pool_of_queue.values()
            if target in parts.pools and target != mine and not has_queue:
                yield Found(path=at, message=f"pool {target} has no queue")
    elif to is not None and target is not None:
        yield Found(path=at, message=f"is not for `{to}`", on_key=True)


def _reference(path: Path, kind: str, name: Any, known: tuple[str, ...]) -> Iterator[Found]:
    if isinstance(name, str) and name not in known:
        shown = name if len(name) <= 60 and name.isprintable() else f"{name[:60]!a}..."
        yield Found(path=path, message=f"unknown {kind} {shown}{suggest(name, known)}")


def _target_queue(parts: Overflowing, rule: Mapping[str, Any]) -> str | None:
    """The queue that a rule leads to, in another pool that of its default rule."""
    target = rule.get("target")
    if not isinstance(target, str):
        return None
    if rule.get("to") == "queue":
        return target if target in parts.queues else None
    return parts.first_queues.get(target) if rule.get("to") == "pool" else None


def _check_rounds(ways: Mapping[str, Mapping[str, Path]]) -> Iterator[Found]:
    """Contacts that no queue of a round takes would go round for ever. Each round is told once, at the place that closes it."""
    told: set[frozenset[str]] = set()
    for begin in ways:
        found = _find_round(ways, [begin])
        if found is not None and frozenset(found) not in told:
            told.add(frozenset(found))
            path = ways[found[-1]][found[0]]
            message = f"contacts would go round before they wait: {' -> '.join([*found, found[0]])}"
            yield Found(path=path, message=message)


def _find_round(ways: Mapping[str, Mapping[str, Path]], gone: list[str]) -> list[str] | None:
    for to in ways.get(gone[-1], {}):
        if to == gone[0]:
            return gone
        if to not in gone:
            found = _find_round(ways, [*gone, to])
            if found is not None:
                return found
    return None


def _duration_ms(value: Any) -> int | None:
    try:
        return parse_duration_ms(value) if isinstance(value, str) else None
    except ValueError:
        return None  # The models tell that it is no duration.
