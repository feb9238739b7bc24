"""An explanation as others read it: the JSON of the public interfaces, and lines for a terminal. Pure.

Points in time become RFC 3339 texts named `..._at` (or without the unit, as `until`), durations keep `_ms`. Called by the router's HTTP
edge and the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from libs.common.clock import rfc3339
from services.router.core.explain import Blocker, Candidate, Obstacle, OfferExplanation, Standing, WaitingExplanation
from services.router.explain import Explanation

_DURATIONS: Final = frozenset({"waited_ms", "offer_timeout_ms", "target_ms", "expected_wait_ms"})
_NAMES: Final = {"at_ms": "at", "idle_since_ms": "idle_since"}
_UNTIL: Final = "until_ms"

_LINES_SHOWN: Final = 10

# What stands in the way, and what would take it away; for agents, whose id goes before.
_CAUSES: Final[dict[Obstacle, str]] = {
    Obstacle.REMOVED: "no longer in the configuration",
    Obstacle.PRESENCE: "is {subject}",
    Obstacle.SKILL: "lacks the skill {subject}",
    Obstacle.LEVEL: "level of {subject} is {has}, asked for is {asked}",
    Obstacle.CAPACITY: "has no room on {subject} (of {has})",
    Obstacle.UNITS: "has not the {asked} units free that {subject} takes (of {has})",
    Obstacle.EXCLUDED: "has {subject} in hand, which excludes it",
    Obstacle.OFFERS_OPEN: "has as many offers open as may be ({has})",
    Obstacle.OFF_SHIFT: "is off shift by the calendar {subject}, until {until}",
    Obstacle.CLOSED: "cannot be offered it: {subject} is closed, until {until}",
    Obstacle.DECLINED: "declined it, is left alone with it until {until}",
    Obstacle.BARRED: "passed it on, left it or had it taken away, is left alone with it until {until}",
    Obstacle.CALLBACK: "cannot be offered it: the customer is to be called back, from {until} on",
    Obstacle.RESERVED: "cannot be offered it: it is kept for {subject} until {until}",
}
_REMEDIES: Final[dict[Obstacle, str]] = {
    Obstacle.REMOVED: "if the configuration had this agent",
    Obstacle.PRESENCE: "when available",
    Obstacle.SKILL: "with the skill {subject} at level {asked}",
    Obstacle.LEVEL: "with the skill {subject} at level {asked}",
    Obstacle.CAPACITY: "when there is room on {subject}",
    Obstacle.UNITS: "when {asked} units are free",
    Obstacle.EXCLUDED: "when {subject} is done",
    Obstacle.OFFERS_OPEN: "when an open offer is answered",
    Obstacle.OFF_SHIFT: "when the shift begins: {until}",
    Obstacle.CLOSED: "when {subject} opens: {until}",
    Obstacle.DECLINED: "from {until} on",
    Obstacle.BARRED: "from {until} on",
    Obstacle.CALLBACK: "from {until} on",
    Obstacle.RESERVED: "unless it is kept for {subject}",
}
# Where nothing becomes free that would be enough.
_REMEDIES_CONFIGURED: Final[dict[Obstacle, str]] = {
    Obstacle.CAPACITY: "with room for {subject} in the configured capacity",
    Obstacle.UNITS: "with at least {asked} units in the configuration",
}


def as_document(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON values."""
    return cast("dict[str, Any]", _public(msgspec.to_builtins(explanation)))


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(_field(str(name), inner) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return [_public(inner) for inner in value]
    return value


def _field(name: str, value: Any) -> tuple[str, Any]:
    if not name.endswith("_ms") or name in _DURATIONS or not isinstance(value, int):
        return name, _public(value)
    bare = name.removesuffix("_ms")
    public = bare if name.endswith(_UNTIL) else _NAMES.get(name, f"{bare}_at")
    return public, rfc3339(value) if value else None


def as_lines(explanation: Explanation) -> Iterator[str]:
    """The explanation for a terminal, in English."""
    state = explanation.state or "no longer in the pool"
    yield f"{explanation.contact_id} of pool {explanation.pool}: {state}"
    if not explanation.complete:
        yield "  The log no longer holds the beginning; what follows begins with the oldest snapshot."
    offers = iter(explanation.offers)
    for entry in explanation.history:
        yield f"{rfc3339(entry.at_ms)}  {_short_type(entry.type)}{_details(entry.details)}"
        if _short_type(entry.type) == "offer.made":
            yield from (f"    {line}" for line in _offer_lines(next(offers)))
    if explanation.waiting is not None:
        yield from _waiting_lines(explanation.waiting)


def _short_type(event_type: str) -> str:
    return event_type.removeprefix("centralino.").removesuffix(".v1")


def _details(details: Mapping[str, Any]) -> str:
    shown = {
        name: details[name]
        for name in ("queue", "to_pool", "agent_id", "cause", "when", "by", "step", "status")
        if details.get(name)
    }
    return "".join(f"  {name.removesuffix('_id')} {value}" for name, value in shown.items())


def _offer_lines(offer: OfferExplanation) -> Iterator[str]:
    yield (
        f"after {_seconds(offer.waited_ms)}, by {offer.strategy}; asked for {_asked(offer)}; "
        f"configuration {offer.policy_version}"
    )
    if offer.overtaken:
        yield f"{offer.overtaken} with an earlier place waited on: nobody could take them"
    yield from _standing_lines(offer.standing)


def _waiting_lines(waiting: WaitingExplanation) -> Iterator[str]:
    yield (
        f"{rfc3339(waiting.at_ms)}  waiting for {_seconds(waiting.waited_ms)}, asks for {_asked(waiting)}; "
        f"{waiting.ahead_in_queue} ahead of it in queue {waiting.queue}, {waiting.ahead_in_pool} in the pool"
    )
    if waiting.expected_wait_ms is not None:
        yield f"    will probably wait for another {_seconds(waiting.expected_wait_ms)}"
    if waiting.drained:
        yield "    its queue is drained: it takes nothing new and is worked off"
    yield from (f"    {line}" for line in _standing_lines(waiting.standing))
    if waiting.relaxation is not None:
        less = _needs(waiting.relaxation.skills, waiting.relaxation.any_of)
        yield f"    at {rfc3339(waiting.relaxation.at_ms)} it asks for less (step {waiting.relaxation.step}): {less}"
    if waiting.overflow is not None:
        to = f"{waiting.overflow.to} {waiting.overflow.target or ''}".strip()
        yield f"    at {rfc3339(waiting.overflow.at_ms)} it overflows to {to}"
    if waiting.would_help:
        yield "    it would be offered, if nobody ahead is offered first, to:"
        for agent_id, blocker in list(waiting.would_help.items())[:_LINES_SHOWN]:
            yield f"      {agent_id}: {_remedy(blocker)}"


def _standing_lines(standing: Standing) -> Iterator[str]:
    if standing.candidates_total:
        names = ", ".join(_candidate(agent) for agent in standing.candidates[:_LINES_SHOWN])
        yield f"could take it ({standing.candidates_total}): {names}"
    if standing.left_out_total:
        counts = ", ".join(f"{obstacle} {count}" for obstacle, count in standing.obstacles.items())
        yield f"could not ({standing.left_out_total}: {counts}):"
        for agent in standing.left_out[:_LINES_SHOWN]:
            yield f"  {agent.agent_id}: {'; '.join(_cause(blocker) for blocker in agent.blockers)}"


def _candidate(agent: Candidate) -> str:
    lacks = "".join(f"; named all the same: {_cause(blocker)}" for blocker in agent.blockers)
    return f"{agent.agent_id} ({agent.in_hand} in hand, idle since {rfc3339(agent.idle_since_ms)}{lacks})"


def _cause(blocker: Blocker) -> str:
    return _CAUSES[blocker.obstacle].format(
        subject=blocker.subject, asked=blocker.asked, has=blocker.has, until=_until(blocker)
    )


def _remedy(blocker: Blocker) -> str:
    remedies = _REMEDIES if blocker.can_pass else _REMEDIES_CONFIGURED
    return remedies[blocker.obstacle].format(
        subject=blocker.subject, asked=blocker.asked, has=blocker.has, until=_until(blocker)
    )


def _until(blocker: Blocker) -> str:
    return "a time that is not known yet" if blocker.until_ms is None else rfc3339(blocker.until_ms)


def _asked(decision: OfferExplanation | WaitingExplanation) -> str:
    less = f" (less than at first: step {decision.relaxed} of relaxation)" if decision.relaxed else ""
    return _needs(decision.skills, decision.any_of) + less


def _needs(skills: Mapping[str, int], any_of: Sequence[Mapping[str, int]]) -> str:
    """All that is asked for; each of several alternatives is complete."""
    return " or ".join(
        ", ".join(f"{skill} {level}" for skill, level in needed.items()) or "no skill" for needed in any_of or (skills,)
    )


def _seconds(duration_ms: int) -> str:
    return f"{duration_ms / 1000:.1f} s"
