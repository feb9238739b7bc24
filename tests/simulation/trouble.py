"""What goes wrong beside the log: with databases, with the mail server, and with the processes that use them."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

from tests.simulation.process import Process

E = TypeVar("E", bound=Exception)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """How likely is what, per call."""

    store_fails: float = 0.0
    commit_answer_lost: float = 0.0  # It was committed, and its caller is told that it failed.
    crash_at_store: float = 0.0
    crash_after_commit: float = 0.0
    mail_away: float = 0.0  # The mail server does not answer for a while.
    mail_refused: float = 0.0  # This recipient, for ever.
    mail_later: float = 0.0  # Not now.
    mail_lost: float = 0.0  # The connection broke before the mail was taken; its sender cannot know.
    mail_reply_lost: float = 0.0  # It was taken, and its sender does not hear of it.
    crash_at_mail: float = 0.0


# When all else is quiet the mail server is still what mail servers are; nobody dies of it.
QUIET = Trouble(mail_away=0.05, mail_refused=0.05, mail_later=0.05, mail_lost=0.08, mail_reply_lost=0.15)
TROUBLE = Trouble(
    store_fails=0.002,
    commit_answer_lost=0.01,
    crash_at_store=0.0005,
    crash_after_commit=0.004,
    mail_away=0.05,
    mail_refused=0.05,
    mail_later=0.05,
    mail_lost=0.08,
    mail_reply_lost=0.15,
    crash_at_mail=0.15,
)


class Troubles:
    """The trouble that everybody is in now, and what came of it so far."""

    def __init__(self) -> None:
        self.now = QUIET
        self.happened: Counter[str] = Counter()

    def note_failure(self, kind: str, error: E) -> E:
        """Count it; the error, to be raised."""
        self.happened[kind] += 1
        return error

    async def crash(self, process: Process) -> None:
        """The process dies here; this does not return."""
        self.happened["crash of " + process.name.partition(" ")[0]] += 1
        process.kill()
        await asyncio.Future()
