"""`routing.events`: facts. Only the router writes them, and folding them gives its state.

Every record carries, in its headers, the offset of the input it comes from and its writer's term. `at_ms` is the time that the
decision was made for: that of the input, never a clock's.
"""

from __future__ import annotations

from libs.common.events.routing.fact import Fact
from libs.common.events.routing.pools import (
    CalendarsExtended,
    CalendarTurned,
    DrainLifted,
    HandoversDelivered,
    InputRefused,
    PoolConfigured,
    PresenceChanged,
    PresenceConfirmed,
    QueueDrained,
    QueuePaced,
    WriterStarted,
)
from libs.common.events.routing.waiting import (
    CallbackDue,
    CallbackMissed,
    CallbackScheduled,
    CallbackWithdrawn,
    ContactAbandoned,
    ContactChanged,
    ContactFlagged,
    ContactForwarded,
    ContactLapsed,
    ContactMerged,
    ContactMoved,
    ContactQueued,
    ContactRelaxed,
    ContactReturned,
    CustomerNotice,
    ForwardEnded,
    LeavingForwarded,
    MessageForwarded,
    MessageJoined,
    WaitExpected,
)
from libs.common.events.routing.work import (
    ConsultEnded,
    ConsultStarted,
    ContactAssigned,
    ContactCancelled,
    ContactHeld,
    ContactRequeued,
    ContactResolved,
    ContactTransferred,
    ContactUnheld,
    NoteAdded,
    OfferExpired,
    OfferMade,
    OfferReason,
    OfferRejected,
    OfferWithdrawn,
    WrapUpExtended,
    WrapUpStarted,
)

__all__ = [
    "AnyFact",
    "CalendarTurned",
    "CalendarsExtended",
    "CallbackDue",
    "CallbackMissed",
    "CallbackScheduled",
    "CallbackWithdrawn",
    "ConsultEnded",
    "ConsultStarted",
    "ContactAbandoned",
    "ContactAssigned",
    "ContactCancelled",
    "ContactChanged",
    "ContactFlagged",
    "ContactForwarded",
    "ContactHeld",
    "ContactLapsed",
    "ContactMerged",
    "ContactMoved",
    "ContactQueued",
    "ContactRelaxed",
    "ContactRequeued",
    "ContactResolved",
    "ContactReturned",
    "ContactTransferred",
    "ContactUnheld",
    "CustomerNotice",
    "DrainLifted",
    "Fact",
    "ForwardEnded",
    "HandoversDelivered",
    "InputRefused",
    "LeavingForwarded",
    "MessageForwarded",
    "MessageJoined",
    "NoteAdded",
    "OfferExpired",
    "OfferMade",
    "OfferReason",
    "OfferRejected",
    "OfferWithdrawn",
    "PoolConfigured",
    "PoolFact",
    "PresenceChanged",
    "PresenceConfirmed",
    "QueueDrained",
    "QueuePaced",
    "WaitExpected",
    "WrapUpExtended",
    "WrapUpStarted",
    "WriterStarted",
]

PoolFact = (
    PoolConfigured
    | CalendarsExtended
    | CalendarTurned
    | ContactQueued
    | ContactRelaxed
    | WaitExpected
    | ContactMoved
    | QueuePaced
    | CallbackScheduled
    | CallbackDue
    | CallbackMissed
    | CallbackWithdrawn
    | ContactMerged
    | ContactForwarded
    | MessageForwarded
    | LeavingForwarded
    | ForwardEnded
    | HandoversDelivered
    | CustomerNotice
    | MessageJoined
    | OfferMade
    | OfferRejected
    | OfferExpired
    | OfferWithdrawn
    | ContactFlagged
    | ContactAssigned
    | ContactRequeued
    | ContactTransferred
    | ContactHeld
    | ContactUnheld
    | ContactChanged
    | ContactCancelled
    | ConsultStarted
    | ConsultEnded
    | ContactAbandoned
    | ContactReturned
    | ContactLapsed
    | WrapUpStarted
    | WrapUpExtended
    | ContactResolved
    | PresenceChanged
    | PresenceConfirmed
    | QueueDrained
    | DrainLifted
    | NoteAdded
    | InputRefused
)

AnyFact = WriterStarted | PoolFact
