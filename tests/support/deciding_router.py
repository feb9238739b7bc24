"""A router that decides by the real core, for tests of the agent API that are about what comes of commands.

It reads, writes and answers as the scripted one does, one input at a time; nothing but commands, messages and the passing of time moves it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from libs.common.events.inputs import TimeAdvanced
from libs.common.log.port import Appended
from services.router.core.model import PoolState, new_state
from services.router.core.step import apply, step
from tests.support.scripted_router import ScriptedRouter


@dataclass
class DecidingRouter(ScriptedRouter):
    """See the module. `ahead_ms`: how far its time is ahead of the clock."""

    state: PoolState = field(default_factory=lambda: new_state("care"))
    ahead_ms: int = 0

    async def tell(self, *facts: msgspec.Struct, input_offset: int = -1, term: int | None = None) -> Appended:
        """Write facts; those that no input has caused (the configuration) are folded here."""
        if input_offset < 0:
            for fact in facts:
                apply(self.state, fact)  # type: ignore[arg-type]  # tests tell facts of a pool alone
        return await super().tell(*facts, input_offset=input_offset, term=term)

    async def pass_time(self, duration_ms: int) -> None:
        """Time passes, and the router is told."""
        self.ahead_ms += duration_ms
        await self.give(TimeAdvanced(pool=self.pool, now_ms=self.clock.now_ms() + self.ahead_ms))

    def _decide(self, event: Any) -> list[msgspec.Struct]:
        return list(step(self.state, event, self.clock.now_ms() + self.ahead_ms))
