"""Says on `followup.events` that a mail will go out, and when: the contact's history shows it from then on."""

from __future__ import annotations

import asyncio
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import Clock
from libs.common.errors import OutageError
from libs.common.events.codec import encode_record
from libs.common.events.followup import FollowUpScheduled
from libs.common.log.publisher import Publisher
from libs.common.log.streams import FOLLOWUP_EVENTS
from libs.common.store import reading, store_errors
from services.followup.sender import SOURCE
from services.followup.store.tables import mails, outbox

_PAUSE_MS: Final = 500
_AT_ONCE: Final = 200


class Announcer:
    """Announces planned mails. Twice after a crash in between, with the same event id."""

    def __init__(self, *, engine: AsyncEngine, publisher: Publisher, clock: Clock) -> None:
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
        query = (
            sa.select(mails, outbox.c.correlation_id)
            .join(outbox, outbox.c.effect_id == mails.c.effect_id, isouter=True)
            .where(mails.c.announced.is_(False))
            .order_by(mails.c.planned_ms, mails.c.effect_id)
            .limit(_AT_ONCE)
        )
        with store_errors():
            async with reading(self._engine) as connection:
                rows = (await connection.execute(query)).mappings().all()
        appends = []
        for row in rows:
            event = FollowUpScheduled(
                effect_id=row["effect_id"],
                contact_id=row["contact_id"],
                kind=row["kind"],
                at_ms=row["planned_ms"],
                due_ms=row["due_ms"],
            )
            record = encode_record(
                event,
                key=event.contact_id,
                event_id=f"{event.effect_id}-scheduled",
                source=SOURCE,
                time_ms=event.at_ms,
                correlation_id=row["correlation_id"] or "",
                subject=event.contact_id,
            )
            appends.append(self._publisher.append(FOLLOWUP_EVENTS, event.contact_id, [record]))
        if rows:
            # At once, in this order: the log makes one group of what comes together.
            await asyncio.gather(*appends)
            with store_errors():
                async with self._engine.begin() as connection:
                    announced = [row["effect_id"] for row in rows]
                    await connection.execute(
                        sa.update(mails).where(mails.c.effect_id.in_(announced)).values(announced=True)
                    )
        return bool(rows)
