"""`python -m libs.common.http.probe URL`: exit code 0 when the URL answers 200, else 1. For containers without curl.

Standard library alone, so that it starts quickly; it asks directly, past any proxy in the environment.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Final

TIMEOUT_S: Final = 3


def probe(url: str, *, timeout_s: float = TIMEOUT_S) -> str | None:
    """None when the URL answers 200, else what it did instead."""
    if not url.startswith(("http://", "https://")):
        return f"{url}: not an HTTP URL"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout_s) as answer:
            return None if answer.status == 200 else f"{url}: {answer.status}"
    except urllib.error.HTTPError as error:
        with error:
            return f"{url}: {error.code} {error.read(2000).decode('utf-8', 'replace')}"
    except (OSError, ValueError) as error:
        return f"{url}: {error}"


def main(arguments: Sequence[str]) -> int:
    """The exit code for these arguments: one URL."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m libs.common.http.probe URL\n")
        return 2
    complaint = probe(arguments[0])
    if complaint is None:
        return 0
    sys.stderr.write(f"{complaint}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
