"""The life of a contact as a table: state x fact -> state.

    queued -> offered -> active -> (held) -> wrap_up -> resolved, or cancelled
    queued -> abandoned -> queued, or lapsed; queued -> forwarded
    queued, active or held -> scheduled (to be called back) -> queued; queued -> merged (into a callback)

A contact that the pool does not hold has the state None; one that is resolved, cancelled, lapsed, forwarded or merged leaves the pool.
What the table does not name is illegal: it raises IllegalFactError and leaves the state as it was. `apply` asks here before it changes
anything; the `decide` modules never produce a fact that would be refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from libs.common.events.routing import (
    CallbackDue,
    CallbackMissed,
    CallbackScheduled,
    CallbackWithdrawn,
    ConsultEnded,
    ConsultStarted,
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactChanged,
    ContactFlagged,
    ContactForwarded,
    ContactHeld,
    ContactLapsed,
    ContactMerged,
    ContactMoved,
    ContactQueued,
    ContactRelaxed,
    ContactRequeued,
    ContactResolved,
    ContactReturned,
    ContactTransferred,
    ContactUnheld,
    CustomerNotice,
    Fact,
    MessageJoined,
    OfferExpired,
    OfferMade,
    OfferRejected,
    OfferWithdrawn,
    WaitExpected,
    WrapUpExtended,
    WrapUpStarted,
)


class ContactState(StrEnum):
    """Where a contact stands."""

    QUEUED = "queued"
    OFFERED = "offered"
    ACTIVE = "active"
    HELD = "held"
    WRAP_UP = "wrap_up"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    LAPSED = "lapsed"
    SCHEDULED = "scheduled"
    FORWARDED = "forwarded"
    MERGED = "merged"


class IllegalFactError(Exception):
    """A fact that cannot follow on the state it was applied to. The state is unchanged; whoever wrote the fact has a bug."""


_S = ContactState

TABLE: Final[Mapping[ContactState | None, Mapping[type[Fact], ContactState]]] = {
    None: {ContactQueued: _S.QUEUED},
    _S.QUEUED: {
        MessageJoined: _S.QUEUED,
        OfferMade: _S.OFFERED,
        ContactAssigned: _S.ACTIVE,
        ContactChanged: _S.QUEUED,
        ContactFlagged: _S.QUEUED,
        ContactRelaxed: _S.QUEUED,
        WaitExpected: _S.QUEUED,
        ContactMoved: _S.QUEUED,
        ContactForwarded: _S.FORWARDED,
        CustomerNotice: _S.QUEUED,
        ContactResolved: _S.RESOLVED,
        ContactCancelled: _S.CANCELLED,
        ContactAbandoned: _S.ABANDONED,
        CallbackScheduled: _S.SCHEDULED,
        CallbackWithdrawn: _S.QUEUED,
        ContactMerged: _S.MERGED,
    },
    _S.SCHEDULED: {
        MessageJoined: _S.SCHEDULED,
        CallbackScheduled: _S.SCHEDULED,
        CallbackDue: _S.QUEUED,
        CallbackWithdrawn: _S.QUEUED,
        CustomerNotice: _S.SCHEDULED,
        ContactAssigned: _S.ACTIVE,
        ContactChanged: _S.SCHEDULED,
        ContactResolved: _S.RESOLVED,
        ContactCancelled: _S.CANCELLED,
    },
    _S.OFFERED: {
        MessageJoined: _S.OFFERED,
        ContactAssigned: _S.ACTIVE,
        OfferRejected: _S.QUEUED,
        OfferExpired: _S.QUEUED,
        OfferWithdrawn: _S.QUEUED,
        ContactChanged: _S.OFFERED,
    },
    _S.ACTIVE: {
        MessageJoined: _S.ACTIVE,
        ContactHeld: _S.HELD,
        ContactChanged: _S.ACTIVE,
        ConsultStarted: _S.ACTIVE,
        ConsultEnded: _S.ACTIVE,
        WrapUpStarted: _S.WRAP_UP,
        ContactResolved: _S.RESOLVED,
        ContactRequeued: _S.QUEUED,
        ContactTransferred: _S.QUEUED,
        ContactCancelled: _S.CANCELLED,
        CallbackScheduled: _S.SCHEDULED,
        CallbackMissed: _S.SCHEDULED,
    },
    _S.HELD: {
        MessageJoined: _S.HELD,
        ContactUnheld: _S.ACTIVE,
        ContactChanged: _S.HELD,
        ConsultStarted: _S.HELD,
        ConsultEnded: _S.HELD,
        WrapUpStarted: _S.WRAP_UP,
        ContactResolved: _S.RESOLVED,
        ContactRequeued: _S.QUEUED,
        ContactTransferred: _S.QUEUED,
        ContactCancelled: _S.CANCELLED,
        CallbackScheduled: _S.SCHEDULED,
        CallbackMissed: _S.SCHEDULED,
    },
    _S.WRAP_UP: {WrapUpExtended: _S.WRAP_UP, ContactResolved: _S.RESOLVED},
    _S.RESOLVED: {},
    _S.CANCELLED: {},
    _S.ABANDONED: {ContactReturned: _S.QUEUED, ContactLapsed: _S.LAPSED},
    _S.LAPSED: {},
    _S.FORWARDED: {},
    _S.MERGED: {},
}

# A message on the thread of a contact in one of these states belongs to it. Once the agent has called a contact done, a further
# message is new work and opens a contact of its own, so that somebody is given it.
JOINABLE: Final = frozenset({_S.QUEUED, _S.OFFERED, _S.ACTIVE, _S.HELD, _S.SCHEDULED})

# A contact in one of these states is an agent's. Nobody else is given it.
WITH_AGENT: Final = frozenset({_S.OFFERED, _S.ACTIVE, _S.HELD, _S.WRAP_UP})

# These have left the pool.
OVER: Final = frozenset({_S.RESOLVED, _S.CANCELLED, _S.LAPSED, _S.FORWARDED, _S.MERGED})


def next_state(state: ContactState | None, fact: type[Fact], contact_id: str) -> ContactState:
    """The state that a fact of this type leads to. Raises IllegalFactError where the table names none."""
    found = TABLE[state].get(fact)
    if found is None:
        raise IllegalFactError(f"{fact.__name__} on contact {contact_id} in state {state}")
    return found
