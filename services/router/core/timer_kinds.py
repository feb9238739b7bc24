"""The kinds of entries in the heap of what is due. Of several due at once the lower kind comes first. Used by `index` and its readers."""

from __future__ import annotations

from typing import Final

Timer = tuple[int, int, str]  # due, kind, id

OFFER: Final = 0  # The id is the offer's.
WRAP_UP: Final = 1  # The id is the contact's.
BACKOFF: Final = 2  # The id is the contact's.
CALENDAR: Final = 3  # The id is the calendar's.
ONLY: Final = 4  # The id is the contact's: it is for one agent alone until then.
ABANDONED: Final = 5  # The id is the contact's.
RELAX: Final = 6  # The id is the contact's.
OVERFLOW: Final = 7  # The id is the contact's.
CALLBACK: Final = 8  # The id is the contact's.
