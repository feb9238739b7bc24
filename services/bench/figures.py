"""What a benchmark has found: figures of several runs, ratios of runs made side by side, and the machine that they were made on.

A figure alone says little, because machines differ and neighbours make noise; a ratio compares two runs that were made one right after
the other. Pure but for `describe_machine`, which reads what the system says of itself. Every benchmark returns a `Report`.
"""

from __future__ import annotations

import math
import os
import platform
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

_CPU_FILE: Final = Path("/proc/cpuinfo")
_PACKAGES: Final = ("aiokafka", "fastapi", "uvicorn", "uvloop", "msgspec", "sqlalchemy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measure of one subject, of every run in order. `log`: on which event log (`sqlite`, `kafka`, empty where there is none)."""

    subject: str
    measure: str
    unit: str
    runs: tuple[float, ...]
    log: str = ""

    @property
    def median(self) -> float:
        """The middle of the runs."""
        return statistics.median(self.runs)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "log": self.log,
            "subject": self.subject,
            "measure": self.measure,
            "unit": self.unit,
            "median": _short(self.median),
            "lowest": _short(min(self.runs)),
            "highest": _short(max(self.runs)),
            "runs": [_short(run) for run in self.runs],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A benchmark's result. `parameters`: what it was asked to do. `notes`: what a reader must know to read the figures right."""

    benchmark: str
    parameters: Mapping[str, Any]
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "benchmark": self.benchmark,
            "machine": dict(self.machine),
            "parameters": dict(self.parameters),
            "figures": [figure.as_json() for figure in self.figures],
            "notes": list(self.notes),
        }

    def as_table(self) -> str:
        """For people: one line per figure, the median first."""
        header = ("log", "what", "measure", "median", "lowest", "highest", "runs")
        rows = [
            (
                figure.log,
                figure.subject,
                f"{figure.measure}, {figure.unit}" if figure.unit else figure.measure,
                *(_text(value) for value in (figure.median, min(figure.runs), max(figure.runs))),
                str(len(figure.runs)),
            )
            for figure in self.figures
        ]
        widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
        lines = [_line(header, widths), "  ".join("-" * width for width in widths)]
        lines += [_line(row, widths) for row in rows]
        lines += ["", *(f"note: {note}" for note in self.notes)]
        lines += [f"machine: {', '.join(f'{name} {value}' for name, value in self.machine.items())}"]
        return "\n".join(lines)


def ratios(name: str, of: Figure, to: Figure) -> Figure:
    """How many times `to` each run of `of` was, run by run: both were made in the same round."""
    pairs = zip(of.runs, to.runs, strict=True)
    return Figure(
        subject=name, measure=of.measure, unit="times", runs=tuple(a / b if b else 0.0 for a, b in pairs), log=of.log
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed (nearest rank). There must be one value at least."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def describe_machine() -> dict[str, Any]:
    """Where this was measured, and how busy the machine was with other things when it began."""
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in _PACKAGES},
        "load_average": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    if _CPU_FILE.exists():
        for line in _CPU_FILE.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    # Names to the left, numbers to the right.
    padded = [
        cell.ljust(width) if column < 3 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _text(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def _short(value: float) -> float:
    return float(f"{value:.5g}")
