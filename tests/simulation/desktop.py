"""A supervisor's desktop: follows its stream through crashes of whoever serves it, each time from its last cursor."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

from libs.common.errors import LogClosedError, OutageError
from libs.common.http.auth import Role
from services.agent_api.access import Viewer
from services.agent_api.hub import Subscription
from services.agent_api.ws import open_stream
from tests.simulation.services import HungUpError, Office

ONCE_S = 300.0  # How long a connection lasts at most.


class Desktop:
    """See the module. `frames` are those that came since the first snapshot, as (number, text)."""

    def __init__(self, pool: str, rng: random.Random, find_office: Callable[[], Office | None]) -> None:
        self.pool = pool
        self.frames: list[tuple[int, str]] = []
        self.begun_after: int | None = None
        self.connections = 0
        self._rng = rng
        self._find_office = find_office
        self._cursor: str | None = None

    @property
    def seen_seq(self) -> int | None:
        """The newest frame that came, or the one of the first snapshot."""
        return self.frames[-1][0] if self.frames else self.begun_after

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._rng.uniform(0.1, 5))
            office = self._find_office()
            if office is None or office.parts.hub.seen_seq is None:
                continue
            try:
                await office.ask(self._stream(office, self._rng.uniform(1, ONCE_S)), timeout_s=2 * ONCE_S)
            except (HungUpError, OutageError, LogClosedError, TimeoutError):
                continue

    async def _stream(self, office: Office, duration_s: float) -> None:
        """One connection, as the WebSocket's route serves it."""
        pools = frozenset({self.pool})
        viewer = Viewer(id=f"sara of {self.pool}", name="Sara", role=Role.SUPERVISOR, pool=self.pool)
        given_up = asyncio.Event()
        subscription = Subscription(viewer.id, pools, lambda _code: given_up.set())
        parts = office.parts
        parts.hub.add(subscription)
        try:
            async with parts.reading() as connection:
                opening = await open_stream(parts, connection, viewer, pools, self._cursor)
            subscription.begin_after(opening.seq)
            self.connections += 1
            hello = json.loads(opening.hello)
            if self.begun_after is None:
                self._cursor = hello["cursor"]
                self.begun_after = _number(hello["cursor"])
            assert hello["resumed"] or not self.frames, "a stream that is resumed begins where it ended"
            for frame in opening.missed:
                await self._take(office, frame.body)
            async with asyncio.timeout(duration_s):
                while not given_up.is_set():
                    _, text = await subscription.next_frame()
                    await self._take(office, text)
        finally:
            parts.hub.remove(subscription)

    async def _take(self, office: Office, text: str) -> None:
        await office.connection.sky.travel()
        await office.process.awake()
        cursor = json.loads(text)["cursor"]
        number = _number(cursor)
        last = self.seen_seq
        assert last is None or number > last, f"{self.pool}: frame {number} comes after {last}"
        self.frames.append((number, text))
        self._cursor = cursor


def _number(cursor: str) -> int:
    return int(cursor.rpartition("-")[2])
