"""A process of the simulated world: tasks that die together, and a connection to the log that can be slow, stand still or be cut.

Every task that a process's tasks start belongs to it too. `kill` is `kill -9`: nothing that its tasks do while they end reaches the
log any more, and what is on its way there may still arrive.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterator
from itertools import count
from typing import Any

_current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class NumberedTask(asyncio.Task[Any]):
    """A task that stands in a set by its number: groups of tasks are sets, and their order must not depend on memory addresses."""

    _number: int

    def __new__(cls, numbers: Iterator[int], *_arguments: Any, **_options: Any) -> NumberedTask:
        task: NumberedTask = super().__new__(cls)
        task._number = next(numbers)
        return task

    def __init__(self, _numbers: Iterator[int], coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


def track_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Let every task of the loop that is started inside a process belong to it."""
    numbers = count(1)

    def make_task(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = NumberedTask(numbers, coroutine, loop=loop, **options)
        context = options.get("context")
        process = _current.get() if context is None else context.get(_current)
        if process is not None:
            process.tasks[task] = None
            task.add_done_callback(process.forget)
        return task

    loop.set_task_factory(make_task)  # type: ignore[arg-type]  # the stub's protocol is narrower than the documented call


class Process:
    """One process. `on_death` is called once, when it is killed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.died = asyncio.Event()
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.on_death: list[Callable[[], None]] = []
        self._awake = asyncio.Event()
        self._awake.set()
        self._context = contextvars.copy_context()
        self._context.run(_current.set, self)

    @property
    def stalled(self) -> bool:
        """Whether its calls of the log get no answer at the moment."""
        return not self._awake.is_set()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start a task in it."""
        return asyncio.get_running_loop().create_task(coroutine, name=f"{self.name}: {name}", context=self._context)

    def forget(self, task: asyncio.Task[Any]) -> None:
        """A task of it has ended."""
        self.tasks.pop(task, None)

    def stall(self) -> None:
        """From now on its calls of the log get no answer."""
        self._awake.clear()

    def resume(self) -> None:
        """They do again."""
        self._awake.set()

    async def awake(self) -> None:
        """Wait while it is stalled; for ever when it is dead."""
        await self._awake.wait()
        if self.dead:
            await asyncio.Future()

    async def resumed(self) -> None:
        """Wait while it is stalled; at once when it is dead."""
        await self._awake.wait()

    def kill(self) -> None:
        """Let it die at once; `died` is set when no task of it is left."""
        if self.dead:
            return
        self.dead = True
        self._awake.set()
        for hook in self.on_death:
            hook()
        outside(self._bury(), f"burial of {self.name}")

    async def _bury(self) -> None:
        while self.tasks:
            tasks = list(self.tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self.died.set()


def outside(coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    """Start a task that belongs to the world and to no process."""
    return asyncio.get_running_loop().create_task(coroutine, name=name, context=contextvars.Context())
