"""Hands frames to the open streams of this process. A frame is encoded once, when it is written, however many sockets get it.

Every subscription has a bounded queue; one that is full is closed, because its reader will find everything again from its cursor.
Belongs to one event loop. The tailer publishes, `ws` subscribes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Final

from services.agent_api.store.rows import FrameRow

QUEUED_FRAMES_MAX: Final = 256
# Codes from 4000 on are the application's own (RFC 6455, section 7.4.2).
CLOSE_TOO_SLOW: Final = 4008
CLOSE_BEGIN_AGAIN: Final = 4009


class Subscription:
    """One stream's place in the hub. `pools` are those that it supervises; None: all. `own_pool`: the one that its agent works in.

    `on_close` is called once, with the code, when the hub gives the stream up.
    """

    __slots__ = ("_after_seq", "_limit", "_on_close", "_queue", "_wake", "agent_id", "closed", "own_pool", "pools")

    def __init__(
        self,
        agent_id: str,
        pools: frozenset[str] | None,
        on_close: Callable[[int], None],
        limit: int = QUEUED_FRAMES_MAX,
        own_pool: str | None = None,
    ) -> None:
        self.agent_id = agent_id
        self.pools = pools
        self.own_pool = own_pool
        self.closed = False
        self._on_close = on_close
        self._limit = limit
        self._queue: deque[tuple[int, str, str]] = deque()
        self._wake = asyncio.Event()
        self._after_seq = -1

    def supervises(self, pool: str) -> bool:
        """Whether every frame of the pool is for this stream."""
        return self.pools is None or pool in self.pools

    def begin_after(self, seq: int) -> None:
        """Frames up to this one are in the snapshot, or were read from the store."""
        self._after_seq = seq

    def push(self, seq: int, frame_type: str, text: str) -> None:
        """Queue a frame; a queue that is full closes the stream."""
        if self.closed:
            return
        if len(self._queue) >= self._limit:
            self.close(CLOSE_TOO_SLOW)
            return
        self._queue.append((seq, frame_type, text))
        self._wake.set()

    def close(self, code: int) -> None:
        """Give the stream up."""
        if not self.closed:
            self.closed = True
            self._queue.clear()
            self._on_close(code)

    async def next_frame(self) -> tuple[str, str]:
        """The next frame's type and text."""
        while True:
            while self._queue:
                seq, frame_type, text = self._queue.popleft()
                # A sign of life bears the number of the newest frame; it is due also when nothing else has come since.
                if seq > self._after_seq or (frame_type == "ping" and seq == self._after_seq):
                    return frame_type, text
            self._wake.clear()
            await self._wake.wait()


class Hub:
    """The open streams. `seen_seq` is the newest frame that was handed out (None before the tailer has begun) of the store's `epoch`."""

    def __init__(self) -> None:
        self.seen_seq: int | None = None
        self.epoch = ""
        self._by_agent: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._by_pool: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._of_all: set[Subscription] = set()

    def __len__(self) -> int:
        return len({subscription for group in self._by_agent.values() for subscription in group})

    def present(self) -> list[tuple[str | None, str]]:
        """The agents with an open stream, each with his own pool."""
        found = {
            (each.own_pool, each.agent_id) for group in self._by_agent.values() for each in group if not each.closed
        }
        return sorted(found, key=str)

    def add(self, subscription: Subscription) -> None:
        """Frames from now on are queued for it."""
        self._by_agent[subscription.agent_id].add(subscription)
        if subscription.pools is None:
            self._of_all.add(subscription)
        for pool in subscription.pools or ():
            self._by_pool[pool].add(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Nothing more is queued for it."""
        _leave(self._by_agent, subscription.agent_id, subscription)
        self._of_all.discard(subscription)
        for pool in subscription.pools or ():
            _leave(self._by_pool, pool, subscription)

    def publish(self, frames: Sequence[FrameRow]) -> None:
        """Queue frames, in order, for whom they are. Frames that were handed out before are passed over."""
        for frame in frames:
            if self.seen_seq is not None and frame.seq <= self.seen_seq:
                continue
            self.seen_seq = frame.seq
            for subscription in (*self._of_all, *self._by_pool.get(frame.pool, ())):
                subscription.push(frame.seq, frame.type, frame.body)
            if frame.agent_id is not None:
                for subscription in tuple(self._by_agent.get(frame.agent_id, ())):
                    if not subscription.supervises(frame.pool):
                        subscription.push(frame.seq, frame.type, frame.body)

    def ping(self, text: str) -> None:
        """Queue a sign of life for everybody, once encoded."""
        seq = self.seen_seq or 0
        for group in tuple(self._by_agent.values()):
            for subscription in tuple(group):
                subscription.push(seq, "ping", text)

    def restart(self, seen_seq: int) -> None:
        """Too many frames were missed: every stream is closed, to begin anew from its cursor or from a snapshot."""
        self.seen_seq = seen_seq
        for group in tuple(self._by_agent.values()):
            for subscription in tuple(group):
                subscription.close(CLOSE_BEGIN_AGAIN)


def _leave(groups: dict[str, set[Subscription]], key: str, subscription: Subscription) -> None:
    groups[key].discard(subscription)
    if not groups[key]:
        del groups[key]
