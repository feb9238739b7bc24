"""Refusals: the fixed words, and the fact that carries one. Used by the `decide` modules; readers make problem documents of the words."""

from __future__ import annotations

from enum import StrEnum
from typing import cast

from libs.common.events.inputs import Command, Input
from libs.common.events.routing import InputRefused


class RefusalReason(StrEnum):
    """Why an input was not carried out."""

    OFFER_EXPIRED = "offer-expired"
    OFFER_TAKEN_BACK = "offer-taken-back"
    OFFER_ALREADY_ACCEPTED = "offer-already-accepted"
    OFFER_UNKNOWN = "offer-unknown"
    NOT_YOUR_OFFER = "not-your-offer"
    CONTACT_UNKNOWN = "contact-unknown"
    CONTACT_NOT_YOURS = "contact-not-yours"
    CONTACT_NOT_ACTIVE = "contact-not-active"
    CONTACT_NOT_HELD = "contact-not-held"
    CONTACT_NOT_WAITING = "contact-not-waiting"
    CONTACT_ABANDONED = "contact-abandoned"
    CONTACT_OFFERED = "contact-offered"
    ALREADY_RESOLVED = "already-resolved"
    ALREADY_HELD = "already-held"
    ALREADY_ASSIGNED = "already-assigned"
    ALREADY_CONSULTED = "already-consulted"
    NOT_CONSULTED = "not-consulted"
    TRANSFER_LIMIT = "transfer-limit"
    PULL_NOT_ALLOWED = "pull-not-allowed"
    AGENT_AWAY = "agent-away"
    NO_ROOM = "no-room"
    SKILLS_MISSING = "skills-missing"
    WRAP_UP_WITHOUT_END = "wrap-up-without-end"
    AGENT_UNKNOWN = "agent-unknown"
    QUEUE_UNKNOWN = "queue-unknown"
    QUEUE_DRAINED = "queue-drained"
    QUEUE_NOT_DRAINED = "queue-not-drained"
    HANDLE_MISSING = "handle-missing"
    CALLBACK_OPEN = "callback-open"
    NO_CALLBACK = "no-callback"
    DRAIN_TARGET = "drain-target"
    DRAIN_TO_ITSELF = "drain-to-itself"
    DRAIN_TO_DRAINED = "drain-to-drained"
    DRAIN_WITHOUT_TARGET = "drain-without-target"
    PRESENCE_UNKNOWN = "presence-unknown"
    POOL_UNKNOWN = "pool-unknown"
    LIMIT_REACHED = "limit-reached"


def refuse(event: Input, reason: RefusalReason, detail: str, subject: str | None, now_ms: int) -> InputRefused:
    """The fact that says no. `detail` is a sentence for whoever sent it and holds no customer's text; `subject` is the id it is about."""
    return InputRefused(
        pool=event.pool,
        at_ms=now_ms,
        command_id=event.command_id if isinstance(event, Command) else None,
        input_type=cast("str", type(event).__struct_config__.tag),
        reason=reason.value,
        detail=detail,
        subject=subject,
    )
