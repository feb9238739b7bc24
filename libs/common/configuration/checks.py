"""What one part of a configuration says about another: references, rules, skills, and whether anything is named that is missing.

Works on the plain data of the file and bears with anything in it, so that one wrong value elsewhere does not hide what is
found here. Reads nothing but the data and the environment that it is handed. Called by `load`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from email.utils import parseaddr
from typing import Any, Final

from libs.common.configuration.durations import parse_duration_ms
from libs.common.configuration.models import ALWAYS
from libs.common.configuration.overflow_checks import Overflowing, check_overflows
from libs.common.configuration.places import Path
from libs.common.configuration.problems import Found, suggest
from libs.common.configuration.providers import PROVIDER_REQUIRED, PROVIDERS, provider_of
from libs.common.events.message import Channel

_MAILBOX: Final = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{5,14}")
_MAIL_CHANNELS: Final = frozenset({Channel.EMAIL.value, Channel.WEBFORM.value, Channel.API.value})
_NUMBER_CHANNELS: Final = frozenset({Channel.SMS.value, Channel.WHATSAPP.value})


def check_document(data: Any, environ: Mapping[str, str] | None = None) -> Iterator[Found]:
    """Everything found in a file's data, in no order. With `environ`, variables that are named and not set are warnings."""
    parts = _Parts(data)
    yield from _check_references(parts)
    yield from _check_hours(parts)
    yield from _check_relaxations(parts)
    yield from _check_overflows(parts)
    yield from _check_rules(parts)
    yield from _check_skills(parts)
    for name, account in parts.accounts.items():
        yield from _check_account(("accounts", name), account)
        if environ is not None:
            yield from _check_environment(("accounts", name), account, environ)
    yield from _check_staff(parts)
    yield from _check_channels(parts)
    yield from _check_followup(_mapping(data).get("followup"))


class _Parts:
    """The sections of the data, each as a mapping of mappings whatever really stands there."""

    def __init__(self, data: Any) -> None:
        sections = _mapping(data)
        self.pool_parts = _mappings(sections.get("pools"))
        self.pools = tuple(self.pool_parts)
        self.calendars = tuple(_mapping(sections.get("calendars")))
        self.queues = _mappings(sections.get("queues"))
        self.accounts = _mappings(sections.get("accounts"))
        self.agents = _mappings(sections.get("agents"))
        rules = sections.get("rules")
        self.rules = tuple(_mapping(rule) for rule in (rules if isinstance(rules, list) else ()))

    def pool_of_queue(self, queue: Any) -> str | None:
        """The pool of a queue that exists, where that pool exists too."""
        pool = self.queues.get(queue, {}).get("pool") if isinstance(queue, str) else None
        return pool if pool in self.pools else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> dict[str, Mapping[str, Any]]:
    return {name: _mapping(part) for name, part in _mapping(value).items()}


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(text for text in values if isinstance(text, str))


def _check_references(parts: _Parts) -> Iterator[Found]:
    sections = (("queues", parts.queues), ("accounts", parts.accounts), ("agents", parts.agents))
    for section, members in sections:
        for name, member in members.items():
            yield from _reference((section, name, "pool"), "pool", member.get("pool"), parts.pools)
    for index, rule in enumerate(parts.rules):
        yield from _reference(("rules", index, "queue"), "queue", rule.get("queue"), tuple(parts.queues))
        given = _mapping(rule.get("when")).get("account")
        for place, account in enumerate(_texts(given)):
            path: Path = ("rules", index, "when", "account")
            yield from _reference(
                (*path, place) if isinstance(given, list) else path, "account", account, tuple(parts.accounts)
            )


def _check_hours(parts: _Parts) -> Iterator[Found]:
    if ALWAYS in parts.calendars:
        message = f"cannot be the name of a calendar: `hours: {ALWAYS}` is a queue that never closes"
        yield Found(path=("calendars", ALWAYS), message=message, on_key=True)
    known = tuple(name for name in parts.calendars if name != ALWAYS)
    for name, pool in parts.pool_parts.items():
        yield from _reference(("pools", name, "hours"), "calendar", pool.get("hours"), known)
        if isinstance(pool.get("hours"), str):
            for field in ("holidays", "special"):
                if field in pool:
                    message = f"the hours are those of a calendar, whose {field} count: write them there"
                    yield Found(path=("pools", name, field), message=message, on_key=True)
    for name, queue in parts.queues.items():
        if queue.get("hours") != ALWAYS:
            yield from _reference(("queues", name, "hours"), "calendar", queue.get("hours"), known)
        closes = queue.get("hours", parts.pool_parts.get(str(queue.get("pool")), {}).get("hours"))
        for field in ("offer_when_closed", "target_in_open_time"):
            if queue.get(field) is True and closes in (None, ALWAYS):
                message = "changes nothing: neither the queue nor its pool has hours"
                yield Found(path=("queues", name, field), message=message, warning=True, on_key=True)
    for name, agent in parts.agents.items():
        yield from _reference(("agents", name, "shift"), "calendar", agent.get("shift"), known)


