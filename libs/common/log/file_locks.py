"""Locks between processes of one machine, by `flock` on empty files: a killed process frees what it held.

`flock` belongs to the open file, not to the process (as POSIX record locks do), so two members in one process exclude each
other too, and closing one file never frees another's lock. The files stay for ever: removing one that somebody is about to lock would
give the same lock to two. Used by the SQLite log's claims.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from libs.common.log.wakeup import LockTable

# A freed lock of another process is noticed after this long. Inside a process members are woken.
_POLL_INTERVAL_S: Final = 0.1


class FileLocks:
    """One member's hold on the locks of a group; the locks are the files of one folder."""

    def __init__(self, folder: Path, table: LockTable) -> None:
        self._folder: Final = folder
        self._table: Final = table
        self._seen = table.version
        self._files: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> bool:
        """Take the lock if no open file of any process has it."""
        assert name not in self._files, f"{name} is held already"
        file = self._open(name)
        if not _lock(file, fcntl.LOCK_EX):
            os.close(file)
            return False
        self._files[name] = file
        return True

    def give_back(self, name: str) -> None:
        """Free it."""
        os.close(self._files.pop(name))

    def taken_elsewhere(self, name: str) -> bool:
        """Whether another member has it. Asks with a shared lock, so that members that ask do not see one another."""
        if name in self._files:
            return False
        file = self._open(name)
        try:
            return not _lock(file, fcntl.LOCK_SH)
        finally:
            os.close(file)

    async def changed(self) -> None:
        """Return when a member of this process told of a change, or when it is time to look at the other processes."""
        await self._table.changed_since(self._seen, _POLL_INTERVAL_S)
        self._seen = self._table.version

    def tell(self) -> None:
        """Wake the members of this process."""
        self._table.tell()

    def _open(self, name: str) -> int:
        return os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(file: int, mode: int) -> bool:
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
