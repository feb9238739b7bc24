"""Whether a contact gets a mail, to which address, in which language and when. Pure: no clock, no I/O. `intake` calls it.

A machine is never answered (RFC 3834), nobody who cannot read it is written to, and no address gets more than a few
acknowledgements a day, so that two desks can never write to each other without end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from libs.common.configuration.models import Followup
from libs.common.events.message import Channel
from libs.common.events.routing import ContactQueued

TEMPLATE_LANGUAGES: Final = ("it", "en")
ACKNOWLEDGED_CHANNELS: Final = frozenset({Channel.EMAIL.value, Channel.WEBFORM.value})
ACKNOWLEDGEMENTS_A_DAY_MAX: Final = 10
DAY_MS: Final = 86_400_000

# Local parts that nobody reads; RFC 2142's roles that are answered by people (info, support) are not among them.
_NO_REPLY: Final = re.compile(
    r"^(no[-_.]?reply|do[-_.]?not[-_.]?reply|non[-_.]?rispondere|bounces?|mailer-daemon|postmaster|noreply.*|.*[-_.]no-?reply)"
    r"([+._-].*)?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """No mail, and why: one of the words of `FollowUpSuppressed`."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A mail to `address`, due at `due_ms`, in `language`."""

    address: str
    language: str
    due_ms: int


Plan = Planned | Suppressed


def plan_acknowledgement(
    contact: ContactQueued, settings: Followup, *, bounced: bool, acknowledged_today: int
) -> Plan | None:
    """What to do when a contact is queued; None where receipt is not acknowledged on this channel, or not at all.

    `bounced`: mail to the address came back for good. `acknowledged_today`: how many it got within a day.
    """
    if not settings.acknowledge or contact.channel not in ACKNOWLEDGED_CHANNELS:
        return None
    address = mail_address(contact.handle, contact.handles)
    if address is None:
        # A form with a phone number only: there is nothing to acknowledge by mail, and nothing to report.
        return None
    reason = _hindrance(address, settings, automatic=contact.automatic, bounced=bounced)
    if reason is None and acknowledged_today >= ACKNOWLEDGEMENTS_A_DAY_MAX:
        reason = "too-many"
    if reason is not None:
        return Suppressed(reason=reason)
    return Planned(address=address, language=choose_language(contact.language, settings), due_ms=contact.at_ms)


def plan_follow_up(
    *,
    address: str | None,
    language: str | None,
    automatic: bool,
    wanted: bool,
    bounced: bool,
    resolved_ms: int,
    settings: Followup,
) -> Plan:
    """What to do when a contact is resolved. `wanted`: the agent left the follow-up switched on."""
    if not wanted:
        return Suppressed(reason="not-wanted")
    if address is None:
        return Suppressed(reason="no-address")
    reason = _hindrance(address, settings, automatic=automatic, bounced=bounced)
    if reason is not None:
        return Suppressed(reason=reason)
    return Planned(
        address=address, language=choose_language(language, settings), due_ms=resolved_ms + settings.delay_ms
    )


def mail_address(handle: str, handles: Sequence[str] = ()) -> str | None:
    """The first mail address among a customer's handles."""
    for candidate in (handle, *handles):
        scheme, _, address = candidate.partition(":")
        if scheme == "mailto" and "@" in address:
            return address
    return None


def is_no_reply(address: str) -> bool:
    """Whether nobody reads what is sent to this address."""
    return _NO_REPLY.match(address.partition("@")[0].lower()) is not None


def choose_language(language: str | None, settings: Followup) -> str:
    """The customer's language where mails are written in it, else the firm's first."""
    written = [name.partition("-")[0] for name in settings.languages]
    offered = [name for name in written if name in TEMPLATE_LANGUAGES] or [TEMPLATE_LANGUAGES[0]]
    base = (language or "").partition("-")[0]
    return base if base in offered else offered[0]


def _hindrance(address: str, settings: Followup, *, automatic: bool, bounced: bool) -> str | None:
    if settings.sender is None:
        return "disabled"
    if automatic:
        return "automatic"
    if is_no_reply(address):
        return "no-reply-address"
    return "bounced" if bounced else None
