"""The page about expected waits: one table of simulated cases. Made by `centralino simulate --waits`; nobody edits it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.router.simulator.comparison import ACCURACY_COLUMNS, accuracy_cells, as_share
from services.router.simulator.pages import render_template
from services.router.simulator.wait_cases import WaitResult

_RIVALS: Final = {"last": "as the last one", "head": "as the first in line", "rate": "rate of a quarter of an hour"}


def render_waits(results: Sequence[WaitResult], seed: int, command: str) -> str:
    """The whole page."""
    own = [["case", "queue", *ACCURACY_COLUMNS]]
    rivals = [["case", "the router's", *_RIVALS.values()]]
    for result in results:
        own += [[result.case.name, one.queue or "all", *accuracy_cells(one)] for one in result.accuracies]
        rivals.append(
            [
                result.case.name,
                *(
                    f"{as_share(one.relative_error)}, {as_share(one.within_half)}"
                    for one in (result.accuracies[0], *(result.rivals[name] for name in _RIVALS))
                ),
            ]
        )
    return render_template(
        "waits.md",
        command=command,
        seed=seed,
        contacts=f"{sum(result.contacts for result in results):,}",
        unknown=max(sum(one.unknown for one in result.accuracies[:1]) for result in results),
        own=_table(own),
        rivals=_table(rivals),
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])
