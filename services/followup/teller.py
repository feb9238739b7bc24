"""Puts the texts that customers are told on `outbound.messages`; whoever has the channel sends them, once for each id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from libs.common.events.codec import encode_record
from libs.common.events.outbound import ReplyRequested
from libs.common.log.port import NewRecord
from libs.common.log.streams import OUTBOUND_MESSAGES
from services.followup.planned import PlannedEvents
from services.followup.sender import SOURCE

_decoder: Final = msgspec.json.Decoder(ReplyRequested)


class Teller(PlannedEvents):
    """Publishes planned texts."""

    stream = OUTBOUND_MESSAGES
    planned = """
        SELECT message_id, payload, correlation_id FROM followup_texts
        WHERE NOT published ORDER BY planned_ms, message_id LIMIT ?"""
    published = "UPDATE followup_texts SET published = TRUE WHERE message_id = ?"

    def record_of(self, row: Sequence[Any]) -> NewRecord:
        """See `PlannedEvents`."""
        message_id, payload, correlation_id = row
        event = _decoder.decode(payload)
        return encode_record(
            event,
            key=event.thread_id,
            event_id=message_id,
            source=SOURCE,
            time_ms=event.requested_ms,
            correlation_id=correlation_id,
            subject=event.contact_id,
        )
