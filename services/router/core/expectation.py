"""How long a waiting contact will probably wait, and which is its place. Computed from the state when somebody asks; decides nothing.

The formula is that of `libs.common.waits`. What goes into it is measured (see `pace`) instead of assumed: how long the agents on duty take
for one contact of this queue, and how long its customers stay.

Called by settling, by overflow and by whoever explains. What is not known is None: nobody came to an agent after waiting there yet,
nobody is on duty, or nobody knows when the queue opens.
"""

from __future__ import annotations

from typing import Final

from libs.common.events.routing import QueuePaced, WaitExpected
from libs.common.waits import wait_ms
from services.router.core.calendars import next_turn_ms
from services.router.core.entities import Contact
from services.router.core.model import PoolState
from services.router.core.pace import KNOWN_FROM, ONE, agents_on_duty
from services.router.core.transitions import ContactState

# A queue's pace is said anew when it is off what was said last by more than one of so many parts.
_STEP_PARTS: Final = 8
_PATIENCE_PARTS: Final = 4


def expected_wait_ms(state: PoolState, queue: str, channel: str, position: int | None = None) -> int | None:
    """How long the contact at this place of the queue will probably wait from now on, until an agent has it.

    `position` None: one that comes now on this channel and asks for what the queue asks; 0 where somebody is free who may take it.
    """
    if queue not in state.queues:
        return None
    if position is None:
        if is_free_for(state, queue, channel):
            return 0
        position = state.index.lines.length(queue) + 1
    opens_ms = _opens_ms(state, queue)
    pace = pace_us(state, queue)
    if opens_ms is None or pace is None:
        return None
    return max(0, opens_ms - state.now_ms) + wait_ms(position, *pace)


def position_of(state: PoolState, contact_id: str) -> int:
    """The place of a waiting contact in its queue; 1 is next."""
    return state.index.lines.position(state.contacts[contact_id])


def is_free_for(state: PoolState, queue: str, channel: str) -> bool:
    """Whether somebody has room for a contact that comes now on this channel and asks for what the queue asks."""
    index = state.index
    needs = index.terms.needs.get(queue)
    if needs is None or index.terms.gates.get(queue) in index.closed:
        return False
    return bool(index.capability.requirement(needs).profiles_among(index.room(channel).profiles))


def pace_us(state: PoolState, queue: str) -> tuple[int, int | None] | None:
    """How long the agents on duty now take for one contact of the queue, and how long its customers stay on average (None: nobody
    went), in microseconds; None where that is not known.
    """
    pace = state.paces.get(queue)
    agents = agents_on_duty(state, queue)
    if pace is None or not agents or pace.served < KNOWN_FROM:
        return None
    patience = pace.waited_ms * 1000 * ONE // pace.left if pace.left else None
    return pace.duty_ms * 1000 * ONE // (pace.served * agents), patience


def _opens_ms(state: PoolState, queue: str) -> int | None:
    """When a queue that is closed, so that its contacts are offered to nobody, opens; 0: it is not closed; None: nobody knows."""
    gate = state.index.terms.gates.get(queue)
    if gate is None or gate not in state.index.closed:
        return 0
    return next_turn_ms(state.calendars[gate])


def expect_wait(state: PoolState, contact: Contact) -> tuple[int, int | None]:
    """The place of a contact that waits, and how long it will probably wait from now on."""
    position = state.index.lines.position(contact)
    return position, expected_wait_ms(state, contact.queue, contact.channel, position)


def tell_waits(state: PoolState, now_ms: int, limit: int) -> list[WaitExpected]:
    """What is to be said of contacts that came and wait, at most `limit` of them, in the order in which they came. None of it changes
    what the others are told.
    """
    untold = sorted(state.index.lines.untold, key=lambda contact_id: state.contacts[contact_id].sequence)
    told = []
    for contact_id in untold[:limit]:
        contact = state.contacts[contact_id]
        assert contact.state is ContactState.QUEUED, "who is told to wait waits"
        position, wait = expect_wait(state, contact)
        told.append(
            WaitExpected(pool=state.pool, at_ms=now_ms, contact_id=contact.id, position=position, expected_wait_ms=wait)
        )
    return told


def next_paced(state: PoolState, now_ms: int) -> QueuePaced | None:
    """The next queue, in the order of names, whose pace is not any more what was last said of it; None when all is said."""
    index = state.index
    while index.lines.repaced:
        queue = min(index.lines.repaced)
        fact = paced(state, queue, now_ms)
        if fact is not None:
            return fact
        del index.lines.repaced[queue]
    return None


def paced(state: PoolState, queue: str, now_ms: int) -> QueuePaced | None:
    """What is to be said of a queue's pace, if it is noticeably other than what was said last."""
    said = state.paces[queue]
    opens_ms, found = _opens_ms(state, queue), pace_us(state, queue)
    if opens_ms is None or found is None:
        if said.said_step_us is None:
            return None
        return QueuePaced(pool=state.pool, at_ms=now_ms, queue=queue)
    step_us, patience_us = found
    if (
        opens_ms == said.said_opens_ms
        and _is_near(step_us, said.said_step_us, _STEP_PARTS)
        and _is_near(patience_us, said.said_patience_us, _PATIENCE_PARTS)
    ):
        return None
    return QueuePaced(
        pool=state.pool, at_ms=now_ms, queue=queue, step_us=step_us, patience_us=patience_us, opens_ms=opens_ms
    )


def _is_near(now: int | None, said: int | None, parts: int) -> bool:
    """Whether it is off what was said by one of so many parts at most."""
    if now is None or said is None:
        return now is said
    return abs(now - said) * parts <= said
