"""`followup.events`: what became of acknowledgements and of the mails that ask afterwards."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class MailKind(StrEnum):
    """The kinds of mail that the follow-up service sends."""

    ACKNOWLEDGEMENT = "acknowledgement"
    FOLLOW_UP = "follow-up"


class FollowUp(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every event has. `effect_id` is the mail's identity: it is sent once."""

    effect_id: str
    contact_id: str
    kind: str
    at_ms: int


class FollowUpScheduled(FollowUp, frozen=True, kw_only=True, tag="centralino.followup.scheduled.v1"):
    """The mail will go out at `due_ms`."""

    due_ms: int


class FollowUpSent(FollowUp, frozen=True, kw_only=True, tag="centralino.followup.sent.v1"):
    """The mail server took the mail."""

    email_message_id: str


class FollowUpSuppressed(FollowUp, frozen=True, kw_only=True, tag="centralino.followup.suppressed.v1"):
    """No mail goes out, and why: `no-address`, `no-reply-address`, `automatic`, `bounced`, `not-wanted`, `too-many`, `disabled`."""

    reason: str


class FollowUpFailed(FollowUp, frozen=True, kw_only=True, tag="centralino.followup.failed.v1"):
    """The mail was given up after the last try."""

    reason: str


AnyFollowUp = FollowUpScheduled | FollowUpSent | FollowUpSuppressed | FollowUpFailed
