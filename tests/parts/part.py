"""What every part is: a server that tests start, stop, kill and freeze, whoever runs it."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from tests.parts.choice import WAYS_VARIABLE, Way, allowed_ways
from tests.parts.errors import PartMissingError, PartNotOursError

P = TypeVar("P")


class Part(ABC):
    """A server with a fixed address, whose data outlives `stop` and `kill` and goes with `close`."""

    @abstractmethod
    def start(self) -> None:
        """Start it on its own port with the data that it has, and return when it serves clients."""

    @abstractmethod
    def stop(self) -> None:
        """End it in good order, cutting off whoever is connected; the data stays."""

    @abstractmethod
    def kill(self) -> None:
        """End all of it with SIGKILL; the data stays."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""

    @abstractmethod
    def resume(self) -> None:
        """Let it go on after `pause`."""

    @abstractmethod
    def close(self) -> None:
        """End it and delete its data."""

    def restart(self) -> None:
        """`stop` and `start`."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class GivenPart(Part):
    """One that somebody else runs, named by `variable`: it is used, and never stopped."""

    variable: str

    def start(self) -> None:
        """Nothing: it runs."""

    def stop(self) -> None:
        """`PartNotOursError`."""
        raise PartNotOursError(
            f"what {self.variable} names is not this test run's to stop; unset it for tests of failure"
        )

    kill = pause = resume = stop

    def close(self) -> None:
        """Nothing: it goes on running."""


def obtain(
    variable: str, image: str, *, given: Callable[[str], P], contained: Callable[[], P], local: Callable[[], P]
) -> P:
    """A part, not started yet: the one that the environment names, else one in a container of `image`, else a program on this machine.

    `PartMissingError` when there is no way to have one.
    """
    named = os.environ.get(variable)
    if named:
        return given(named)
    ways = allowed_ways()
    if Way.DOCKER in ways:
        from tests.parts.containers import image_ready

        if image_ready(image):
            return contained()
        if Way.LOCAL not in ways:
            raise PartMissingError(f"{WAYS_VARIABLE} is 'docker', but no Docker engine gives the image {image}")
    return local()
