"""Puts the texts that customers are told on `outbound.messages`; whoever has the channel sends them.

A text stands in the tables from the transaction that planned it until it is on the log. After a crash in between it is put there twice,
with the same id, and goes out once.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from libs.common.clock import Clock
from libs.common.errors import OutageError
from libs.common.events.codec import encode_record
from libs.common.events.outbound import ReplyRequested
from libs.common.log.publisher import Publisher
from libs.common.log.streams import OUTBOUND_MESSAGES
from libs.common.store import store_errors
from libs.common.store_engine import StoreEngine
from services.followup.sender import SOURCE

_PAUSE_MS: Final = 500
_AT_ONCE: Final = 200
_PLANNED: Final = """
    SELECT message_id, payload, correlation_id FROM followup_texts
    WHERE NOT published ORDER BY planned_ms, message_id LIMIT ?"""
_PUBLISHED: Final = "UPDATE followup_texts SET published = TRUE WHERE message_id = ?"
_decoder: Final = msgspec.json.Decoder(ReplyRequested)


class Teller:
    """Publishes planned texts."""

    def __init__(self, *, engine: StoreEngine, publisher: Publisher, clock: Clock) -> None:
        self._engine = engine
        self._publisher = publisher
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Texts may have been planned."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled, waiting outages out."""
        while True:
            self._woken.clear()
            try:
                while await self.turn():
                    pass
            except OutageError:
                # The publisher and the store say so on readiness themselves.
                await self._clock.sleep_ms(_PAUSE_MS)
                continue
            await self._woken.wait()

    async def turn(self) -> bool:
        """Publish what is planned; True when there was something."""
        with store_errors():
            async with self._engine.read_plain() as session:
                rows = await session.fetch(_PLANNED, _AT_ONCE)
        appends = []
        for message_id, payload, correlation_id in rows:
            event = _decoder.decode(payload)
            record = encode_record(
                event,
                key=event.thread_id,
                event_id=message_id,
                source=SOURCE,
                time_ms=event.requested_ms,
                correlation_id=correlation_id,
                subject=event.contact_id,
            )
            appends.append(self._publisher.append(OUTBOUND_MESSAGES, event.thread_id, [record]))
        if rows:
            # At once, in this order: the log makes one group of what comes together.
            await asyncio.gather(*appends)
            with store_errors():
                async with self._engine.write_plain() as session:
                    await session.execute_many(_PUBLISHED, [(row[0],) for row in rows])
        return bool(rows)
