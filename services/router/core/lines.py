"""The lines: who waits in each queue, in the order of rank, and who is on duty. For expected waits alone; no offer follows from them.

Most contacts are offered the moment they come, so a newcomer is only noted, and put into its line when somebody asks: one who was offered
in the meantime then costs nothing. Kept by `index`, asked by `expectation` and `pace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.router.core.capability import Capability
from services.router.core.desk import Desk
from services.router.core.entities import Contact, Needs
from services.router.core.roster import Roster
from services.router.core.sorting import SortedKeys
from services.router.core.waiting import RankKey, rank_key


class Lines:
    """Every waiting contact of a pool by its queue. `untold`: those of which it was not said yet that they wait.

    `repaced`: queues of whose pace something may have to be said.
    """

    __slots__ = ("_capability", "_counts", "_desks", "_lines", "_new", "_on_duty", "repaced", "untold")

    def __init__(self, desks: Mapping[str, Desk], capability: Capability) -> None:
        self.untold: Final[dict[str, None]] = {}
        self.repaced: Final[dict[str, None]] = {}
        self._desks: Final = desks
        self._capability: Final = capability
        self._on_duty: Roster | None = None  # Worked out when it is first asked for.
        self._counts: Final[dict[Needs, int]] = {}  # Needs of queues -> how many on duty have that.
        self._lines: Final[dict[str, SortedKeys[RankKey]]] = {}  # None is empty.
        self._new: Final[dict[str, Contact]] = {}

    def add(self, contact: Contact) -> None:
        """A contact waits now."""
        self._new[contact.id] = contact
        if contact.untold:
            self.untold[contact.id] = None

    def remove(self, contact: Contact) -> None:
        """A contact waits no more; as it was when it was added."""
        if contact.untold:
            self.untold.pop(contact.id, None)
        if self._new.pop(contact.id, None) is not None:
            return
        line = self._lines[contact.queue]
        line.remove(rank_key(contact))
        if not line:
            del self._lines[contact.queue]

    def change_duty(self, desk: Desk) -> None:
        """An agent is available and was not, or the other way round."""
        self._counts.clear()
        if self._on_duty is not None and desk.available:
            self._on_duty.put(desk)
        elif self._on_duty is not None:
            self._on_duty.take(desk)

    def on_duty(self) -> Roster:
        """The agents who are available, whether they have room or not."""
        if self._on_duty is None:
            self._on_duty = Roster(self._capability, [desk for desk in self._desks.values() if desk.available])
        return self._on_duty

    def count_on_duty(self, needs: Needs) -> int:
        """How many of them have what these needs ask for. Asked again and again, while agents come and go now and then."""
        found = self._counts.get(needs)
        if found is None:
            on_duty = self.on_duty()
            fitting = self._capability.requirement(needs).profiles_among(on_duty.profiles)
            found = self._counts[needs] = on_duty.count(fitting)
        return found

    def length(self, queue: str) -> int:
        """How many wait in a queue."""
        line = self._line(queue)
        return 0 if line is None else len(line)

    def is_empty(self, queue: str) -> bool:
        """Whether nobody waits in a queue."""
        return self._line(queue) is None

    def position(self, contact: Contact) -> int:
        """The place in its queue of a contact that waits; 1 is next."""
        line = self._line(contact.queue)
        assert line is not None, "a contact that waits stands in a line"
        return line.count_before(rank_key(contact)) + 1

    def keys(self) -> dict[str, list[RankKey]]:
        """Everybody in order, for comparing."""
        return {queue: list(line) for queue in sorted(self.queues()) if (line := self._line(queue)) is not None}

    def queues(self) -> list[str]:
        """The queues in which somebody waits."""
        self._settle()
        return list(self._lines)

    def _line(self, queue: str) -> SortedKeys[RankKey] | None:
        self._settle()
        return self._lines.get(queue)

    def _settle(self) -> None:
        if not self._new:
            return
        for contact in self._new.values():
            line = self._lines.get(contact.queue)
            if line is None:
                line = self._lines[contact.queue] = SortedKeys()
            line.add(rank_key(contact))
        self._new.clear()
