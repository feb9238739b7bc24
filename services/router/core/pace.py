"""How fast the lines move on: what each queue's `Pace` learns from the facts. Called by `apply` alone, after it has folded.

While somebody waits in a queue, the time that agents are on duty for it is counted, and the contacts that come to an agent. Their relation
is what one contact ahead costs: all that takes agents' time is in it, other queues and channels too. While nobody waits nothing is
counted: agents are then slower than they could be. Who goes without an agent is counted apart, with how long everybody waited.

Integers alone; of what was counted a part is forgotten with every contact, so that no time needs to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from libs.common.events.routing import (
    CalendarsExtended,
    CalendarTurned,
    CallbackDue,
    CallbackScheduled,
    CallbackWithdrawn,
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactChanged,
    ContactForwarded,
    ContactMerged,
    ContactMoved,
    ContactRequeued,
    ContactResolved,
    ContactReturned,
    ContactTransferred,
    Fact,
    OfferExpired,
    OfferMade,
    OfferRejected,
    OfferWithdrawn,
    PoolConfigured,
    PresenceChanged,
    QueuePaced,
    WaitExpected,
)
from services.router.core.entities import Contact, Pace
from services.router.core.model import PoolState
from services.router.core.transitions import IllegalFactError

# One contact in `Pace.served` and `Pace.left`.
ONE: Final = 1 << 16

# With every contact that an agent gets, one in 64 of what was counted before is forgotten.
_FORGET_BITS: Final = 6

# With fewer contacts served than these (what was forgotten in the meantime aside) a queue's pace is not known.
KNOWN_FROM: Final = 5 * ONE // 2

Follow = Callable[[PoolState, Contact | None, int], None]


def agents_on_duty(state: PoolState, queue: str) -> int:
    """How many of the available agents may take what the queue asks of all its contacts."""
    needs = state.index.terms.needs.get(queue)
    return 0 if needs is None else state.index.lines.count_on_duty(needs)


def _moves(state: PoolState, queue: str) -> bool:
    """Whether somebody waits in the queue and may be offered."""
    if state.index.lines.is_empty(queue):
        return False
    return state.index.terms.gates.get(queue) not in state.index.closed


def fold_paced(state: PoolState, fact: QueuePaced) -> None:
    """It was said how fast a queue moves on."""
    pace = state.paces.get(fact.queue)
    if pace is None:
        raise IllegalFactError(f"nobody has waited in queue {fact.queue}")
    state.paces[fact.queue] = replace(
        pace, said_step_us=fact.step_us, said_patience_us=fact.patience_us, said_opens_ms=fact.opens_ms
    )


def _count(state: PoolState, queue: str, now_ms: int) -> None:
    """Count the time on duty up to now, and go on or stop as the queue stands now."""
    pace = state.paces.get(queue)
    moves = queue in state.queues and _moves(state, queue)
    if pace is None:
        if not moves:
            return
        pace = Pace(queue)
    elif not pace.since_ms and not moves:
        state.index.lines.repaced[queue] = None
        return
    state.index.lines.repaced[queue] = None
    duty_ms = pace.duty_ms
    if pace.since_ms:
        duty_ms += (now_ms - pace.since_ms) * pace.agents
    state.paces[queue] = replace(
        pace,
        duty_ms=duty_ms,
        since_ms=now_ms if moves else 0,
        agents=agents_on_duty(state, queue) if moves else 0,
    )


def _follow_queues(state: PoolState, before: Contact | None, now_ms: int) -> None:
    """Agents come or go, or queues open or close, or will open at another time."""
    for queue in list(state.paces):
        _count(state, queue, now_ms)


def _follow_configuration(state: PoolState, before: Contact | None, now_ms: int) -> None:
    for queue in [queue for queue in state.paces if queue not in state.queues]:
        del state.paces[queue]
        state.index.lines.repaced.pop(queue, None)
    for queue in sorted({*state.paces, *state.index.lines.queues()}):
        _count(state, queue, now_ms)


def _follow_arrival(state: PoolState, before: Contact | None, now_ms: int) -> None:
    """A contact came, or came back, and waits."""
    assert before is not None, "the contact of a fact that could be folded was there"
    pace = state.paces.get(before.queue)
    if pace is None or not pace.since_ms:
        _count(state, before.queue, now_ms)


def _follow_move(state: PoolState, before: Contact | None, now_ms: int) -> None:
    """A contact may have gone from one queue to another."""
    assert before is not None, "the contact of a fact that could be folded was there"
    after = state.contacts[before.id]
    if after.waits_ms:
        _count(state, after.queue, now_ms)
    if after.queue != before.queue and before.waits_ms:
        _leave(state, before, now_ms)


def _follow_offer(state: PoolState, before: Contact | None, now_ms: int) -> None:
    """A contact is offered: its line may be empty now."""
    assert before is not None, "the contact of a fact that could be folded was there"
    pace = state.paces.get(before.queue)
    if pace is not None and pace.since_ms and state.index.lines.is_empty(before.queue):
        _count(state, before.queue, now_ms)


def _follow_assignment(state: PoolState, before: Contact | None, now_ms: int) -> None:
    """A contact came to an agent; only one that had to wait says something about the pace."""
    assert before is not None, "the contact of a fact that could be folded was there"
    if not before.waits_ms:
        return
    _count(state, before.queue, now_ms)
    pace = state.paces.get(before.queue)
    if pace is not None:
        state.paces[pace.queue] = replace(
            pace,
            served=_without_oldest(pace.served + ONE),
            duty_ms=_without_oldest(pace.duty_ms),
            left=_without_oldest(pace.left),
            waited_ms=_without_oldest(pace.waited_ms + now_ms - before.waits_ms),
        )


def _without_oldest(counted: int) -> int:
    return counted - (counted >> _FORGET_BITS)


def _follow_schedule(state: PoolState, before: Contact | None, now_ms: int) -> None:
    """A contact is to be called back later: it leaves its line, though its customer does not go."""
    assert before is not None, "the contact of a fact that could be folded was there"
    if before.waits_ms:
        _count(state, before.queue, now_ms)


def _follow_leaving(state: PoolState, before: Contact | None, now_ms: int) -> None:
    """A contact is over without having come to an agent, if it waited."""
    assert before is not None, "the contact of a fact that could be folded was there"
    if before.waits_ms:
        _leave(state, before, now_ms)


def _leave(state: PoolState, before: Contact, now_ms: int) -> None:
    _count(state, before.queue, now_ms)
    pace = state.paces.get(before.queue)
    # One that goes on as soon as it comes says nothing of how long customers stay.
    if pace is not None and not before.overflow:
        waited_ms = pace.waited_ms + now_ms - before.waits_ms
        state.paces[pace.queue] = replace(pace, left=pace.left + ONE, waited_ms=waited_ms)


PACED: Final[Mapping[type[Fact], Follow]] = {
    PoolConfigured: _follow_configuration,
    PresenceChanged: _follow_queues,
    CalendarTurned: _follow_queues,
    CalendarsExtended: _follow_queues,
    WaitExpected: _follow_arrival,
    OfferMade: _follow_offer,
    OfferRejected: _follow_arrival,
    OfferExpired: _follow_arrival,
    OfferWithdrawn: _follow_arrival,
    ContactAssigned: _follow_assignment,
    ContactRequeued: _follow_move,
    ContactTransferred: _follow_move,
    ContactChanged: _follow_move,
    ContactMoved: _follow_move,
    CallbackScheduled: _follow_schedule,
    CallbackDue: _follow_move,
    ContactMerged: _follow_schedule,
    CallbackWithdrawn: _follow_move,
    ContactReturned: _follow_move,
    ContactAbandoned: _follow_leaving,
    ContactCancelled: _follow_leaving,
    ContactForwarded: _follow_leaving,
    ContactResolved: _follow_leaving,
}
