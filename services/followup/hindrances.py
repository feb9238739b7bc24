"""Where nothing automatic goes any more: addresses whose mail came back, and customers who stopped the texts on a channel.

Each runs in its caller's transaction. Called by `intake` and by the sender of mail.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.events.outbound import TextsResumed, TextsStopped
from libs.common.store import upsert
from services.followup.store.tables import bounces, stops


async def note_stop(connection: AsyncConnection, event: TextsStopped | TextsResumed) -> None:
    """From now on no automatic texts go to this handle on this channel, or they do again. What was said later counts."""
    known = sa.select(stops.c.at_ms).where(stops.c.channel == event.channel, stops.c.handle == event.handle)
    at_ms = (await connection.execute(known)).scalar_one_or_none()
    if at_ms is not None and at_ms > event.at_ms:
        return
    row = {
        "channel": event.channel,
        "handle": event.handle,
        "stopped": isinstance(event, TextsStopped),
        "at_ms": event.at_ms,
    }
    await connection.execute(upsert(connection, stops, row, key=("channel", "handle"), change=("stopped", "at_ms")))


async def note_bounce(connection: AsyncConnection, address: str, reason: str, at_ms: int) -> None:
    """From now on nothing is sent to this address."""
    row = {"address": address, "reason": reason, "at_ms": at_ms}
    await connection.execute(upsert(connection, bounces, row, key=("address",)))
