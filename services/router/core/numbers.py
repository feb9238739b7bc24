"""`Numbers`: which open contacts are to be called back at which number. Kept by `index`, asked by `callbacks`."""

from __future__ import annotations

from services.router.core.entities import Contact


class Numbers:
    """`contacts`: number -> the contacts; no empty entries. There is more than one only in what old facts say."""

    __slots__ = ("contacts",)

    def __init__(self) -> None:
        self.contacts: dict[str, dict[str, None]] = {}

    def add(self, contact: Contact) -> None:
        """An open contact, which may be a callback."""
        if contact.callback is not None:
            self.contacts.setdefault(contact.callback.handle, {})[contact.id] = None

    def remove(self, contact: Contact) -> None:
        """The opposite of `add`, for the contact as it is now."""
        if contact.callback is not None:
            contacts = self.contacts[contact.callback.handle]
            del contacts[contact.id]
            if not contacts:
                del self.contacts[contact.callback.handle]

    def find(self, number: str) -> str | None:
        """The contact that is called back at this number: the same one, in whatever order they came here."""
        return min(self.contacts.get(number, ()), default=None)
