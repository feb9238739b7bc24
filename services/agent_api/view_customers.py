"""Customers' cards: which card a message belongs to, and what the card learns from it. No I/O. Called by `view_routing`.

A message with several handles joins the card of the first one that is known, and adds those that are free. A handle that is on another
card stays there: two cards become one only by somebody's decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from libs.common.ids import customer_id
from services.agent_api.store.rows import CustomerRow, HandleRow
from services.agent_api.store.workset import Workset

HANDLES_PER_MESSAGE_MAX: Final = 20
ATTRIBUTES_PER_CARD_MAX: Final = 100
SEARCH_CHARS_MAX: Final = 4_000


def handles_in_order(handle: str, further: Sequence[str]) -> tuple[str, ...]:
    """The message's own handle first, each once."""
    return tuple(dict.fromkeys(item for item in (handle, *further) if item))[:HANDLES_PER_MESSAGE_MAX]


def join_card(
    rows: Workset, handles: Sequence[str], *, name: str | None, attributes: Mapping[str, str], at_ms: int
) -> CustomerRow | None:
    """The card of the message with these handles, made where none of them is known. None for a message without handles."""
    if not handles:
        return None
    known = next((row for row in map(rows.handles.get, handles) if row is not None), None)
    card = _card(rows, customer_id(handles[0]) if known is None else known.customer_id, at_ms)
    for handle in handles:
        if rows.handles.get(handle) is None:
            rows.handles.put(HandleRow(handle=handle, customer_id=card.customer_id, first_seen_ms=at_ms))
            card.search = _with_line(card.search, handle)
    if name and not card.name:
        card.name = name
    if name:
        card.search = _with_line(card.search, name)
    for key, value in attributes.items():
        if key in card.attributes or len(card.attributes) < ATTRIBUTES_PER_CARD_MAX:
            card.attributes = {**card.attributes, key: value}
    card.last_seen_ms = max(card.last_seen_ms, at_ms)
    return card


def _card(rows: Workset, card_id: str, at_ms: int) -> CustomerRow:
    if rows.customers.get(card_id) is None:
        return rows.customers.put(CustomerRow(customer_id=card_id, first_seen_ms=at_ms, last_seen_ms=at_ms))
    return rows.customers.change(card_id)


def _with_line(search: str, text: str) -> str:
    line = " ".join(text.lower().split())
    lines = search.split("\n") if search else []
    if line in lines or len(search) + len(line) > SEARCH_CHARS_MAX:
        return search
    return "\n".join([*lines, line])
