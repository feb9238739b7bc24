"""Child processes of a benchmark: the services as their users start them, and the bare programs that they are compared with.

Every child's output goes to a file in the benchmark's folder; whatever happens, no child is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from libs.common.errors import OutageError

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.05
_TAIL_CHARS: Final = 3_000


class ChildFailedError(OutageError):
    """A program that the benchmark needs has ended or does not get ready."""


class Children:
    """The child processes of one benchmark; a context manager that ends them all."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start `python -m MODULE ARGUMENTS`; it is not ready yet."""
        assert name not in self._processes, f"{name} runs already"
        with self._output(name).open("wb") as output:  # Anew: what an earlier one said must not be taken for this one.
            self._processes[name] = subprocess.Popen(  # noqa: S603  # our own programs, with arguments of our own
                (sys.executable, "-m", module, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                # A signal for the benchmark must not reach the children behind its back: it ends them itself.
                start_new_session=True,
            )

    async def wait_until_ready(self, name: str, url: str) -> None:
        """Return when `GET url` gives 200. Raises ChildFailedError."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            while time.monotonic() < deadline_s:
                self.check_running(name)
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(url)).status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(_POLL_S)
        raise ChildFailedError(f"{name} is not ready within {START_TIMEOUT_S} s; its output ends:\n{self._tail(name)}")

    async def wait_for_line(self, name: str, beginning: str) -> str:
        """The rest of the first line of its output that begins so. Raises ChildFailedError."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            for line in self._output(name).read_text(errors="replace").splitlines(keepends=True):
                if line.startswith(beginning) and line.endswith("\n"):
                    return line.removeprefix(beginning).strip()
            self.check_running(name)
            await asyncio.sleep(_POLL_S)
        raise ChildFailedError(f"{name} said nothing within {START_TIMEOUT_S} s; its output ends:\n{self._tail(name)}")

    def check_running(self, name: str) -> None:
        """Raises ChildFailedError when it has ended."""
        code = self._processes[name].poll()
        if code is not None:
            raise ChildFailedError(f"{name} has ended with exit code {code}; its output ends:\n{self._tail(name)}")

    def cpu_seconds(self) -> dict[str, float]:
        """How much processor time each running child has used so far; empty where the system does not tell."""
        used = {}
        for name, process in self._processes.items():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
                used[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return used

    async def stop(self, *names: str) -> None:
        """End these in good order. Raises ChildFailedError when one did not end as it should."""
        processes = {name: self._processes[name] for name in names}
        for process in processes.values():
            process.terminate()
        for name, process in processes.items():
            try:
                code = await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise ChildFailedError(f"{name} does not end; its output ends:\n{self._tail(name)}") from None
            if code not in (0, -signal.SIGTERM):
                raise ChildFailedError(f"{name} ended with exit code {code}; its output ends:\n{self._tail(name)}")
            del self._processes[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def _output(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _tail(self, name: str) -> str:
        return self._output(name).read_text(errors="replace")[-_TAIL_CHARS:]


def options(values: Mapping[str, object]) -> Sequence[str]:
    """Command line options of a child: `{"port": 1}` is `--port=1`."""
    return [f"--{name}={value}" for name, value in values.items()]
