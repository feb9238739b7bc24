"""Says on `followup.events` that a mail will go out, and when: the contact's history shows it from then on."""

from __future__ import annotations

import asyncio
from typing import Final

from libs.common.clock import Clock
from libs.common.errors import OutageError
from libs.common.events.codec import encode_record
from libs.common.events.followup import FollowUpScheduled
from libs.common.log.publisher import Publisher
from libs.common.log.streams import FOLLOWUP_EVENTS
from libs.common.store import store_errors
from libs.common.store_engine import StoreEngine
from services.followup.sender import SOURCE

_PAUSE_MS: Final = 500
_AT_ONCE: Final = 200
_PLANNED: Final = """
    SELECT mail.effect_id, mail.contact_id, mail.kind, mail.planned_ms, mail.due_ms, item.correlation_id
    FROM followup_mails AS mail LEFT JOIN followup_outbox AS item ON item.effect_id = mail.effect_id
    WHERE NOT mail.announced ORDER BY mail.planned_ms, mail.effect_id LIMIT ?"""
_ANNOUNCED: Final = "UPDATE followup_mails SET announced = TRUE WHERE effect_id = ?"


class Announcer:
    """Announces planned mails. Twice after a crash in between, with the same event id."""

    def __init__(self, *, engine: StoreEngine, publisher: Publisher, clock: Clock) -> None:
        self._engine = engine
        self._publisher = publisher
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Mails may have been planned."""
        self._woken.set()

    async def run(self) -> None:
        """Announce until cancelled, waiting outages out."""
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
        """Announce what is planned and not announced; True when there was something."""
        with store_errors():
            async with self._engine.read_plain() as session:
                rows = await session.fetch(_PLANNED, _AT_ONCE)
        appends = []
        for effect_id, contact_id, kind, planned_ms, due_ms, correlation_id in rows:
            event = FollowUpScheduled(
                effect_id=effect_id, contact_id=contact_id, kind=kind, at_ms=planned_ms, due_ms=due_ms
            )
            record = encode_record(
                event,
                key=contact_id,
                event_id=f"{effect_id}-scheduled",
                source=SOURCE,
                time_ms=planned_ms,
                correlation_id=correlation_id or "",
                subject=contact_id,
            )
            appends.append(self._publisher.append(FOLLOWUP_EVENTS, contact_id, [record]))
        if rows:
            # At once, in this order: the log makes one group of what comes together.
            await asyncio.gather(*appends)
            with store_errors():
                async with self._engine.write_plain() as session:
                    await session.execute_many(_ANNOUNCED, [(row[0],) for row in rows])
        return bool(rows)
