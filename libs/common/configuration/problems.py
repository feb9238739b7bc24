"""What is wrong with a configuration, and how it is told. Called by whoever reads or checks one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from libs.common.configuration.places import Path
from libs.common.errors import RefusedError


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ConfigurationProblem:
    """One thing that is wrong, or (as a warning) probably not meant, at a place in the file. `path` is empty for the whole."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something wrong, or (a warning) probably not meant, at a path; `on_key` where the key is the place to look at."""

    path: Path
    message: str
    warning: bool = False
    on_key: bool = False


class ConfigurationInvalidError(RefusedError):
    """The configuration cannot be used."""

    def __init__(self, problems: tuple[ConfigurationProblem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def suggest(word: str, known: Iterable[str]) -> str:
    """`; did you mean orders?` where something known is close to the word, else an empty text."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
