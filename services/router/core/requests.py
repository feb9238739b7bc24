"""`Requests`: under which ids calls were asked for whose requests joined a contact that was open already. Only `apply` changes it; `decide`
asks it, for customers who want no call any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from services.router.core import limits
from services.router.core.entities import Contact


class Joined(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The requests that joined one contact, the newest last. `channel`: what the contact was work on before it was a callback by them, or
    what a contact was that was merged into this one; empty: it is about the call alone.
    """

    ids: tuple[str, ...]
    channel: str = ""


class Requests:
    """`by_contact`: contact -> what joined it. A request is one contact's alone."""

    __slots__ = ("_contacts", "by_contact")

    def __init__(self, joined: Iterable[tuple[str, Joined]] = ()) -> None:
        self.by_contact: Final[dict[str, Joined]] = {}
        self._contacts: Final[dict[str, str]] = {}
        for contact_id, requests in joined:
            self.put(contact_id, requests)

    def __len__(self) -> int:
        return len(self._contacts)

    def put(self, contact_id: str, requests: Joined) -> None:
        """What joined a contact, as it stands in a snapshot."""
        self.by_contact[contact_id] = requests
        self._contacts.update(dict.fromkeys(requests.ids, contact_id))

    def add(self, contact: Contact, request: str, channel: str = "") -> None:
        """A request joins this contact, which is as it was before that. `channel`: the contact is about what came on that, too."""
        if request == contact.id:
            return
        elsewhere = self._contacts.get(request)
        if elsewhere is not None:
            self._drop(elsewhere, request)
        before = self.by_contact.get(contact.id)
        if before is None:
            before = Joined((), contact.channel if contact.callback is None else "")
        before = Joined(before.ids, before.channel or channel)
        while len(before.ids) >= limits.REQUESTS_PER_CONTACT_MAX:
            self._contacts.pop(before.ids[0])
            before = Joined(before.ids[1:], before.channel)
        self.by_contact[contact.id] = Joined((*before.ids, request), before.channel)
        self._contacts[request] = contact.id

    def forget(self, contact_id: str) -> None:
        """The contact is over, elsewhere, or no callback any more."""
        joined = self.by_contact.pop(contact_id, None)
        for request in () if joined is None else joined.ids:
            del self._contacts[request]

    def find(self, request: str) -> str | None:
        """The contact that this request joined."""
        return self._contacts.get(request)

    def of(self, contact_id: str) -> tuple[str, ...]:
        """The requests that joined a contact."""
        joined = self.by_contact.get(contact_id)
        return () if joined is None else joined.ids

    def channel_before(self, contact_id: str) -> str:
        """What the contact was work on before its first request; empty: it was a callback already, or none joined it."""
        joined = self.by_contact.get(contact_id)
        return "" if joined is None else joined.channel

    def _drop(self, contact_id: str, request: str) -> None:
        joined = self.by_contact[contact_id]
        left = tuple([one for one in joined.ids if one != request])
        del self._contacts[request]
        if left:
            self.by_contact[contact_id] = Joined(left, joined.channel)
        else:
            del self.by_contact[contact_id]
