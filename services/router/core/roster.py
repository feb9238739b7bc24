"""`Roster`: agents of whom something is true for the time, such as having room on a channel, by profile. Kept by `index` and `lines`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from services.router.core.capability import Capability, as_bits, numbers_of
from services.router.core.desk import Desk


class Roster:
    """`profiles`: those that have any such agent, as bits. `members`: who they are, by profile; where profiles are not shared a profile
    is an agent, so that its bit says it all and nothing stands here. `size`: how many there are in all.
    """

    __slots__ = ("_capability", "members", "profiles", "size")

    def __init__(self, capability: Capability, desks: Iterable[Desk]) -> None:
        self._capability: Final = capability
        self.profiles = 0
        self.size = 0
        self.members: Final[dict[int, dict[str, None]]] = {}
        if capability.shared:
            for desk in desks:
                self.put(desk)
        else:
            profiles = [desk.profile for desk in desks]
            self.profiles, self.size = as_bits(profiles), len(profiles)

    def __iter__(self) -> Iterator[str]:
        for profile in numbers_of(self.profiles):
            yield from self.members[profile] if self._capability.shared else (self._capability.names[profile],)

    def put(self, desk: Desk) -> None:
        """It is true of him now."""
        self.size += 1
        if self._capability.shared:
            members = self.members.get(desk.profile)
            if members is not None:
                members[desk.agent_id] = None
                return
            self.members[desk.profile] = {desk.agent_id: None}
        self.profiles |= 1 << desk.profile

    def take(self, desk: Desk) -> None:
        """It is not true of him any more."""
        self.size -= 1
        if self._capability.shared:
            members = self.members[desk.profile]
            del members[desk.agent_id]
            if members:
                return
            del self.members[desk.profile]
        self.profiles ^= 1 << desk.profile

    def count(self, profiles: int) -> int:
        """How many agents there are of these profiles, which all have some."""
        if not self._capability.shared:
            return profiles.bit_count()
        members = self.members
        return sum([len(members[profile]) for profile in numbers_of(profiles)])
