"""Claims for logs without a coordinator: members of a group share partitions by means of locks, and nothing else.

A member holds one *slot* lock, which counts it, and one lock per partition that it works on. Its share follows from the slots that are
taken, so every member computes the same division and nobody has to lead. A member that dies loses its locks with its process (SQLite:
file locks) and the others take what became free. Used by the memory and the SQLite log; Kafka has its own coordinator.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from libs.common.log.port import OnAssigned, OnRevoked


class Locks(Protocol):
    """Named locks that are free again when their holder's process is gone."""

    def take(self, name: str) -> bool:
        """Take the lock if it is free. It must not be held by this object."""
        ...

    def give_back(self, name: str) -> None:
        """Free a lock that is held by this object."""
        ...

    def taken_elsewhere(self, name: str) -> bool:
        """Whether another holder has it now. Asking changes nothing."""
        ...

    async def changed(self) -> None:
        """Return when some lock may have been taken or freed since the last call returned."""
        ...

    def tell(self) -> None:
        """Wake whoever waits in `changed`, in this process."""
        ...


class Member:
    """One claim: takes its fair share of the partitions, hands the surplus on, leaves by the same path.

    The callbacks run one at a time in this member's own task. An exception in a callback is a bug of the caller: the member
    leaves, the event loop's exception handler hears of it, and `close` raises it again.
    """

    def __init__(self, locks: Locks, partitions: int, on_assigned: OnAssigned, on_revoked: OnRevoked) -> None:
        self._locks: Final = locks
        self._partitions: Final = partitions
        self._on_assigned: Final = on_assigned
        self._on_revoked: Final = on_revoked
        self._slot: int | None = None
        self._held: set[int] = set()
        self._leaving = False
        self._abandoned = False
        self._task = asyncio.create_task(self._run(), name="claim")
        self._task.add_done_callback(self._report)

    @property
    def held(self) -> frozenset[int]:
        """The partitions whose locks this member has."""
        return frozenset(self._held)

    async def close(self) -> None:
        """Leave: `on_revoked` for what is held, then its locks are free. Raises what a callback raised."""
        self._leaving = True
        self._locks.tell()
        await asyncio.shield(self._task)

    def abandon(self) -> None:
        """Vanish as a killed process does: the locks are free, no callback is called."""
        self._abandoned = True
        self._task.cancel()
        self._free_all()

    async def _run(self) -> None:
        try:
            while not self._leaving:
                await self._settle()
                if not self._leaving:
                    await self._locks.changed()
            await self._release(len(self._held))
        finally:
            self._free_all()

    async def _settle(self) -> None:
        """Give back what is over the share, then take what is free up to it."""
        quota = self._quota()
        if quota is None:
            return
        await self._release(len(self._held) - quota)
        taken = {
            partition
            for partition in range(self._partitions)
            if partition not in self._held and self._take_up_to(quota, partition)
        }
        if taken:
            await self._on_assigned(frozenset(taken))

    def _take_up_to(self, quota: int, partition: int) -> bool:
        if len(self._held) >= quota or not self._locks.take(_partition_lock(partition)):
            return False
        self._held.add(partition)
        return True

    def _quota(self) -> int | None:
        """The share of this member; None where there are already as many members as partitions."""
        if self._slot is None:
            self._slot = next((slot for slot in range(self._partitions) if self._locks.take(_slot_lock(slot))), None)
            if self._slot is None:
                return None
            self._locks.tell()
        alive = [
            slot
            for slot in range(self._partitions)
            if slot == self._slot or self._locks.taken_elsewhere(_slot_lock(slot))
        ]
        share, rest = divmod(self._partitions, len(alive))
        return share + (1 if alive.index(self._slot) < rest else 0)

    async def _release(self, count: int) -> None:
        """Hand on `count` partitions, the highest ones; the one path of revocation and of leaving."""
        if count <= 0:
            return
        given = frozenset(sorted(self._held)[-count:])
        await self._on_revoked(given)
        for partition in sorted(given):
            self._held.discard(partition)
            self._locks.give_back(_partition_lock(partition))
        self._locks.tell()

    def _free_all(self) -> None:
        for partition in sorted(self._held):
            self._locks.give_back(_partition_lock(partition))
        self._held.clear()
        if self._slot is not None:
            self._locks.give_back(_slot_lock(self._slot))
            self._slot = None
        self._locks.tell()

    def _report(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._abandoned:
            return
        error = task.exception()
        if error is not None:
            context = {"message": "a claim's callback failed; the member has left", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)


def _partition_lock(partition: int) -> str:
    return f"partition-{partition}"


def _slot_lock(slot: int) -> str:
    return f"slot-{slot}"
