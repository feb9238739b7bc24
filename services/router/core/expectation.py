"""How long a waiting contact will probably wait, and which is its place. Computed from the state when somebody asks; decides nothing.

The estimator is Whitt's by the length of the queue: who is at place `p` waits until `p` contacts have come to agents or have gone. What is
known of agents and customers is measured (see `pace`) instead of assumed: how long the agents on duty take per contact of this queue, and
how long customers stay (W. Whitt, "Predicting queueing delays", 1999; R. Ibrahim and W. Whitt, "Real-time delay estimation in
overloaded multiserver queues with abandonments", 2009, there QL_m).

Called by settling, by overflow and by whoever explains. What is not known is None: nobody came to an agent after waiting there yet,
nobody is on duty, or nobody knows when the queue opens.
"""

from __future__ import annotations

from typing import Final

from libs.common.events.routing import WaitExpected
from services.router.core.calendars import next_turn_ms
from services.router.core.entities import Contact
from services.router.core.model import PoolState
from services.router.core.pace import KNOWN_FROM, ONE, agents_on_duty
from services.router.core.transitions import ContactState

# Up to this place every contact ahead is counted by itself; beyond it, groups of an eighth of those before them.
_GROUP_BITS: Final = 3


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
    closed_ms = _closed_ms(state, queue)
    pace = pace_us(state, queue)
    if closed_ms is None or pace is None:
        return None
    return closed_ms + wait_ms(position, *pace)


def position_of(state: PoolState, contact_id: str) -> int:
    """The place of a waiting contact in its queue; 1 is next."""
    return state.index.lines.position(state.contacts[contact_id])


def is_free_for(state: PoolState, queue: str, channel: str) -> bool:
    """Whether somebody has room for a contact that comes now on this channel and asks for what the queue asks."""
    index = state.index
    needs = index.terms.needs.get(queue)
    if needs is None or index.terms.gates.get(queue) in index.closed:
        return False
    return bool(index.capability.requirement(needs).agents & index.room(channel))


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


def wait_ms(position: int, step_us: int, patience_us: int | None) -> int:
    """The sum over those ahead of the mean time until one of them is gone: with `k` of them who may go by themselves, one in
    `1 / (1 / step + k / patience)`.
    """
    if patience_us is None:
        return position * step_us // 1000
    total = 0
    ahead = 0
    while ahead < position:
        group = min(max(1, ahead >> _GROUP_BITS), position - ahead)
        # Of a group, as many times the one in its middle.
        twice_middle = 2 * ahead + group - 1
        whole = 2 * patience_us + twice_middle * step_us
        total += group * 2 * step_us * patience_us // whole if whole else 0
        ahead += group
    return total // 1000


def _closed_ms(state: PoolState, queue: str) -> int | None:
    """For how long the queue's contacts are offered to nobody yet; None where nobody knows."""
    gate = state.index.terms.gates.get(queue)
    if gate is None or gate not in state.index.closed:
        return 0
    turn_ms = next_turn_ms(state.calendars[gate])
    return None if turn_ms is None else max(0, turn_ms - state.now_ms)


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
