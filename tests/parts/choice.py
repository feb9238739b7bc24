"""Which way a part is obtained: given by the environment, in a container, or as a program on this machine.

Read by the parts alone. `CENTRALINO_TEST_PARTS` set to `local` or `docker` allows one way only.
"""

import os
from enum import StrEnum

from tests.parts.errors import PartMissingError

WAYS_VARIABLE = "CENTRALINO_TEST_PARTS"


class Way(StrEnum):
    """A way to obtain a part."""

    DOCKER = "docker"
    LOCAL = "local"


def allowed_ways() -> tuple[Way, ...]:
    """The ways that may be tried, the preferred one first."""
    wanted = os.environ.get(WAYS_VARIABLE, "")
    if not wanted:
        return (Way.DOCKER, Way.LOCAL)
    try:
        return (Way(wanted),)
    except ValueError:
        raise PartMissingError(f"{WAYS_VARIABLE} is {wanted!r}; it may be 'local', 'docker' or not set") from None


def say(sentence: str) -> None:
    """Tell whoever runs the tests what is being done for them; pytest shows it with a failure or with `-s`."""
    print(f"tests.parts: {sentence}", flush=True)
