"""A PostgreSQL server as a process on this machine, from the system's packages, apart from any server that runs there."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import tempfile
from pathlib import Path

from tests.parts.errors import PartMissingError
from tests.parts.packages import install_packages
from tests.parts.postgres import QUICK_SETTINGS, PostgresServer, answers, run_coroutine
from tests.support.ports import free_port
from tests.support.processes import Child
from tests.support.waiting import wait_until

_START_TIMEOUT_S = 60
_DEBIAN_FOLDER = Path("/usr/lib/postgresql")


def install_postgres() -> Path:
    """The folder with `postgres` and `initdb`, the newest there is; installs the package when there is none."""
    programs = _find_programs()
    if programs is None:
        install_packages("PostgreSQL", "postgresql")
        programs = _find_programs()
    if programs is None:
        raise PartMissingError("the package postgresql is installed, but there is no initdb; please put it on the PATH")
    return programs


def _find_programs() -> Path | None:
    """Debian keeps the server's programs outside the PATH, one folder for each version."""

    def version(folder: Path) -> tuple[int, ...]:
        return tuple(int(number) for number in re.findall(r"\d+", folder.parent.name))

    folders = sorted(_DEBIAN_FOLDER.glob("*/bin"), key=version, reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def _unprivileged_user() -> str | None:
    """Who the server runs as: it refuses root. None stands for whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _signal_each(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


class LocalPostgres(PostgresServer):
    """See `PostgresServer`. Its data and its socket are in a folder of its own under the system's temporary folder."""

    def __init__(self, programs: Path) -> None:
        """`programs`: what `install_postgres` gave."""
        self._programs = programs
        self._port = free_port()
        self.url = f"postgresql://centralino:centralino@127.0.0.1:{self._port}/postgres"
        self._user = _unprivileged_user()
        self._folder: Path | None = None
        self._child: Child | None = None

    def start(self) -> None:
        folder = self._folder or self._prepare()
        if self._child is not None:
            assert not self._child.running, "the server runs already"
            self._child.close()
        settings = (
            f"port={self._port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            *QUICK_SETTINGS,
        )
        options = [word for setting in settings for word in ("-c", setting)]
        command = [str(self._programs / "postgres"), "-D", str(folder / "data"), *options]
        self._child = child = Child(
            command, folder / "output", working_directory=folder, user=self._user, scratch=folder
        )

        def serves() -> bool:
            child.check_running()
            return run_coroutine(answers(self.url))

        wait_until(serves, _START_TIMEOUT_S)

    def stop(self) -> None:
        # SIGINT is its "fast" end: it does not wait for clients to leave, as SIGTERM would.
        self._started().interrupt()
        self._started().wait()

    def kill(self) -> None:
        self.pause()  # None of its processes may see another one die, and act on it.
        backends = self._backends()
        self._started().kill()
        _signal_each(backends, signal.SIGKILL)

    def pause(self) -> None:
        self._started().pause()
        _signal_each(self._backends(), signal.SIGSTOP)

    def resume(self) -> None:
        _signal_each(self._backends(), signal.SIGCONT)
        self._started().resume()

    def close(self) -> None:
        if self._child is not None:
            if self._child.running:
                _signal_each(self._backends(), signal.SIGCONT)
            self._child.close()
            self._child = None
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def _backends(self) -> list[int]:
        """The processes that serve connections: each has a session of its own, so no signal to the server's group reaches it."""
        parent = f"PPid:\t{self._started().pid}\n"
        found = []
        for path in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if parent in path.read_text():
                    found.append(int(path.parent.name))
        return found

    def _started(self) -> Child:
        assert self._child is not None, "start it first"
        return self._child

    def _prepare(self) -> Path:
        """Make the data folder, once."""
        self._folder = folder = Path(tempfile.mkdtemp(prefix="centralino-pg-"))
        password = folder / "password"
        password.write_text("centralino\n")
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            for path in (folder, password):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        what = ["-D", str(folder / "data"), "--username=centralino", f"--pwfile={password}", "--auth=scram-sha-256"]
        how = ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        command = [str(self._programs / "initdb"), *what, *how]
        with Child(command, folder / "initdb-output", working_directory=folder, user=self._user) as child:
            code = child.wait(_START_TIMEOUT_S)
            assert code == 0, f"initdb failed:\n{child.output()}"
        return folder
