"""Parts in containers: is there an engine, is the image to be had, and one container on loopback.

Used by `kafka_docker` and `postgres_docker`. A container is published on 127.0.0.1 only and on a port that is chosen before,
so that its address is known before it starts and stays when it is killed and started again.
"""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.parts.choice import say
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.container import DockerContainer

# Removes the container when its input ends, which happens when the test run closes it or dies.
_GUARD = """
import sys, docker
from docker.errors import NotFound
sys.stdin.read()
client = docker.from_env()
try:
    client.containers.get(sys.argv[1]).remove(force=True, v=True)
except NotFound:
    pass
client.close()
"""
_START_TIMEOUT_S = 120
_ENGINE_SOCKET = "/var/run/docker.sock"
_LOG_TAIL_BYTES = 4000


@functools.cache
def image_ready(name: str) -> bool:
    """Whether the image `name` is there, pulled now if need be. False, with a printed sentence, where it cannot be had."""
    import docker
    from docker.errors import DockerException, ImageNotFound

    if not _engine_listens():
        return False
    try:
        client = docker.from_env()
    except DockerException:
        return False
    try:
        client.ping()
    except (DockerException, OSError):
        return False  # No engine answers: the ordinary case on a machine without one.
    else:
        try:
            client.images.get(name)
        except ImageNotFound:
            say(f"pulling the image {name}")
            try:
                client.images.pull(name)
            except (DockerException, OSError) as error:
                say(f"a Docker engine answers, but the image {name} cannot be pulled: {error}")
                return False
        return True
    finally:
        client.close()


def _engine_listens() -> bool:
    """Whether somebody listens where the engine should be. Its own client leaks a socket for each connection that is refused."""
    address = os.environ.get("DOCKER_HOST") or f"unix://{_ENGINE_SOCKET}"
    scheme, _, path = address.partition("://")
    if scheme != "unix":
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


class ContainerPart:
    """One container with one published port, which can be killed, started again, paused and removed."""

    def __init__(
        self,
        image: str,
        *,
        ports: tuple[int, int],
        environment: dict[str, str],
        ready_text: str,
        ready_count: int = 1,
        command: list[str] | None = None,
    ) -> None:
        """`ports`: the one inside, the one on this machine.

        `ready_text` stands in its log `ready_count` times when it is ready for the first time, and once more each later time.
        """
        self._image = image
        self._ports = ports
        self._environment = environment
        self._command = command
        self._ready_text = ready_text.encode()
        self._ready_count = ready_count
        self._made: DockerContainer | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again on the same port with the same data, and wait until it is ready."""
        if self._made is None:
            due = self._ready_count
            self._create()
        else:
            due = self._log().count(self._ready_text) + 1
            self._container().start()
        try:
            wait_until(lambda: self._log().count(self._ready_text) >= due or not self._running(), _START_TIMEOUT_S)
            assert self._running(), "it has ended"
        except AssertionError as error:
            tail = self._log()[-_LOG_TAIL_BYTES:].decode(errors="replace")
            raise AssertionError(f"the container of {self._image} did not get ready: {error}\n{tail}") from None

    def stop(self) -> None:
        """End it as `docker stop` does; its data stays."""
        self._container().stop(timeout=30)

    def kill(self) -> None:
        """End it with SIGKILL; its data stays."""
        self._container().kill()
        self._container().wait()

    def pause(self) -> None:
        """Freeze every process in it."""
        self._container().pause()

    def resume(self) -> None:
        """Let them go on."""
        self._container().unpause()

    def close(self) -> None:
        """Remove it with its data."""
        if self._made is not None:
            self._made.stop()
            self._made = None
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None

    def _create(self) -> None:
        # The tests remove their containers themselves. testcontainers reads this when it is imported.
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
        from testcontainers.core.container import DockerContainer

        inside, outside = self._ports
        made = DockerContainer(self._image, env=self._environment)
        if self._command is not None:
            made = made.with_command(self._command)
        # Its own `with_bind_ports` cannot keep to one address.
        made.ports = {f"{inside}/tcp": ("127.0.0.1", outside)}  # type: ignore[dict-item]  # what docker takes here
        self._made = made
        made.start()
        self._guard = subprocess.Popen(
            [sys.executable, "-c", _GUARD, made.get_container_id()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _container(self) -> Container:
        assert self._made is not None, "start it first"
        return self._made.get_wrapped_container()

    def _running(self) -> bool:
        container = self._container()
        container.reload()
        return bool(container.status == "running")

    def _log(self) -> bytes:
        return bytes(self._container().logs())
