"""The rules in numbers: when a contact is due, what it asks for, how long a declined agent is left alone.

Integers only: a rank must come out the same on every machine. Called by the `decide` modules and by settling; the results
stand in the facts, so that folding old facts never depends on today's rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice, product
from typing import Final

from msgspec.structs import replace

from libs.common.events.message import Message
from libs.common.events.pool import ChannelConfiguration, QueueConfiguration, RoutingRules
from services.router.core import limits
from services.router.core.calendars import add_open_time
from services.router.core.entities import CalendarState, Contact, Skills

_MESSAGING_TARGET_MS: Final = 30 * limits.SECOND_MS
_CHANNEL_TARGETS_MS: Final[dict[str, int]] = {
    "webchat": _MESSAGING_TARGET_MS,
    "whatsapp": _MESSAGING_TARGET_MS,
    "messenger": _MESSAGING_TARGET_MS,
    "instagram": _MESSAGING_TARGET_MS,
    "telegram": _MESSAGING_TARGET_MS,
    "voice": 3 * limits.MINUTE_MS,
    "sms": 15 * limits.MINUTE_MS,
}
_NUMBER_PREFIX: Final = "tel:+"
_DIGITS_MIN: Final = 5
_DIGITS_MAX: Final = 15  # E.164.
_OTHER_TARGET_MS: Final = limits.HOUR_MS


def bound(value: int, low: int, high: int) -> int:
    """`value`, moved to the nearest bound where it lies outside."""
    return low if value < low else min(value, high)


def bounded_priority(asked: int | None, queue: QueueConfiguration) -> int:
    """The contact's priority: what the input asks for, else the queue's."""
    return bound(queue.priority if asked is None else asked, limits.PRIORITY_MIN, limits.PRIORITY_MAX)


def target_ms(queue: QueueConfiguration, channel: str, priority: int, channel_targets_ms: Mapping[str, int]) -> int:
    """How soon a contact should be answered.

    The queue's target, else the channel's; halved for every step of priority above 0 and doubled for every step below.
    """
    target = queue.target_ms
    if target is None:
        target = channel_targets_ms.get(channel, _CHANNEL_TARGETS_MS.get(channel, _OTHER_TARGET_MS))
    target = bound(target, 0, limits.TARGET_MAX_MS)
    if priority >= 0:
        return target >> priority
    return min(target << -priority, limits.TARGET_MAX_MS)


def offer_timeout_ms(queue: QueueConfiguration, channel: ChannelConfiguration | None) -> int:
    """How long an agent has to answer an offer: as the queue says, else its channel, else 20 s."""
    stated = queue.offer_timeout_ms
    if stated is None and channel is not None:
        stated = channel.offer_timeout_ms
    if stated is None:
        stated = limits.OFFER_TIMEOUT_MS
    return bound(stated, limits.OFFER_TIMEOUT_MIN_MS, limits.OFFER_TIMEOUT_MAX_MS)


def counting(queue: QueueConfiguration, calendars: Mapping[str, CalendarState]) -> CalendarState | None:
    """The calendar whose open time the queue's targets are counted in; None where they are counted in all time."""
    if not queue.target_in_open_time or queue.hours is None:
        return None
    return calendars.get(queue.hours)


def due_ms(calendar: CalendarState | None, received_ms: int, target_ms: int) -> int:
    """When a contact should be answered; `calendar`: the one whose open time counts, None: all time does."""
    return received_ms + target_ms if calendar is None else add_open_time(calendar, received_ms, target_ms)


def received_ms(message: Message, now_ms: int) -> int:
    """When the customer is held to have written: the provider's time, but never in the future nor more than a day ago."""
    stated = message.received_ms if message.occurred_ms is None else message.occurred_ms
    return bound(stated, now_ms - limits.OCCURRED_AGE_MAX_MS, now_ms)


def bounded_levels(skills: Mapping[str, int]) -> dict[str, int]:
    """Skills with every level between 1 and 5."""
    return {skill: bound(level, limits.LEVEL_MIN, limits.LEVEL_MAX) for skill, level in skills.items()}


def asked_skills(queue: QueueConfiguration, asked: Mapping[str, int]) -> dict[str, int]:
    """All that a contact asks for, by skill in alphabetical order: of the queue's level and the input's the higher one.

    Where there are too many, the queue's own stay and the input's last ones in the alphabet go.
    """
    return _with_skills(bounded_levels(queue.skills), asked)


def asked_needs(
    queue: QueueConfiguration, asked: Mapping[str, int], any_of: Sequence[Mapping[str, int]]
) -> tuple[dict[str, int], tuple[dict[str, int], ...]]:
    """What a contact asks for in any case, and the alternatives where there are several, each with all that is asked for in any case.

    Of the queue's and the input's `any_of` at least one each must be met: they are multiplied out. What fits only whom another alternative
    fits too is left out. Where there are more than `ALTERNATIVES_MAX` the first count.
    """
    skills = asked_skills(queue, asked)
    if not queue.any_of and not any_of:
        return skills, ()
    choices = [tuple(group) for group in (queue.any_of, any_of) if group]
    found: list[dict[str, int]] = []
    for chosen in islice(product(*choices), limits.ALTERNATIVES_MAX):
        wanted = skills
        for alternative in chosen:
            wanted = _with_skills(wanted, alternative)
        found.append(wanted)
    found = _without_covered(found)
    if len(found) == 1:
        return found[0], ()
    return skills, tuple(found)


