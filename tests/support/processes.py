"""Child processes of tests: started with their output in a file, watched, stopped, killed, and never left behind.

Called by tests that run `centralino` for real and by the parts (broker, database) that run beside the tests. A child gets a
session of its own, so a signal reaches it and everything that it started; a guard ends it when the test run itself
is killed, so that even `kill -9` of pytest leaves nothing behind.
"""

import asyncio
import contextlib
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.support.waiting import eventually

# Waits for the end of its input, which comes when the test run closes it or dies; then ends the child's whole group.
_GUARD = 'read _; kill -s KILL -- "-$1" 2>/dev/null; [ -z "$2" ] || rm -rf -- "$2"'
_OUTPUT_TAIL_CHARS = 4000


class ChildFailedError(Exception):
    """A child process ended, or did not get ready, or did not end as it should; carries the end of its output.

    No `AssertionError`, so that `eventually` does not take it for "not yet".
    """


def centralino_command(*arguments: str | Path) -> tuple[str, ...]:
    """The command line of `centralino ARGUMENTS` with the interpreter that runs the tests."""
    return (sys.executable, "-m", "services", *map(str, arguments))


class Child:
    """One child process in a session of its own, with standard output and error in `output_path`.

    `scratch` is a folder that belongs to the child's data: the guard removes it when the test run dies. Whoever started the
    child removes it in the ordinary case.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        output_path: Path,
        *,
        environment: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
        user: str | None = None,
        scratch: Path | None = None,
    ) -> None:
        """Start `command`. `environment` is added to this process's own; `user` needs root."""
        self.command = tuple(str(part) for part in command)
        self.output_path = output_path
        with output_path.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=working_directory,
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
                start_new_session=True,
            )
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "guard", str(self._process.pid), str(scratch or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id, which is its group's id too."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, minus the signal where one ended it, or None while it runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.exit_code is None

    def output(self) -> str:
        """Everything it has written so far."""
        return self.output_path.read_text(errors="replace")

    def terminate(self) -> None:
        """Ask it to end (SIGTERM, to the process alone as a service manager does)."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """Ask it to end as Ctrl-C does (SIGINT, to the process alone)."""
        if self.running:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> int:
        """End it and all that it started at once (SIGKILL), and wait until it is gone."""
        self._signal_group(signal.SIGKILL)
        return self.wait()

    def pause(self) -> None:
        """Stop it in its tracks (SIGSTOP): sockets stay open and nothing answers."""
        self._signal_group(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on (SIGCONT)."""
        self._signal_group(signal.SIGCONT)

    def wait(self, timeout_s: float = 30) -> int:
        """The exit code, once it has ended. `ChildFailedError` when it still runs after `timeout_s`."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ChildFailedError(self._describe(f"still runs after {timeout_s} s")) from None
        self._dismiss_guard()
        return code

    def stop(self, timeout_s: float = 30) -> None:
        """Ask it to end, and insist that it ends by itself, with exit code 0, within `timeout_s`."""
        self.terminate()
        code = self.wait(timeout_s)
        if code != 0:
            raise ChildFailedError(self._describe(f"ended with exit code {code} where 0 was due"))

    def check_running(self) -> None:
        """`ChildFailedError`, with the end of its output, when it has ended."""
        if not self.running:
            raise ChildFailedError(self._describe(f"has ended with exit code {self.exit_code}"))

    async def wait_for_output(self, text: str, timeout_s: float = 30) -> None:
        """Wait until its output holds `text`; fails at once when it ends before."""

        async def written() -> bool:
            found = text in self.output()
            if not found:
                self.check_running()
            return found

        await self._wait_for(written, f"did not write {text!r}", timeout_s)

    async def wait_until_ready(self, url: str, timeout_s: float = 30) -> None:
        """Wait until `GET url` gives 200; fails at once when the process ends before."""
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:

            async def ready() -> bool:
                self.check_running()
                try:
                    return (await client.get(url)).status_code == httpx.codes.OK
                except httpx.TransportError:
                    return False

            await self._wait_for(ready, f"did not answer 200 at {url}", timeout_s)

    async def stopped(self, timeout_s: float = 30) -> None:
        """`stop`, without holding up the event loop."""
        await asyncio.to_thread(self.stop, timeout_s)

    def close(self) -> None:
        """Make sure that nothing of it is left; for clean-up, asks and asserts nothing."""
        if self.running:
            self.kill()
        else:
            self._signal_group(signal.SIGKILL)  # What it started may outlive it.
            self._dismiss_guard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _wait_for(self, check: Callable[[], Awaitable[bool]], complaint: str, timeout_s: float) -> None:
        try:
            await eventually(check, timeout_s)
        except AssertionError:
            raise ChildFailedError(self._describe(f"{complaint} within {timeout_s} s")) from None

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _dismiss_guard(self) -> None:
        """The guard must go before the process id can be given to somebody else's process."""
        self._guard.kill()
        self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()

    def _describe(self, complaint: str) -> str:
        tail = self.output()[-_OUTPUT_TAIL_CHARS:]
        return f"{' '.join(self.command[:6])} (pid {self.pid}) {complaint}; the end of {self.output_path}:\n{tail}"
