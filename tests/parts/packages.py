"""Programs from the system's packages (apt), installed when a part needs them and they are missing."""

import os
import shutil
import subprocess

from tests.parts.choice import say
from tests.parts.errors import PartMissingError

_INSTALL_TIMEOUT_S = 900
_OUTPUT_TAIL_CHARS = 2000


def install_packages(purpose: str, *names: str) -> None:
    """Install the packages `names`. `PartMissingError` where this machine has no apt, or no right to use it."""
    wanted = f"{purpose} is missing and would be installed as: {' '.join(names)}"
    apt = shutil.which("apt-get")
    if apt is None:
        raise PartMissingError(f"{wanted}; this machine has no apt-get, so please install it by hand")
    as_root = [] if os.geteuid() == 0 else _sudo(wanted)
    say(f"installing {' '.join(names)} for {purpose}")
    _run([*as_root, apt, "update", "-q"], wanted)
    # `env` because sudo drops the environment.
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive"]
    _run([*as_root, *quiet, apt, "install", "-q", "-y", "--no-install-recommends", *names], wanted)


def _sudo(wanted: str) -> list[str]:
    sudo = shutil.which("sudo")
    if sudo is None:
        raise PartMissingError(f"{wanted}; this user is not root and there is no sudo, so please install it by hand")
    if subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode != 0:
        raise PartMissingError(
            f"{wanted}; sudo asks for a password, so please install it by hand or run `sudo true` first"
        )
    return [sudo, "-n"]


def _run(command: list[str], wanted: str) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_INSTALL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise PartMissingError(f"{wanted}; `{' '.join(command)}` did not end in {_INSTALL_TIMEOUT_S} s") from None
    if done.returncode != 0:
        tail = (done.stdout + done.stderr)[-_OUTPUT_TAIL_CHARS:]
        raise PartMissingError(f"{wanted}; `{' '.join(command)}` failed:\n{tail}")
