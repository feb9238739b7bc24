"""Child processes of tests: ready, stopped, killed, paused, and never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ChildStarter
from tests.support.ports import free_port
from tests.support.processes import Child, ChildFailedError
from tests.support.waiting import eventually

FOREVER = ("sh", "-c", "echo started; exec tail -f /dev/null")


def a_web_server(port: int) -> tuple[str, ...]:
    return (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")


def state_of(pid: int) -> str:
    """The letter of the process's state (T is stopped, Z is a zombie); empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def gone(pid: int) -> bool:
    return state_of(pid) in ("", "Z")


async def test_a_child_is_ready_when_it_answers(start_child: ChildStarter) -> None:
    port = free_port()
    child = start_child(a_web_server(port), name="web")

    await child.wait_until_ready(f"http://127.0.0.1:{port}/")

    assert child.running
    assert child.kill() == -signal.SIGKILL


async def test_a_child_that_ends_before_it_is_ready_fails_at_once_with_its_output(start_child: ChildStarter) -> None:
    child = start_child(("sh", "-c", "echo no configuration; exit 3"))

    with pytest.raises(ChildFailedError, match=r"exit code 3[\s\S]*no configuration"):
        await child.wait_until_ready("http://127.0.0.1:1/", timeout_s=60)


async def test_a_clean_end_is_exit_code_0(start_child: ChildStarter) -> None:
    child = start_child(("sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do read _; done"))
    await child.wait_for_output("up")

    await child.stopped()

    assert child.output() == "up\nbye\n"


async def test_an_unclean_end_is_an_error(start_child: ChildStarter) -> None:
    child = start_child(("sh", "-c", "trap 'exit 7' TERM; echo up; while :; do read _; done"))
    await child.wait_for_output("up")

    with pytest.raises(ChildFailedError, match="exit code 7 where 0 was due"):
        child.stop()


async def test_a_paused_child_stands_still(start_child: ChildStarter) -> None:
    child = start_child(FOREVER)
    await child.wait_for_output("started")

    child.pause()
    await eventually(lambda: state_of(child.pid) == "T")
    child.resume()

    await eventually(lambda: state_of(child.pid) == "S")


async def test_kill_takes_along_what_the_child_started(start_child: ChildStarter) -> None:
    child = start_child(("sh", "-c", "tail -f /dev/null & echo $!; wait"))
    await child.wait_for_output("\n")
    grandchild = int(child.output())

    child.kill()

    await eventually(lambda: gone(grandchild))


async def test_the_environment_is_added_to_the_own(tmp_path: Path, start_child: ChildStarter) -> None:
    child = start_child(
        ("sh", "-c", 'echo "$CENTRALINO_NAME $PATH"; pwd'),
        environment={"CENTRALINO_NAME": "care"},
        working_directory=tmp_path,
    )

    assert child.wait() == 0

    assert child.output().splitlines() == [f"care {os.environ['PATH']}", str(tmp_path)]


async def test_nothing_is_left_when_the_test_run_is_killed(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program = f"""
import pathlib, time
from tests.support.processes import Child
child = Child({FOREVER!r}, pathlib.Path({str(tmp_path / "log")!r}), scratch=pathlib.Path({str(scratch)!r}))
print(child.pid, flush=True)
time.sleep(1000)
"""
    root = Path(__file__).parents[2]
    test_run = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE, cwd=root)
    assert test_run.stdout is not None
    child_pid = int(await test_run.stdout.readline())
    assert not gone(child_pid)

    test_run.kill()
    await test_run.wait()

    await eventually(lambda: gone(child_pid))
    await eventually(lambda: not scratch.exists())


async def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    with Child(FOREVER, tmp_path / "log") as child:
        child.close()

    assert not child.running
