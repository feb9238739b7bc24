"""Keeping the pools' calendars known far enough ahead: when they are short, and the input that extends them.

Pure: it is handed the time. Called by a tenure, which alone appends it: the writer of a partition extends the calendars of its pools once,
and the core ignores what is no longer than what it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from libs.common.configuration.opening import DAY_MS, Opening
from libs.common.events.inputs import ExtendCalendars
from services.router.core.model import PoolState
from services.router.pools import work_out_calendars

# Calendars are extended, to 60 days, when less than this is left of one of them.
LEFT_MIN_MS: Final = 30 * DAY_MS


class Extensions:
    """The extensions that a tenure is to append. `openings`: by pool, what its calendars are worked out of."""

    def __init__(self, openings: Mapping[str, Mapping[str, Opening]]) -> None:
        self._openings: Final = {pool: dict(parts) for pool, parts in openings.items() if parts}
        self._asked_ms: Final[dict[str, int]] = {}  # Pool -> the end of what is on its way.

    def due(self, pools: Mapping[str, PoolState], now_ms: int) -> list[ExtendCalendars]:
        """One input for each pool whose calendars end too soon, unless it is on its way already."""
        found = []
        for pool, openings in self._openings.items():
            state = pools.get(pool)
            held = () if state is None else tuple(state.calendars[name] for name in openings if name in state.calendars)
            if not held or min(calendar.until_ms for calendar in held) - now_ms >= LEFT_MIN_MS:
                continue
            if self._asked_ms.get(pool, 0) - now_ms >= LEFT_MIN_MS:
                continue
            calendars = work_out_calendars(openings, now_ms)
            self._asked_ms[pool] = calendars[0].until_ms
            found.append(ExtendCalendars(pool=pool, calendars=calendars))
        return found
