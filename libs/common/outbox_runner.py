"""Works an outbox off: leases what is due, has it sent, keeps the outcome, and puts the outcome on the log.

The services hand it a function that sends and one that reports; both may raise OutageError, which means later. `turn` does one round
and is what the simulation drives; `run` repeats it, waking when something is added or falls due.
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
from libs.common.outbox import Outbox, OutboxItem, OutboxState, Outcome

_IDLE_MS: Final = 60_000
_OUTAGE_PAUSE_MS: Final = 500


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

    `gate` is awaited before rows are leased; its OutageError says that nothing can be sent now, so nothing is tried.
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
        at_once: int = 10,
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
        self._woken = asyncio.Event()
        self._logger = get_logger(__name__)

    def wake(self) -> None:
        """There may be something to do now."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled. Outages of the store or the log are waited out and shown on readiness."""
        while True:
            self._woken.clear()
            try:
                busy = await self.turn()
                due_ms = None if busy else await self._outbox.next_due_ms()
            except OutageError as error:
                self._health.set(self._name, ok=False, detail=str(error))
                await self._clock.sleep_ms(_OUTAGE_PAUSE_MS)
                continue
            self._health.set(self._name, ok=True)
            if not busy:
                await self._wait_until(due_ms)

    async def turn(self) -> bool:
        """Report what is finished, then send what is due. True when there was something to do."""
        reported = await self._report_finished()
        if self._gate is not None:
            await self._gate()
        items = await self._outbox.lease(now_ms=self._clock.now_ms(), limit=self._at_once)
        if items:
            # Whatever becomes of one row, the others are finished: they may be in the middle of their delivery.
            ends = await asyncio.gather(*(self._work(item) for item in items), return_exceptions=True)
            errors = [end for end in ends if isinstance(end, BaseException)]
            for error in sorted(errors, key=lambda error: isinstance(error, OutageError)):
                raise error  # A bug rather than an outage.
        # Leasing too finishes rows: those whose sender died beyond the point of no return.
        return await self._report_finished() or bool(items) or reported

    async def _report_finished(self) -> bool:
        outcomes = await self._outbox.unreported()
        if outcomes:
            await self._report(outcomes)
            await self._outbox.mark_reported([outcome.effect_id for outcome in outcomes])
        return bool(outcomes)

    async def _work(self, item: OutboxItem) -> None:
        async def begin_delivery() -> bool:
            return await self._outbox.begin_delivery(item, now_ms=self._clock.now_ms())

        try:
            result = await self._send(item, begin_delivery)
        except OutageError as error:
            result = Later(reason=type(error).__name__, outage=True)
        now_ms = self._clock.now_ms()
        if isinstance(result, Sent):
            await self._outbox.finish(item, OutboxState.SENT, result.detail, now_ms=now_ms)
        elif isinstance(result, Refused):
            await self._outbox.finish(item, result.state, result.reason, now_ms=now_ms)
        elif now_ms - item.created_ms >= self._retry.give_up_after_ms:
            await self._outbox.finish(item, OutboxState.FAILED, result.reason, now_ms=now_ms)
        else:
            await self._postpone(item, result, now_ms)

    async def _postpone(self, item: OutboxItem, result: Later, now_ms: int) -> None:
        if result.progress is not None:
            await self._outbox.note_progress(item, result.progress, now_ms=now_ms)
        pause_ms = max(result.after_ms, self._retry.pause_ms(item.attempts, outage=result.outage))
        self._logger.info(
            "send_postponed", outbox=self._name, effect_id=item.effect_id, attempts=item.attempts, pause_ms=pause_ms
        )
        await self._outbox.postpone(item, until_ms=now_ms + pause_ms, reason=result.reason, now_ms=now_ms)

    async def _wait_until(self, due_ms: int | None) -> None:
        pause_ms = _IDLE_MS if due_ms is None else min(_IDLE_MS, max(0, due_ms - self._clock.now_ms()))
        sleeping = asyncio.ensure_future(self._clock.sleep_ms(pause_ms))
        waking = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
