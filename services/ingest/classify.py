"""Which queue a message goes to, by the configuration's rules: the first that matches.

Pure. Called by `receive` for every message, before the append, so that the log holds the decision and its rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from libs.common.configuration.expressions import ExpressionFailedError, compile_condition, values_of
from libs.common.configuration.models import Rule, When
from libs.common.errors import RefusedError
from libs.common.events.message import Message

RuleInPlace = tuple[int, Rule]


class NoRuleError(RefusedError):
    """No rule of the pool matches and there is no default: the configuration's check would have said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """Where the message goes. `rule` is the rule's place in the configuration's list, from 0; `priority` None is the queue's.

    `failed`: the places of earlier rules whose expression had no value for this message, and which were passed over.
    """

    queue: str
    rule: int
    skills: dict[str, int] = field(default_factory=dict)
    priority: int | None = None
    failed: tuple[int, ...] = ()
    any_of: tuple[dict[str, int], ...] = ()


class _Asked:
    """What expressions are asked about, put together when the first one comes up."""

    def __init__(self, message: Message, to: tuple[str, ...], skills: Mapping[str, int], priority: int) -> None:
        self._message = message
        self._to = to
        self._skills = skills
        self._priority = priority

    @cached_property
    def values(self) -> dict[str, Any]:
        """The values of an expression's variables."""
        return values_of(self._message, self._to, self._skills, self._priority)


def classify(
    message: Message,
    rules: Sequence[RuleInPlace],
    *,
    to: Sequence[str] = (),
    skills: Mapping[str, int] | None = None,
    priority: int | None = None,
    any_of: Sequence[Mapping[str, int]] = (),
) -> Classification:
    """The first rule that matches, with what the integration asked for on top.

    `to` are the addresses that the message was sent to; `skills` are minimum levels and `priority` is what an integration gave:
    of two levels of one skill the higher counts, and an integration's priority goes before the rule's. Of the rule's `any_of` and of
    what the integration gave as `any_of`, one each must be met.
    Raises NoRuleError where nothing matches.
    """
    asked = _Asked(message, tuple(to), skills or {}, priority or 0)
    failed: list[int] = []
    for place, rule in rules:
        if rule.when is None or (
            _matches(rule.when, message, to) and _holds(rule.when.expression, asked, place, failed)
        ):
            wanted = _together(rule.skills, skills or {})
            return Classification(
                queue=rule.queue,
                rule=place,
                skills=wanted,
                priority=rule.priority if priority is None else priority,
                failed=tuple(failed),
                any_of=_multiply(rule.any_of, any_of),
            )
    raise NoRuleError


def _together(skills: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    together = dict(skills)
    for skill, level in more.items():
        together[skill] = max(level, together.get(skill, 0))
    return together


def _multiply(one: Sequence[Mapping[str, int]], other: Sequence[Mapping[str, int]]) -> tuple[dict[str, int], ...]:
    """Who has all of one set of each has all of one of these."""
    if one and other:
        return tuple(_together(skills, more) for skills in one for more in other)
    return tuple(dict(skills) for skills in one or other)


def _holds(expression: str | None, asked: _Asked, place: int, failed: list[int]) -> bool:
    if expression is None:
        return True
    try:
        return compile_condition(expression).holds(asked.values)
    except ExpressionFailedError:
        failed.append(place)
        return False


def _matches(when: When, message: Message, to: Sequence[str]) -> bool:
    return (
        (not when.channel or message.channel in when.channel)
        and (not when.account or message.account in when.account)
        and (not when.language or _language_is(message.language, when.language))
        and (not when.subject_contains or _contains(message.subject, when.subject_contains))
        and (not when.text_contains or _contains(message.text, when.text_contains))
        and (not when.handle or _is_like([message.handle, *message.handles], when.handle))
        and (not when.to or _is_like(to, when.to))
        and all(message.attributes.get(name) in values for name, values in when.attributes.items())
    )


def _contains(text: str | None, wanted: Sequence[str]) -> bool:
    if not text:
        return False
    folded = text.casefold()
    return any(part.casefold() in folded for part in wanted)


def _is_like(addresses: Sequence[str], patterns: Sequence[str]) -> bool:
    # A pattern may be written with the scheme of the handle or without it: `mailto:*@example.com`, `*@example.com`.
    spelt = {
        form for address in addresses for form in (address.casefold(), address.casefold().partition(":")[2]) if form
    }
    return any(fnmatchcase(form, pattern.casefold()) for pattern in patterns for form in spelt)


def _language_is(language: str | None, wanted: Sequence[str]) -> bool:
    # `it` stands for `it-CH` too; `it-CH` stands for itself alone.
    return language is not None and any(language == name or language.partition("-")[0] == name for name in wanted)