def _check_relaxations(parts: _Parts) -> Iterator[Found]:
    for name, queue in parts.queues.items():
        steps = queue.get("relax")
        others = tuple(
            other for other in parts.queues if other != name and parts.pool_of_queue(other) == parts.pool_of_queue(name)
        )
        before_ms = 0
        for index, step in enumerate(steps if isinstance(steps, list) else ()):
            path: Path = ("queues", name, "relax", index)
            told = _mapping(step)
            yield from _reference((*path, "widen"), "queue of the same pool", told.get("widen"), others)
            if told and not any(told.get(field) for field in ("drop", "lower", "widen")):
                yield Found(path=path, message="must drop, lower or widen something")
            after_ms = _duration_ms(told.get("after"))
            if after_ms is not None and after_ms <= before_ms:
                yield Found(path=(*path, "after"), message="must be later than the step before it")
            before_ms = before_ms if after_ms is None else max(before_ms, after_ms)


def _check_overflows(parts: _Parts) -> Iterator[Found]:
    defaults: dict[str, str] = {}
    for rule in parts.rules:
        pool = parts.pool_of_queue(rule.get("queue"))
        if pool is not None and rule.get("when") is None:
            defaults.setdefault(pool, str(rule["queue"]))
    yield from check_overflows(
        Overflowing(
            queues=parts.queues,
            pools=parts.pools,
            pool_of_queue={queue: parts.pool_of_queue(queue) for queue in parts.queues},
            first_queues=defaults,
            hours={name: pool.get("hours") for name, pool in parts.pool_parts.items()},
        )
    )


def _duration_ms(value: Any) -> int | None:
    try:
        return parse_duration_ms(value) if isinstance(value, str) else None
    except ValueError:
        return None  # The models tell that it is no duration.


def _reference(path: Path, kind: str, name: Any, known: tuple[str, ...]) -> Iterator[Found]:
    if isinstance(name, str) and name not in known:
        yield Found(path=path, message=f"unknown {kind} {_short(name)}{suggest(name, known)}")


def _check_rules(parts: _Parts) -> Iterator[Found]:
    defaults: dict[str, int] = {}
    unclear = False  # A default whose queue is not known may be the one that a pool seems to miss.
    for index, rule in enumerate(parts.rules):
        pool = parts.pool_of_queue(rule.get("queue"))
        if pool is None:
            unclear = unclear or rule.get("when") is None
            continue
        if pool in defaults:
            message = f"never reached: rules[{defaults[pool]}] takes everything of pool {pool}"
            yield Found(path=("rules", index), message=message, warning=True)
        if rule.get("when") is None:
            defaults.setdefault(pool, index)
        else:
            yield from _check_when(parts, ("rules", index, "when"), rule["when"], str(rule["queue"]), pool)
    for pool in dict.fromkeys(account.get("pool") for account in parts.accounts.values()):
        if pool in parts.pools and pool not in defaults and not unclear:
            message = f"pool {pool} has accounts and no default rule: the last of its rules must be one without `when`"
            yield Found(path=("rules",), message=message, on_key=True)


def _check_when(parts: _Parts, path: Path, when: Any, queue: str, pool: str) -> Iterator[Found]:
    if when == {}:
        yield Found(path=path, message="must name a condition; a rule without `when` is the default")
    accounts = _texts(_mapping(when).get("account"))
    for account in accounts:
        other = parts.accounts.get(account, {}).get("pool")
        if other in parts.pools and other != pool:
            message = f"account {account} is of pool {other}, and queue {queue} of pool {pool}"
            yield Found(path=(*path, "account"), message=message)
    there = {account.get("channel") for account in parts.accounts.values() if account.get("pool") == pool}
    channels = _texts(_mapping(when).get("channel"))
    if channels and not there.intersection(channels):
        message = f"never matches: pool {pool} has no account of channel {' or '.join(map(_short, channels))}"
        yield Found(path=(*path, "channel"), message=message, warning=True)


def _check_skills(parts: _Parts) -> Iterator[Found]:
    levels: dict[str, dict[str, int]] = {}
    for agent in parts.agents.values():
        for skill, level in _mapping(agent.get("skills")).items():
            best = levels.setdefault(skill, {})
            pool = str(agent.get("pool"))
            best[pool] = max(best.get(pool, 0), level if isinstance(level, int) else 0)
    asking: list[tuple[Path, Mapping[str, Any], str | None]] = [
        *((("queues", name), queue, parts.pool_of_queue(name)) for name, queue in parts.queues.items()),
        *((("rules", index), rule, parts.pool_of_queue(rule.get("queue"))) for index, rule in enumerate(parts.rules)),
    ]
    for path, part, asked_pool in asking:
        for skill, level in _mapping(part.get("skills")).items():
            yield from _check_skill((*path, "skills", skill), skill, level, asked_pool, levels)
        any_of = part.get("any_of")
        for place, alternative in enumerate(any_of if isinstance(any_of, list) else ()):
            for skill, level in _mapping(alternative).items():
                yield from _check_skill((*path, "any_of", place, skill), skill, level, asked_pool, levels)


