"""The waiting contacts, arranged so that neither an arrival nor a freed agent looks at more than a few of them.

Contacts that exactly the same agents may take stand in one class (channel, skills asked for, agents in back-off, the calendar that lets
them be offered, the one agent that they are for), in the order of rank. Of each class only the head can be next. The heads of the classes
that are open stand in the order of rank by channel and by the scarcest skill of each alternative: an agent with room looks under the skills
he has. Those for one agent stand under his name, so that nobody else meets them. Kept by `index`, asked by `matching`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.router.core.capability import Capability, Requirement
from services.router.core.entities import Contact, Needs
from services.router.core.sorting import SortedKeys

RankKey = tuple[int, int, str]  # due, sequence, contact id
ClassKey = tuple[str, Needs, tuple[str, ...], str | None, str | None]
Anchor = str | None | tuple[str]  # A skill, none at all, or an agent.


def rank_key(contact: Contact) -> RankKey:
    """The contact's place in any order of waiting contacts."""
    return (contact.due_ms, contact.sequence, contact.id)


class WaitingClass:
    """Contacts that wait for the same agents. `excluded`: agents in back-off for each of them. `gate`: the calendar that must be open
    for them to be offered, None: they are at any time. `open`: whether they are now. `only`: the one agent they are for.
    """

    __slots__ = ("anchors", "channel", "contacts", "excluded", "gate", "key", "only", "open", "requirement")

    def __init__(self, key: ClassKey, requirement: Requirement, *, is_open: bool) -> None:
        self.key: Final = key
        self.channel: Final = key[0]
        self.excluded: Final = key[2]
        self.gate: Final = key[3]
        self.only: Final = key[4]
        self.open = is_open
        self.requirement: Final = requirement
        self.anchors: Final[tuple[Anchor, ...]] = requirement.anchors if self.only is None else ((self.only,),)
        self.contacts: Final[SortedKeys[RankKey]] = SortedKeys()


class WaitingContacts:
    """Every waiting contact of a pool under one configuration. `closed`: the calendars that are closed now."""

    __slots__ = ("_capability", "_closed", "_gated", "by_contact", "classes", "heads")

    def __init__(self, capability: Capability, closed: Iterable[str] = ()) -> None:
        self._capability: Final = capability
        self._closed: Final = dict.fromkeys(closed)
        self._gated: Final[dict[str, dict[ClassKey, None]]] = {}  # Calendar -> the classes that it opens; none empty.
        self.classes: Final[dict[ClassKey, WaitingClass]] = {}
        self.by_contact: Final[dict[str, WaitingClass]] = {}
        # Channel -> anchor -> keys of the heads; no empty entries on either level.
        self.heads: Final[dict[str, dict[Anchor, SortedKeys[RankKey]]]] = {}

    def __len__(self) -> int:
        return len(self.by_contact)

    def add(
        self, contact: Contact, excluded: tuple[str, ...], *, gate: str | None = None, only: str | None = None
    ) -> WaitingClass:
        """Put a contact in its class; `excluded` in alphabetical order."""
        key = (contact.channel, contact.alternatives or (contact.skills,), excluded, gate, only)
        group = self.classes.get(key)
        if group is None:
            requirement = self._capability.requirement(key[1])
            group = self.classes[key] = WaitingClass(key, requirement, is_open=gate not in self._closed)
            if gate is not None:
                self._gated.setdefault(gate, {})[key] = None
        mine = rank_key(contact)
        members = group.contacts
        self.by_contact[contact.id] = group
        if not members:
            members.add(mine)
            self._add_head(group, mine)
            return group
        head = members.first()
        members.add(mine)
        if mine < head:
            self._remove_head(group, head)
            self._add_head(group, mine)
        return group

    def remove(self, contact: Contact) -> WaitingClass:
        """Take a contact out of its class."""
        group = self.by_contact.pop(contact.id)
        mine = rank_key(contact)
        members = group.contacts
        was_head = members.first() == mine
        members.remove(mine)
        if was_head:
            self._remove_head(group, mine)
            if members:
                self._add_head(group, members.first())
            else:
                self._remove_class(group)
        return group

    def turn(self, calendar: str, *, is_open: bool) -> list[ClassKey]:
        """A calendar opens or closes: the classes that it does so with."""
        if is_open:
            self._closed.pop(calendar, None)
        else:
            self._closed[calendar] = None
        turned = list(self._gated.get(calendar, ()))
        for key in turned:
            group = self.classes[key]
            head = group.contacts.first()
            if not is_open:
                self._remove_head(group, head)
            group.open = is_open
            if is_open:
                self._add_head(group, head)
        return turned

    def gated(self, calendar: str) -> list[str]:
        """The contacts that this calendar keeps back while it is closed."""
        return [key[2] for group in self._gated.get(calendar, ()) for key in self.classes[group].contacts]

    def _remove_class(self, group: WaitingClass) -> None:
        del self.classes[group.key]
        if group.gate is not None:
            gated = self._gated[group.gate]
            del gated[group.key]
            if not gated:
                del self._gated[group.gate]

    def _add_head(self, group: WaitingClass, key: RankKey) -> None:
        if not group.open:
            return
        anchors = self.heads.setdefault(group.channel, {})
        for anchor in group.anchors:
            keys = anchors.get(anchor)
            if keys is None:
                keys = anchors[anchor] = SortedKeys()
            keys.add(key)

    def _remove_head(self, group: WaitingClass, key: RankKey) -> None:
        if not group.open:
            return
        anchors = self.heads[group.channel]
        for anchor in group.anchors:
            keys = anchors[anchor]
            keys.remove(key)
            if not keys:
                del anchors[anchor]
        if not anchors:
            del self.heads[group.channel]
