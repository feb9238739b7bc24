"""Works an outbox off: leases what is due, has it sent, keeps the outcome, and puts the outcome on the log.

The services hand it a function that sends and one that reports; both may raise OutageError, which means later. Many rows are under way at
once, and one that takes its time holds no other one up. What they have to write down meanwhile (that the point of no return is next, what
became of them) is written in one transaction for all that come to it at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from libs.common.clock import Clock
from libs.common.errors import OutageError
from libs.common.http.health import Health
from libs.common.logging import get_logger
from libs.common.outbox import Ending, Outbox, OutboxItem, OutboxState, Outcome
from libs.common.together import Together

_IDLE_MS: Final = 60_000
_OUTAGE_PAUSE_MS: Final = 500
_GATHER_MS: Final = 20
# At the end of the process, what is in the middle of its delivery may finish it: who follows could only give it up or send it twice.
_END_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to go on: pauses double from `first_ms` to `longest_ms`, in an outage only to `longest_in_outage_ms`, so that things
    go out within seconds of its end. What is older than `give_up_after_ms` has failed.
    """

    first_ms: int = 1_000
    longest_ms: int = 1_800_000
    longest_in_outage_ms: int = 5_000
    give_up_after_ms: int = 3 * 86_400_000

    def pause_ms(self, attempts: int, *, outage: bool) -> int:
        """The pause after this many attempts."""
        longest_ms = self.longest_in_outage_ms if outage else self.longest_ms
        return min(longest_ms, self.first_ms << min(attempts - 1, 30))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """It went out; `detail` is the provider's id for it."""

    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It will never go out, and why."""

    reason: str
    state: OutboxState = OutboxState.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """It did not go out, or not all of it: `progress` is what the next attempt must know. `after_ms`: the least pause, where known.

    `outage`: nothing is wrong with the row; whoever should take it does not answer.
    """

    reason: str
    outage: bool = False
    after_ms: int = 0
    progress: str | None = None


Result = Sent | Refused | Later


class BeginDelivery(Protocol):
    """Awaited right before the point of no return; False: the row is somebody else's now, do not send."""

    def __call__(self) -> Awaitable[bool]:
        """Note that the point of no return is next."""
        ...


Send = Callable[[OutboxItem, BeginDelivery], Awaitable[Result]]
Gate = Callable[[], Awaitable[None]]
Report = Callable[[Sequence[Outcome]], Awaitable[None]]


