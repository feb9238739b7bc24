"""Which agents are there, told to the router every few seconds: whose stream is open, and who asked for something since the last time.

Each replica tells what it sees itself. It tells also when it sees nobody, so that the router can tell an agent who is gone from an
agent API that is. It must not decide what follows. `compose` runs `tell_attendance`, the access checks call `Attendance.note`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from libs.common import ids
from libs.common.clock import Clock
from libs.common.configuration import Configuration
from libs.common.errors import OutageError
from libs.common.events.codec import encode_record
from libs.common.events.inputs import AgentsSeen
from libs.common.log.publisher import Publisher
from libs.common.log.streams import ROUTING_INPUTS
from services.agent_api.hub import Hub

EVERY_MS: Final = 15_000
_SOURCE: Final = "centralino/agent-api"


class Attendance:
    """Who was seen, by pool, since the last time it was told."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, None]] = {}

    def note(self, pool: str | None, agent_id: str) -> None:
        """An agent is there."""
        if pool is not None:
            self._seen.setdefault(pool, {})[agent_id] = None

    def take(self) -> Mapping[str, Mapping[str, None]]:
        """Who was noted since the last call."""
        taken, self._seen = self._seen, {}
        return taken


async def tell_attendance(
    configuration: Configuration, attendance: Attendance, hub: Hub, publisher: Publisher, clock: Clock
) -> None:
    """Tell the router who is there, for each pool that looks for who has vanished, until cancelled."""
    pools = [name for name, pool in sorted(configuration.pools.items()) if pool.routing.vanish_after_ms]
    while pools:
        await clock.sleep_ms(EVERY_MS)
        for own_pool, agent_id in hub.present():
            attendance.note(own_pool, agent_id)
        seen = attendance.take()
        for pool in pools:
            record = encode_record(
                AgentsSeen(pool=pool, agents=tuple(sorted(seen.get(pool, ())))),
                key=pool,
                event_id=ids.new_id("seen"),
                source=_SOURCE,
                time_ms=clock.now_ms(),
                correlation_id="",
            )
            try:
                await publisher.append(ROUTING_INPUTS, pool, [record])
            except OutageError:
                continue  # The next one comes soon, and the router takes a silence of ours for ours.
