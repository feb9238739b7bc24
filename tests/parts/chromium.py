"""A browser for tests: the system's Chromium or Chrome, driven by Playwright with this path and these arguments.

Called by the fixture `chromium` and by `python -m tests.parts`. Playwright's own download of a browser is never used.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

from tests.parts.errors import PartMissingError
from tests.parts.packages import install_packages

CHROMIUM_VARIABLE = "CENTRALINO_TEST_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# Without these it talks to hosts that no test needs.
_QUIET_ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chromium:
    """How to start the browser: `playwright.chromium.launch(executable_path=..., args=list(arguments))`, headless."""

    executable_path: str
    arguments: tuple[str, ...]


def obtain_chromium() -> Chromium:
    """The browser on this machine; installs the package when there is none. `PartMissingError` when it cannot be had."""
    path = os.environ.get(CHROMIUM_VARIABLE) or _find()
    if path is None:
        install_packages("a browser", "chromium", "fonts-liberation")
        path = _find()
    if path is None:
        raise PartMissingError(f"no browser was found; please install Chromium, or name one in {CHROMIUM_VARIABLE}")
    _ensure_driver()
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Its sandbox refuses root.
    return Chromium(executable_path=path, arguments=(*as_root, *_QUIET_ARGUMENTS))


def _find() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def _ensure_driver() -> None:
    """Playwright's own driver needs one library that the smallest systems lack."""
    command = [sys.executable, "-m", "playwright", "--version"]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        install_packages("a library of Playwright's driver", "libatomic1")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PartMissingError(f"Playwright's driver does not run:\n{done.stdout}{done.stderr}")
