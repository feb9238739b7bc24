"""Folds what the router says of waits: how fast queues move on, and what a contact was told. No I/O. Called by `view_routing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from libs.common.events import routing
from services.agent_api.store.rows import QueueRow
from services.agent_api.store.workset import Workset
from services.agent_api.view_frames import contact_of, note_down


def _queue_paced(rows: Workset, fact: routing.QueuePaced, _entry_id: str) -> None:
    key = (fact.pool, fact.queue)
    queue = (
        rows.queues.put(QueueRow(pool=fact.pool, queue=fact.queue))
        if rows.queues.get(key) is None
        else rows.queues.change(key)
    )
    queue.step_us = fact.step_us
    queue.patience_us = fact.patience_us
    queue.opens_ms = fact.opens_ms or None


def _wait_expected(rows: Workset, fact: routing.WaitExpected, entry_id: str) -> None:
    note_down(
        rows,
        entry_id,
        contact_of(rows, fact).contact_id,
        "contact.wait-expected",
        at_ms=fact.at_ms,
        position=fact.position,
        expected_wait_ms=fact.expected_wait_ms,
    )


WAIT_FOLDS: Final[dict[type, Callable[[Workset, Any, str], None]]] = {
    routing.QueuePaced: _queue_paced,
    routing.WaitExpected: _wait_expected,
}
