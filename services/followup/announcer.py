"""Says on `followup.events` that a mail will go out, and when: the contact's history shows it from then on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libs.common.events.codec import encode_record
from libs.common.events.followup import FollowUpScheduled
from libs.common.log.port import NewRecord
from libs.common.log.streams import FOLLOWUP_EVENTS
from services.followup.planned import PlannedEvents
from services.followup.sender import SOURCE


class Announcer(PlannedEvents):
    """Announces planned mails."""

    stream = FOLLOWUP_EVENTS
    planned = """
        SELECT mail.effect_id, mail.contact_id, mail.kind, mail.planned_ms, mail.due_ms, item.correlation_id
        FROM followup_mails AS mail LEFT JOIN followup_outbox AS item ON item.effect_id = mail.effect_id
        WHERE NOT mail.announced ORDER BY mail.planned_ms, mail.effect_id LIMIT ?"""
    published = "UPDATE followup_mails SET announced = TRUE WHERE effect_id = ?"

    def record_of(self, row: Sequence[Any]) -> NewRecord:
        """See `PlannedEvents`."""
        effect_id, contact_id, kind, planned_ms, due_ms, correlation_id = row
        event = FollowUpScheduled(
            effect_id=effect_id, contact_id=contact_id, kind=kind, at_ms=planned_ms, due_ms=due_ms
        )
        return encode_record(
            event,
            key=contact_id,
            event_id=f"{effect_id}-scheduled",
            source=SOURCE,
            time_ms=planned_ms,
            correlation_id=correlation_id or "",
            subject=contact_id,
        )