class OutboxRunner:
    """One worker of one outbox; several may share the table. `wake` it after adding rows.

    `gate` is awaited before rows are leased; its OutageError says that nothing can be sent now, so nothing is tried. `at_once`: how many
    rows are under way at most.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        name: str,
        send: Send,
        report: Report,
        clock: Clock,
        health: Health,
        gate: Gate | None = None,
        retry: RetryPolicy | None = None,
        at_once: int = 32,
    ) -> None:
        self._outbox = outbox
        self._name = name
        self._send = send
        self._report = report
        self._clock = clock
        self._health = health
        self._gate = gate
        self._retry = retry or RetryPolicy()
        self._at_once = at_once
        self._beginning = Together(self._begin)
        self._ending = Together(self._end)
        self._working: set[asyncio.Task[None]] = set()
        self._bugs: list[BaseException] = []
        self._woken = asyncio.Event()
        self._ended = asyncio.Event()
        self._unreported: list[str] | None = None  # None: look for all that there are.
        self._outages: dict[str, str] = {}
        self._logger = get_logger(__name__)

    def wake(self, *, over: bool = False) -> None:
        """Rows were added: there may be something to send now. `over`: some of them were over before they began."""
        self._woken.set()
        if over:
            self._unreported = None
            self._ended.set()

    async def run(self) -> None:
        """Work until cancelled. Outages of the store or the log are waited out and shown on readiness; a bug ends it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_due())
            group.create_task(self._report_ended())

    async def _send_due(self) -> None:
        try:
            while True:
                self._woken.clear()
                if self._bugs:
                    raise self._bugs[0]
                try:
                    leased = await self._lease()
                    due_ms = None if leased or self._full else await self._outbox.next_due_ms()
                except OutageError as error:
                    self._say("sending", error)
                    await self._clock.sleep_ms(_OUTAGE_PAUSE_MS)
                    continue
                self._say("sending", None)
                if not leased:
                    await self._wait(self._woken, due_ms)
        finally:
            await self._end_work()

    @property
    def _full(self) -> bool:
        return len(self._working) >= self._at_once

    async def _lease(self) -> bool:
        """Begin to work on what is due, as far as there is room; whether there was something."""
        if self._full:
            return False
        if self._gate is not None:
            await self._gate()
        room = self._at_once - len(self._working)
        items = await self._outbox.lease(now_ms=self._clock.now_ms(), limit=room)
        for item in items:
            task = asyncio.create_task(self._work(item), name=f"{self._name} {item.effect_id}")
            self._working.add(task)
            task.add_done_callback(self._worked)
        given_up, self._outbox.given_up = self._outbox.given_up, []
        self._to_report(given_up)
        return bool(items)

    def _worked(self, task: asyncio.Task[None]) -> None:
        full = self._full
        self._working.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, OutageError):
            # The row stays as it is until its lease ends.
            self._logger.warning("row_left", outbox=self._name, outage=type(error).__name__)
        elif error is not None:
            self._bugs.append(error)
        if full or error is not None:
            self._woken.set()

    async def _end_work(self) -> None:
        if self._working:
            await asyncio.wait(self._working, timeout=_END_S)
        left = list(self._working)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    async def _work(self, item: OutboxItem) -> None:
        async def begin_delivery() -> bool:
            return await self._beginning.ask(item)

        try:
            result = await self._send(item, begin_delivery)
        except OutageError as error:
            result = Later(reason=type(error).__name__, outage=True)
        now_ms = self._clock.now_ms()
        if isinstance(result, Sent):
            ending = Ending(item=item, state=OutboxState.SENT, detail=result.detail)
        elif isinstance(result, Refused):
            ending = Ending(item=item, state=result.state, detail=result.reason)
        elif now_ms - item.created_ms >= self._retry.give_up_after_ms:
            ending = Ending(item=item, state=OutboxState.FAILED, detail=result.reason)
        else:
            await self._postpone(item, result, now_ms)
            return
        await self._ending.ask(ending)

    async def _begin(self, items: Sequence[OutboxItem]) -> list[bool]:
        begun = await self._outbox.begin_deliveries(items, now_ms=self._clock.now_ms())
        return [item.effect_id in begun for item in items]

    async def _end(self, endings: Sequence[Ending]) -> list[None]:
        await self._outbox.finish_all(endings, now_ms=self._clock.now_ms())
        self._to_report([ending.item.effect_id for ending in endings])
        return [None] * len(endings)

    def _to_report(self, effects: Sequence[str]) -> None:
        if effects:
            if self._unreported is not None:
                self._unreported += effects
            self._ended.set()

    async def _postpone(self, item: OutboxItem, result: Later, now_ms: int) -> None:
        if result.progress is not None:
            await self._outbox.note_progress(item, result.progress, now_ms=now_ms)
        pause_ms = max(result.after_ms, self._retry.pause_ms(item.attempts, outage=result.outage))
        self._logger.info(
            "send_postponed", outbox=self._name, effect_id=item.effect_id, attempts=item.attempts, pause_ms=pause_ms
        )
        await self._outbox.postpone(item, until_ms=now_ms + pause_ms, reason=result.reason, now_ms=now_ms)
        self._woken.set()

    async def _report_ended(self) -> None:
        """Put outcomes on the log as they come; now and then all that have none yet, another worker's too, who died in between."""
        looked_ms = self._clock.now_ms()
        while True:
            self._ended.clear()
            if self._clock.now_ms() - looked_ms >= _IDLE_MS:
                self._unreported = None
            if self._unreported is None:
                looked_ms = self._clock.now_ms()
            among, self._unreported = self._unreported, []
            try:
                while await self._report_some(among):
                    if among is not None:
                        break
            except OutageError as error:
                self._unreported = None
                self._say("reporting", error)
                await self._clock.sleep_ms(_OUTAGE_PAUSE_MS)
                continue
            self._say("reporting", None)
            # Those that end one by one are reported together.
            await self._clock.sleep_ms(_GATHER_MS)
            await self._wait(self._ended, None)

    async def _report_some(self, among: Sequence[str] | None) -> bool:
        outcomes = [] if among == [] else await self._outbox.unreported(among)
        if outcomes:
            await self._report(outcomes)
            await self._outbox.mark_reported([outcome.effect_id for outcome in outcomes])
        return bool(outcomes)

    def _say(self, what: str, error: OutageError | None) -> None:
        if error is None:
            self._outages.pop(what, None)
        else:
            self._outages[what] = str(error)
        self._health.set(self._name, ok=not self._outages, detail="; ".join(self._outages.values()))

    async def _wait(self, event: asyncio.Event, until_ms: int | None) -> None:
        """Return when this happens, or when it is time."""
        pause_ms = _IDLE_MS if until_ms is None else min(_IDLE_MS, max(0, until_ms - self._clock.now_ms()))
        if event.is_set():
            return
        sleeping = asyncio.ensure_future(self._clock.sleep_ms(pause_ms))
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((sleeping, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waiting.cancel()