def fewest_needs(asked: Sequence[Mapping[str, int]]) -> tuple[dict[str, int], tuple[dict[str, int], ...]]:
    """The same of alternatives that are complete: what all of them ask for, and they themselves where there are several."""
    found = _without_covered([dict(sorted(one.items())) for one in asked[: limits.ALTERNATIVES_MAX]])
    if len(found) == 1:
        return found[0], ()
    common = {skill: min(one[skill] for one in found) for skill in found[0] if all(skill in one for one in found)}
    return common, tuple(found)


def _without_covered(asked: Sequence[dict[str, int]]) -> list[dict[str, int]]:
    """Those that nobody fits but through another one are left out; the rest in the order of their skills."""
    found: list[dict[str, int]] = []
    for wanted in asked:
        if not any(_covers(wanted, other) for other in found):
            found = [*(other for other in found if not _covers(other, wanted)), wanted]
    return sorted(found, key=lambda one: tuple(one.items()))


def _with_skills(skills: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    together = dict(skills)
    for skill, level in sorted(bounded_levels(more).items()):
        if skill in together:
            together[skill] = max(together[skill], level)
        elif len(together) < limits.SKILLS_PER_CONTACT_MAX:
            together[skill] = level
    return dict(sorted(together.items()))


def _covers(skills: Mapping[str, int], fewer: Mapping[str, int]) -> bool:
    """Whether whoever has all of `skills` has all of `fewer`."""
    return all(skills.get(skill, 0) >= level for skill, level in fewer.items())


def own_skills(skills: Skills, queue: QueueConfiguration | None) -> dict[str, int]:
    """What a contact asks for beyond what its queue asks of every contact: this goes with it into another queue."""
    of_queue = {} if queue is None else bounded_levels(queue.skills)
    return {skill: level for skill, level in skills if level > of_queue.get(skill, 0)}


def moved_needs(
    contact: Contact,
    before: QueueConfiguration | None,
    after: QueueConfiguration | None,
    asked: Mapping[str, int] | None,
) -> tuple[dict[str, int], tuple[dict[str, int], ...]]:
    """What a contact asks for in another queue (None: one that the pool no longer has), or with other skills: in any case, and the
    alternatives.

    Where nothing else is asked for, it takes along what it asked for beyond its old queue, and what was asked for from the beginning. In
    the same queue all stays.
    """
    if asked is None and (after is None or before is after):
        return dict(contact.skills), tuple(dict(skills) for skills in contact.alternatives)
    if asked is None:
        own = own_skills(contact.skills, before)
        for skill, level in contact.asked:
            own[skill] = max(level, own.get(skill, 0))
    else:
        own = dict(asked)
    if after is None:
        return dict(sorted(bounded_levels(own).items())[: limits.SKILLS_PER_CONTACT_MAX]), ()
    any_of = contact.asked_any_of if asked is None else ()
    return asked_needs(after, own, [dict(one) for one in any_of])


def wrap_up_ms(queue: QueueConfiguration | None, channel: ChannelConfiguration | None) -> int | None:
    """How long an agent may finish up: the queue's time, else the channel's, else 0; None: until he is done."""
    found = None if queue is None else queue.wrap_up_ms
    if found is None and channel is not None:
        found = channel.wrap_up_ms
    if found is not None and found < 0:
        return None
    return min(found or 0, limits.WRAP_UP_MAX_MS)


def hold_frees_room(channel: ChannelConfiguration | None, name: str) -> bool:
    """Whether a held contact of the channel leaves room for another. Where nothing is said: not while somebody is on the line."""
    return name != "voice" if channel is None else channel.hold_frees_room


def bounded_rules(rules: RoutingRules) -> RoutingRules:
    """The rules with every number between its bounds."""
    bounded = replace(
        rules,
        not_responding_after=max(0, rules.not_responding_after),
        flag_after_declines=bound(rules.flag_after_declines, 0, limits.DECLINES_PER_CONTACT_MAX),
        offers_open_max=max(0, rules.offers_open_max),
        transfers_max=bound(rules.transfers_max, 0, limits.TRANSFERS_MAX),
        transfer_back_ms=bound(rules.transfer_back_ms, 0, limits.TRANSFER_BACK_MAX_MS),
        abandoned_kept_ms=bound(rules.abandoned_kept_ms, 0, limits.ABANDONED_KEPT_MAX_MS),
    )
    return rules if bounded == rules else bounded  # What is as by default is then not written out.


def backoff_ms(declines: int) -> int:
    """How long an agent is not offered a contact again that he has declined or let run out `declines` times."""
    return limits.BACKOFF_MS * min(declines, limits.BACKOFF_STEPS_MAX)


def can_be_called(handle: str) -> bool:
    """Whether this is the handle of a number as by E.164."""
    digits = handle.removeprefix(_NUMBER_PREFIX)
    return (
        handle.startswith(_NUMBER_PREFIX)
        and digits.isascii()
        and digits.isdecimal()
        and digits[0] != "0"
        and _DIGITS_MIN <= len(digits) <= _DIGITS_MAX
    )


def number_of(contact: Contact, handle: str | None = None) -> str | None:
    """Where the contact's customer can be called: as asked for, as asked for before, or where the contact came from."""
    before = "" if contact.callback is None else contact.callback.handle
    return next((number for number in (handle or "", before, contact.handle) if can_be_called(number)), None)
