"""`Moving`: which waiting contacts are to stand in another queue, because theirs is drained to it. Kept by `index`, asked by `drains`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from services.router.core.entities import Contact
from services.router.core.sorting import SortedKeys
from services.router.core.waiting import RankKey, rank_key


class Moving:
    """`targets`: queue -> the queue that its waiting contacts are to be moved to. `contacts`: those, in the order of rank."""

    __slots__ = ("contacts", "targets")

    def __init__(self, targets: Mapping[str, str]) -> None:
        self.targets: Final = dict(targets)
        self.contacts: Final[SortedKeys[RankKey]] = SortedKeys()

    def add(self, contact: Contact) -> None:
        """A contact waits."""
        if contact.queue in self.targets:
            self.contacts.add(rank_key(contact))

    def remove(self, contact: Contact) -> None:
        """A contact waits no more, or not as it did."""
        if contact.queue in self.targets:
            self.contacts.remove(rank_key(contact))


def moving_now(targets: Mapping[str, str], waiting: Iterable[str], contacts: Mapping[str, Contact]) -> Moving:
    """Anew, for other targets. Looks at every waiting contact where there are any: a supervisor's command may cost that."""
    moving = Moving(targets)
    for contact_id in waiting if targets else ():
        moving.add(contacts[contact_id])
    return moving
