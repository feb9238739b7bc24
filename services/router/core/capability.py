"""Who can do what, as bits: which skills an agent has, which agents a requirement fits.

Skill `s` at level `l` is one bit; an agent's mask has the bits of all lower levels too, so that he fits a requirement exactly when
`mask & requirement == requirement`. Agents with the same mask have one profile: whatever fits one of them fits all. Profiles are numbered,
and a set of them is one integer with a bit for each. Where there are very many different masks every agent counts as a profile of his
own, because to go through them one by one would take too long.

Both numberings hold for one configuration of the pool and appear in nothing that is decided. Built and asked by `index`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from services.router.core import limits
from services.router.core.entities import Agent, Needs, Skills

# Requirements that are kept once computed. When there are more, all go, and those in use come back at their next use.
_REQUIREMENTS_MAX: Final = 20_000

# Different masks up to which agents share profiles.
_PROFILES_MAX: Final = 500

_NO_PROFILE: Final = -1


class Requirement(msgspec.Struct, frozen=True):
    """What contacts ask for, worked out: one mask for each alternative that any agent fits, and for each of these the profiles that have
    each skill at its level (`holders`), which all requirements share.

    `anchors` has for each alternative the skill that the fewest agents have at the level asked for, None where no skill is asked for: who
    fits has one of these skills.
    """

    masks: tuple[int, ...]
    holders: tuple[tuple[int, ...], ...]
    anchors: tuple[str | None, ...]

    def fits(self, mask: int) -> bool:
        """Whether an agent with the skills of this mask may take such a contact."""
        for needed in self.masks:  # noqa: SIM110  # looked at for every head of a class; a generator would cost twice as much
            if mask & needed == needed:
                return True
        return False

    def profiles_among(self, profiles: int) -> int:
        """Those of these profiles that fit. Worked out each time: to keep it would take kilobytes for each requirement of a large pool."""
        found = 0
        for holders in self.holders:
            fitting = profiles
            for having in holders:
                fitting &= having
            found |= fitting
        return found


class Capability:
    """The skills of a pool's agents under one configuration. `shared`: whether agents with the same mask share a profile; where they do
    not, `names` are the agents by their profiles' numbers. `masks` are the profiles' masks.
    """

    __slots__ = ("_agents", "_firsts", "_holders", "_numbers", "_requirements", "_supply", "masks", "names", "shared")

    def __init__(self, agents: Iterable[Agent]) -> None:
        # One who is removed gets no offers, and what he leaves behind must not depend on whether he is gone yet.
        members = [agent for agent in agents if not agent.removed]
        self._agents: Final = len(members)
        self._firsts: Final[dict[str, int]] = {}
        self._requirements: Final[dict[Needs, Requirement]] = {}
        self.masks: Final[list[int]] = []
        self.names: Final[list[str]] = []
        self._numbers: Final[dict[str, int]] = {}  # By agent.
        numbers, known = self._number_by_mask(members)
        self.shared: Final = len(known) <= _PROFILES_MAX
        if self.shared:
            self.masks.extend(known)
            self._numbers.update(zip((agent.id for agent in members), numbers, strict=True))
        else:
            self.masks.extend([known[number] for number in numbers])
            self.names.extend([agent.id for agent in members])
            self._numbers.update((name, number) for number, name in enumerate(self.names))
        self._supply: Final[dict[int, int]] = {}  # Bit -> how many agents have it.
        self._holders: Final = self._find_holders(numbers if self.shared else range(len(members)))

    def _number_by_mask(self, members: Iterable[Agent]) -> tuple[list[int], list[int]]:
        """For each agent the place of his mask, and the different masks."""
        masks: dict[int, int] = {}
        by_skills: dict[Skills, int] = {}  # Agents are configured by the dozen: most skills were seen before.
        numbers = []
        for agent in members:
            skills = tuple(agent.skills.items())
            number = by_skills.get(skills)
            if number is None:
                number = by_skills[skills] = masks.setdefault(self._mask_of(agent.skills), len(masks))
            numbers.append(number)
        return numbers, list(masks)

    def _mask_of(self, skills: Mapping[str, int]) -> int:
        mask = 0
        for skill, level in skills.items():
            mask |= ((1 << level) - 1) << self._firsts.setdefault(skill, len(self._firsts) * limits.LEVEL_MAX)
        return mask

    def _find_holders(self, numbers: Iterable[int]) -> dict[int, int]:
        """The profiles with each bit; `numbers` are the agents' profiles. Counts the agents with each bit, too."""
        sizes = [0] * len(self.masks)
        for number in numbers:
            sizes[number] += 1
        # Bytes first, integers afterwards: setting bits in large integers one at a time would copy them each time.
        length = len(self.masks) // 8 + 1
        holders: dict[int, bytearray] = {}
        for number, mask in enumerate(self.masks):
            for bit in numbers_of(mask):
                having = holders.get(bit)
                if having is None:
                    having = holders[bit] = bytearray(length)
                having[number >> 3] |= 1 << (number & 7)
                self._supply[bit] = self._supply.get(bit, 0) + sizes[number]
        return {bit: int.from_bytes(having, "little") for bit, having in holders.items()}

    def profile_of(self, agent: Agent) -> int:
        """The number of the agent's profile; -1 for one who is removed and so has none."""
        return self._numbers.get(agent.id, _NO_PROFILE)

    def mask_of(self, profile: int) -> int:
        """The skills of a profile as bits."""
        return 0 if profile == _NO_PROFILE else self.masks[profile]

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
        holders: list[tuple[int, ...]] = []
        anchors: dict[str | None, None] = {}
        for skills in needs:
            mask, having, anchor = self._work_out_one(skills)
            if mask is not None:
                masks.append(mask)
                holders.append(having)
            anchors[anchor] = None
        return Requirement(masks=tuple(masks), holders=tuple(holders), anchors=tuple(anchors))

    def _work_out_one(self, skills: Skills) -> tuple[int | None, tuple[int, ...], str | None]:
        """One alternative: its mask (None when no agent has one of the skills at its level), who has each skill, and its anchor."""
        mask = 0
        holders: list[int] = []
        anchor, least = None, self._agents + 1
        for skill, level in skills:
            first = self._firsts.get(skill)
            bit = -1 if first is None else first + level - 1
            supply = self._supply.get(bit, 0)
            if supply == 0:
                return None, (), skill
            mask |= 1 << bit
            holders.append(self._holders[bit])
            if supply < least:
                anchor, least = skill, supply
        return mask, tuple(holders), anchor


def as_bits(numbers: Iterable[int]) -> int:
    """These numbers as bits. Not one bit after the other: that would copy a large group for each of them."""
    held = list(numbers)
    members = bytearray(max(held, default=0) // 8 + 1)
    for number in held:
        members[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(members, "little")


def numbers_of(bits: int) -> list[int]:
    """The numbers of the bits that are set. Looks at eight bytes at a time, so that much that is empty costs little."""
    numbers = []
    data = bits.to_bytes((bits.bit_length() + 63) // 64 * 8, "little")
    for place in range(0, len(data), 8):
        word = int.from_bytes(data[place : place + 8], "little")
        first = place * 8 - 1
        while word:
            lowest = word & -word
            word ^= lowest
            numbers.append(first + lowest.bit_length())
    return numbers
