"""Whether an agent has room for one more contact, where that is more than a number on each channel.

Besides that number there may be units that all his contacts share, channels that keep each other away, and a limit on offers open at once.
All of them must leave room. What is in hand already may be over any of them (somebody was given a contact in spite of it, or a
configuration changed): then nothing more comes until there is room. Asked by `desk` and `evictions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from libs.common.events.pool import ChannelConfiguration


class RoomRules:
    """The limits of a pool that are not of one agent and one channel alone. `offers_open_max` 0: no such limit."""

    __slots__ = ("_excluders", "_interrupted", "_interrupters", "_units", "offers_open_max")

    def __init__(self, channels: Iterable[ChannelConfiguration], offers_open_max: int) -> None:
        configured = list(channels)
        self.offers_open_max: Final = offers_open_max
        self._units: Final = {channel.id: channel.units for channel in configured if channel.units}
        self._interrupted: Final = {
            channel.id: frozenset(channel.interrupts) for channel in configured if channel.interrupts
        }
        interrupters: dict[str, set[str]] = {}
        pairs: dict[str, dict[str, None]] = {}
        for channel in configured:
            for other in channel.interrupts:
                interrupters.setdefault(other, set()).add(channel.id)
            for other in channel.excludes:
                pairs.setdefault(channel.id, {})[other] = None
                pairs.setdefault(other, {})[channel.id] = None
        self._interrupters: Final = {name: frozenset(others) for name, others in interrupters.items()}
        # Channel -> the channels that keep it away.
        self._excluders: Final = {
            name: tuple(other for other in others if other not in self._interrupted.get(name, ()))
            for name, others in pairs.items()
        }

    def concern(self, units: int | None) -> bool:
        """Whether they can say anything to an agent with these units."""
        return bool(self._excluders or self.offers_open_max or (units is not None and self._units))

    def squeezes(self, channel: str, units: int | None) -> bool:
        """Whether a contact of this channel may be offered to an agent with `units` though it leaves too few for what is offered to him."""
        return units is not None and channel in self._interrupted and channel in self._units

    def units_used(self, loads: Mapping[str, int]) -> int:
        """The units that these contacts use."""
        return sum(count * self._units.get(channel, 0) for channel, count in loads.items())

    def allow(self, channel: str, loads: Mapping[str, int], units: int | None, offers_open: int) -> bool:
        """Whether one more contact of this channel may be offered to an agent with `units` who has `loads` in hand."""
        if self.offers_open_max and offers_open >= self.offers_open_max:
            return False
        if any(other in loads for other in self._excluders.get(channel, ())):
            return False
        return self._have_units(channel, loads, units, self._interrupted.get(channel, frozenset()))

    def obstacles(
        self, channel: str, loads: Mapping[str, int], units: int | None, offers_open: int
    ) -> Iterator[tuple[str, str | None, int | None, int | None]]:
        """Why `allow` says no: an obstacle's name, the channel that it is about, how much is asked for, and how much there is."""
        if self.offers_open_max and offers_open >= self.offers_open_max:
            yield "offers-open", None, 1, self.offers_open_max
        for other in self._excluders.get(channel, ()):
            if other in loads:
                yield "excluded", other, None, None
        apart = self._interrupted.get(channel, frozenset())
        if not self._have_units(channel, loads, units, apart):
            yield "units", channel, self._units[channel], units

    def may_stay(self, channel: str, others: Mapping[str, int], units: int | None) -> bool:
        """Whether an open offer of this channel may stay with an agent who has `others` in hand besides.

        What came later and interrupts this channel does not count.
        """
        apart = self._interrupted.get(channel, frozenset()) | self._interrupters.get(channel, frozenset())
        if any(other in others and other not in apart for other in self._excluders.get(channel, ())):
            return False
        return self._have_units(channel, others, units, apart)

    def _have_units(self, channel: str, loads: Mapping[str, int], units: int | None, apart: frozenset[str]) -> bool:
        needed = self._units.get(channel, 0)
        if units is None or not needed:
            return True
        for other, count in loads.items():
            if other not in apart:
                needed += count * self._units.get(other, 0)
        return needed <= units
