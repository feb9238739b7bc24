"""Who can do what, as bits: which skills an agent has, which agents a requirement fits.

Skill `s` at level `l` is one bit; an agent's mask has the bits of all lower levels too, so that he fits a requirement exactly when
`mask & requirement == requirement`. Agents are numbered, and a group of agents is one integer with a bit for each. Both numberings
hold for one configuration of the pool and appear in nothing that is decided. Built and asked by `index`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from services.router.core import limits
from services.router.core.entities import Agent, Needs, Skills

# Requirements that are kept once computed. When there are more, all go, and those in use come back at their next use.
_REQUIREMENTS_MAX: Final = 20_000

# Different sets of skills up to which agents are also kept apart by them.
_PROFILES_MAX: Final = 500


class Requirement(msgspec.Struct, frozen=True):
    """What contacts ask for, worked out: one mask for each alternative that any agent fits. `agents`: who fits one of them, as bits.

    `anchors` has for each alternative the skill that the fewest agents have at the level asked for, None where no skill is asked for: who
    fits has one of these skills. `profiles` are the masks of those who fit; None when the pool has too many different ones.
    """

    masks: tuple[int, ...]
    agents: int
    anchors: tuple[str | None, ...]
    profiles: tuple[int, ...] | None = None

    def fits(self, mask: int) -> bool:
        """Whether an agent with the skills of this mask may take such a contact."""
        for needed in self.masks:  # noqa: SIM110  # looked at for every head of a class; a generator would cost twice as much
            if mask & needed == needed:
                return True
        return False


class Capability:
    """The skills of a pool's agents under one configuration. `numbers` are the agents' bits, `names` the agents by bit,
    `profiles` their different masks, None when there are too many.
    """

    __slots__ = (
        "_everybody",
        "_firsts",
        "_holders",
        "_masks",
        "_members",
        "_requirements",
        "names",
        "numbers",
        "profiles",
    )

    def __init__(self, agents: Iterable[Agent]) -> None:
        held = list(agents)
        self.names: Final = [agent.id for agent in held]
        self.numbers: Final = {agent.id: number for number, agent in enumerate(held)}
        self._everybody: Final = (1 << len(held)) - 1
        self._firsts: Final[dict[str, int]] = {}
        self._requirements: Final[dict[Needs, Requirement]] = {}
        # Bytes first, integers afterwards: setting bits in large integers one at a time would copy them each time.
        size = (len(held) + 7) // 8
        holders: dict[int, bytearray] = {}
        for number, agent in enumerate(held):
            if agent.removed:
                continue  # He gets no offers, and what he leaves behind must not depend on whether he is gone yet.
            for skill, level in agent.skills.items():
                first = self._firsts.setdefault(skill, len(self._firsts) * limits.LEVEL_MAX)
                for bit in range(first, first + level):
                    members = holders.get(bit)
                    if members is None:
                        members = holders[bit] = bytearray(size)
                    members[number >> 3] |= 1 << (number & 7)
        self._masks: Final = {number: self.mask_of(agent) for number, agent in enumerate(held) if not agent.removed}
        self._members: Final[dict[int, int]] = {}
        profiles = dict.fromkeys(self._masks.values())
        self.profiles: Final = tuple(profiles) if len(profiles) <= _PROFILES_MAX else None
        self._holders: Final = {bit: int.from_bytes(members, "little") for bit, members in holders.items()}

    def mask_of(self, agent: Agent) -> int:
        """The agent's skills as bits; none for one who is removed."""
        mask = 0
        if not agent.removed:
            for skill, level in agent.skills.items():
                mask |= ((1 << level) - 1) << self._firsts[skill]
        return mask

    def members(self, profile: int) -> int:
        """The agents with exactly these skills, as bits."""
        if not self._members:
            size = (len(self.names) + 7) // 8
            found: dict[int, bytearray] = {}
            for number, mask in self._masks.items():
                found.setdefault(mask, bytearray(size))[number >> 3] |= 1 << (number & 7)
            self._members.update((mask, int.from_bytes(members, "little")) for mask, members in found.items())
        return self._members[profile]

    def requirement(self, needs: Needs) -> Requirement:
        """What these alternatives mean for the agents there are."""
        found = self._requirements.get(needs)
        if found is None:
            if len(self._requirements) >= _REQUIREMENTS_MAX:
                self._requirements.clear()
            found = self._requirements[needs] = self._work_out(needs)
        return found

    def _work_out(self, needs: Needs) -> Requirement:
        masks: list[int] = []
        agents = 0
        anchors: dict[str | None, None] = {}
        for skills in needs:
            mask, fitting, anchor = self._work_out_one(skills)
            if mask is not None:
                masks.append(mask)
                agents |= fitting
            anchors[anchor] = None
        profiles = self.profiles
        if profiles is not None:
            fitting_profiles: dict[int, None] = {}
            for mask in masks:
                fitting_profiles.update(dict.fromkeys([profile for profile in profiles if profile & mask == mask]))
            profiles = tuple(fitting_profiles)
        return Requirement(masks=tuple(masks), agents=agents, anchors=tuple(anchors), profiles=profiles)

    def _work_out_one(self, skills: Skills) -> tuple[int | None, int, str | None]:
        """One alternative: its mask (None when no agent has one of the skills at its level), who fits, and its anchor."""
        mask = 0
        agents = self._everybody
        anchor, supply = None, len(self.numbers) + 1
        for skill, level in skills:
            first = self._firsts.get(skill)
            holders = 0 if first is None else self._holders.get(first + level - 1, 0)
            if first is None or holders == 0:
                return None, 0, skill
            mask |= 1 << (first + level - 1)
            agents &= holders
            if holders.bit_count() < supply:
                anchor, supply = skill, holders.bit_count()
        return mask, agents, anchor


def as_bits(numbers: Iterable[int]) -> int:
    """The agents with these numbers as a group. Not one bit after the other: that would copy a large group for each of them."""
    held = list(numbers)
    members = bytearray(max(held, default=0) // 8 + 1)
    for number in held:
        members[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(members, "little")


def numbers_of(agents: int) -> Iterator[int]:
    """The numbers of the agents in a group. Looks at eight bytes at a time, so that a large group costs little more than its members."""
    data = agents.to_bytes((agents.bit_length() + 63) // 64 * 8, "little")
    for place, word in enumerate(memoryview(data).cast("Q")):
        if not word:
            continue
        bits = int.from_bytes(data[place * 8 : place * 8 + 8], "little")
        while bits:
            lowest = bits & -bits
            bits ^= lowest
            yield place * 64 + lowest.bit_length() - 1
