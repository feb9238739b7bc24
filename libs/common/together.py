"""One piece of work for all who ask for it at about the same time: many small transactions become few large ones.

While a batch is worked on, those who ask meanwhile make up the next one. Nobody is held up to make a batch larger. Used where
several tasks write to one place; it belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from libs.common.errors import OutageError
from libs.common.logging import get_logger

T = TypeVar("T")
R = TypeVar("R")


class Together(Generic[T, R]):
    """`work` takes what was asked for and gives an answer for each, in order.

    Where it fails for several by a bug, each is tried by itself: what one is made of must not harm the others.
    """

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._work: Final = work
        self._asked: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, item: T) -> R:
        """The answer for this one. Raises what `work` raises. A caller that is cancelled does not stop the work."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._asked.append((item, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._asked:
            # Whoever can run now asks before the work begins.
            await asyncio.sleep(0)
            asked, self._asked = self._asked, []
            await self._answer(asked)

    async def _answer(self, asked: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            answers = await self._work([item for item, _ in asked])
        except Exception as error:  # Not lost: it is the answer of those who asked.
            if len(asked) > 1 and not isinstance(error, OutageError):
                get_logger(__name__).exception("batch_failed", items=len(asked))
                for one in asked:
                    await self._answer([one])
                return
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        except asyncio.CancelledError:
            for _, future in [*asked, *self._asked]:
                future.cancel()
            raise
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)
