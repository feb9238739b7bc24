"""Mail headers that the standard library would spoil. Called by whoever builds a mail that belongs to a customer's thread."""

from __future__ import annotations

from collections.abc import Sequence
from email.policy import Policy


class MessageIds(str):
    """The value of a header of message ids that is folded between them and never inside.

    Left to itself, the standard library turns an id longer than a line into encoded words, which no mail program takes for an id:
    the reply would stand outside its thread. Such ids are common (Exchange, Gmail).
    """

    name: str
    _ids: tuple[str, ...]

    def __new__(cls, name: str, ids: Sequence[str]) -> MessageIds:
        """The ids as they stand in the mail, with their angle brackets."""
        value = super().__new__(cls, " ".join(ids))
        value.name = name
        value._ids = tuple(ids)
        return value

    def fold(self, *, policy: Policy) -> str:
        """The header as it is written, one id a line."""
        return f"{self.name}: {f'{policy.linesep} '.join(self._ids)}{policy.linesep}"