def _check_skill(
    path: Path, skill: str, level: Any, pool: str | None, levels: Mapping[str, Mapping[str, int]]
) -> Iterator[Found]:
    if skill not in levels:
        # Without any agent in the file the agents come later, through the admin API, and with them the skills.
        message = f"unknown skill: no agent has it{suggest(skill, levels)}"
        yield Found(path=path, message=message, on_key=True, warning=not levels)
    elif pool is not None and isinstance(level, int):
        best = levels[skill].get(pool)
        if best is None:
            message = f"no agent of pool {pool} has this skill: contacts that ask for it will wait"
            yield Found(path=path, message=message, on_key=True, warning=True)
        elif best < level:
            message = (
                f"no agent of pool {pool} has this skill at level {level} (the best has {best}): contacts will wait"
            )
            yield Found(path=path, message=message, warning=True)


def _check_account(path: Path, account: Mapping[str, Any]) -> Iterator[Found]:
    channel, name = account.get("channel"), account.get("provider")
    if channel not in frozenset(Channel) or not (name is None or isinstance(name, str)):
        return
    known = tuple(provider.name for provider in PROVIDERS.get(channel, ()) if provider.name is not None)
    provider = provider_of(channel, name)
    if channel not in PROVIDERS:
        message = f"no provider connects {channel}; accounts can be of {', '.join(PROVIDERS)}"
        yield Found(path=(*path, "channel"), message=message)
    elif provider is None and name is None and channel in PROVIDER_REQUIRED:
        yield Found(path=(*path, "provider"), message=f"is required: {' or '.join(known)}", on_key=True)
    elif provider is None:
        offered = f"{channel} is connected by {' or '.join(known)}" if known else f"{channel} takes no provider"
        yield Found(path=(*path, "provider"), message=f"{offered}{suggest(str(name), known)}")
    else:
        label = provider.name or channel
        for field in provider.required:
            if account.get(field) is None:
                yield Found(path=(*path, field), message=f"is required with {label}", on_key=True)
        for field, cost in provider.advised.items():
            if account.get(field) is None:
                yield Found(path=(*path, field), message=f"is not named: {cost}", on_key=True, warning=True)
    yield from _check_address((*path, "address"), channel, account.get("address"))


def _check_address(path: Path, channel: str, address: Any) -> Iterator[Found]:
    if not isinstance(address, str):
        return
    if channel in _MAIL_CHANNELS and not _MAILBOX.fullmatch(address):
        yield Found(path=path, message="must be a mail address such as support@shop.example")
    if channel in _NUMBER_CHANNELS and not _NUMBER.fullmatch(address):
        yield Found(path=path, message='must be a number with its country, in quotes, such as "+390212345678"')


def _check_environment(path: Path, account: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Found]:
    for field in ("secret_env", "token_env", "account_sid_env"):
        variable = account.get(field)
        if isinstance(variable, str) and not environ.get(variable):
            message = f"the environment variable {_short(variable)} is not set"
            yield Found(path=(*path, field), message=message, warning=True)


def _check_staff(parts: _Parts) -> Iterator[Found]:
    if not parts.pools:
        yield Found(path=("pools",), message="must have a pool", on_key=True)
    staffed = {agent.get("pool") for agent in parts.agents.values()}
    for pool in dict.fromkeys(account.get("pool") for account in parts.accounts.values()):
        if pool in parts.pools and pool not in staffed:
            message = "has accounts and no agent: contacts will wait"
            yield Found(path=("pools", pool), message=message, warning=True, on_key=True)


def _check_channels(parts: _Parts) -> Iterator[Found]:
    for name, pool in parts.pool_parts.items():
        channels = _mappings(pool.get("channels"))
        for channel, part in channels.items():
            for field in ("excludes", "interrupts"):
                if channel in _texts(part.get(field)):
                    yield Found(
                        path=("pools", name, "channels", channel, field), message="must not name the channel itself"
                    )
        if any(part.get("units") for part in channels.values()):
            continue
        for agent, part in parts.agents.items():
            if part.get("pool") == name and part.get("units") is not None:
                message = f"does nothing: no channel of pool {name} uses units"
                yield Found(path=("agents", agent, "units"), message=message, on_key=True, warning=True)


def _check_followup(followup: Any) -> Iterator[Found]:
    if not isinstance(followup, dict):
        return
    if followup.get("from") is None:
        yield Found(path=("followup", "from"), message="is required: the sender of the mails", on_key=True)
    for field in ("from", "reply_to"):
        written = followup.get(field)
        if isinstance(written, str) and not _MAILBOX.fullmatch(parseaddr(written)[1]):
            yield Found(path=("followup", field), message="must be a mail address such as Shop <care@shop.example>")


def _short(word: str) -> str:
    # A message stays one line whatever stands in the file.
    return word if len(word) <= 60 and word.isprintable() else f"{word[:60]!a}..."
