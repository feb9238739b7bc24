"""`routing.inputs`: everything that can change routing, in one total order per pool.

What happened outside is in the past tense (`ContactReceived`, `TimeAdvanced`), what somebody wants is in the imperative. A command's
`command_id` is derived from its caller and `Idempotency-Key`: the same command twice has one effect.
"""

from __future__ import annotations

import msgspec

from libs.common.events.message import Letter, Message
from libs.common.events.pool import AgentConfiguration, Calendar, ChannelConfiguration, QueueConfiguration, RoutingRules


class Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every input has: the pool that it is for."""

    pool: str


class CallbackWish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The customer wants to be called at `handle` (`tel:` and a number by E.164), not before `not_before_ms`; None: as soon as may be."""

    handle: str
    not_before_ms: int | None = None


class ContactReceived(Input, frozen=True, kw_only=True, tag="centralino.contact.received.v1"):
    """A customer's message, classified. It opens the contact `contact_id` unless its thread has an open one, which it joins.

    `skills` are minimum levels (1 to 5) that the classification or the integration asks for, on top of the queue's own; besides, where
    `any_of` is not empty, all of at least one of these. `preferred_agent`: who is to be offered it first, if he can be.
    `callback`: the customer does not wait for an answer here, but for a call. `correlation_id`: as in the record's
    headers, that of the request which brought the message; it goes with the contact where that goes.
    """

    message: Message
    contact_id: str
    queue: str
    skills: dict[str, int] = {}
    priority: int | None = None
    rule: int | None = None
    any_of: tuple[dict[str, int], ...] = ()
    preferred_agent: str | None = None
    callback: CallbackWish | None = None
    correlation_id: str = ""


class Command(Input, frozen=True, kw_only=True):
    """A wish of somebody. `agent_id` is who acts.

    `supervising`: who acts may act on others' contacts too. That is checked where the command comes in.
    """

    command_id: str
    agent_id: str
    supervising: bool = False


class SetPresence(Command, frozen=True, kw_only=True, tag="centralino.agent.set-presence.v1"):
    """Change an agent's presence: available, busy, break or offline. Going offline is signing out.

    `agent_id` acts for `target_agent_id`, who is the same unless a supervisor acts.
    """

    target_agent_id: str
    status: str


class AcceptOffer(Command, frozen=True, kw_only=True, tag="centralino.offer.accept.v1"):
    """Take the contact that was offered."""

    offer_id: str


class RejectOffer(Command, frozen=True, kw_only=True, tag="centralino.offer.reject.v1"):
    """Decline the contact that was offered."""

    offer_id: str
    reason: str | None = None


class ResolveContact(Command, frozen=True, kw_only=True, tag="centralino.contact.resolve.v1"):
    """The contact's work is done."""

    contact_id: str
    disposition: str | None = None
    summary: str | None = None
    follow_up: bool = True


class FinishWrapUp(Command, frozen=True, kw_only=True, tag="centralino.contact.finish-wrap-up.v1"):
    """The agent is ready before the wrap-up time has run out."""

    contact_id: str


class ExtendWrapUp(Command, frozen=True, kw_only=True, tag="centralino.contact.extend-wrap-up.v1"):
    """The agent needs `by_ms` longer to finish up."""

    contact_id: str
    by_ms: int


class TransferContact(Command, frozen=True, kw_only=True, tag="centralino.contact.transfer.v1"):
    """Pass the contact on: to `queue`, to whoever has these `skills` (in its own queue or in `queue`), or to the agent `target_agent_id`,
    who alone is offered it for a while.

    It waits again, in its old place. `text` is an internal note for whoever takes it, under `note_id`.
    """

    contact_id: str
    queue: str | None = None
    target_agent_id: str | None = None
    skills: dict[str, int] | None = None
    note_id: str | None = None
    text: str | None = None


class HoldContact(Command, frozen=True, kw_only=True, tag="centralino.contact.hold.v1"):
    """Put the contact aside: it stays with its agent, who waits for the customer."""

    contact_id: str


class UnholdContact(Command, frozen=True, kw_only=True, tag="centralino.contact.unhold.v1"):
    """Go on with a held contact."""

    contact_id: str


class AssignContact(Command, frozen=True, kw_only=True, tag="centralino.contact.assign.v1"):
    """A supervisor gives the contact to an agent, whatever he has in hand."""

    contact_id: str
    target_agent_id: str


class RequeueContact(Command, frozen=True, kw_only=True, tag="centralino.contact.requeue.v1"):
    """A supervisor takes the contact back from its agent; it waits again, in its old place."""

    contact_id: str


class ChangeContact(Command, frozen=True, kw_only=True, tag="centralino.contact.change.v1"):
    """A supervisor changes what the contact is: what is None stays. It has a new place by the new priority at once."""

    contact_id: str
    priority: int | None = None
    skills: dict[str, int] | None = None
    queue: str | None = None


class CancelContact(Command, frozen=True, kw_only=True, tag="centralino.contact.cancel.v1"):
    """A supervisor ends the contact without an answer: it is no work for anybody."""

    contact_id: str
    reason: str | None = None


class DrainQueue(Command, frozen=True, kw_only=True, tag="centralino.queue.drain.v1"):
    """A supervisor lets a queue run empty: new contacts go to `to_queue` (None: to the pool's default queue), and what waits in it goes to
    `to_queue` too (None: stays and is worked off). `lift`: it takes contacts again.
    """

    queue: str
    to_queue: str | None = None
    lift: bool = False


class RequestCallback(Command, frozen=True, kw_only=True, tag="centralino.callback.request.v1"):
    """The customer is to be called back, at `handle` (None: at the number that the contact came from), not before `not_before_ms` (None: as
    soon as possible). For a contact that waits or that the agent has in hand.
    """

    contact_id: str
    handle: str | None = None
    not_before_ms: int | None = None


class ReportNotReached(Command, frozen=True, kw_only=True, tag="centralino.callback.report-not-reached.v1"):
    """The agent called the customer of a callback, who did not answer."""

    contact_id: str


class PullContact(Command, frozen=True, kw_only=True, tag="centralino.contact.pull.v1"):
    """The agent takes a waiting contact by name, out of a queue that allows it."""

    contact_id: str


class StartConsult(Command, frozen=True, kw_only=True, tag="centralino.contact.start-consult.v1"):
    """A colleague is asked to look at the contact: he sees it in his work and has no more of it."""

    contact_id: str
    target_agent_id: str


class EndConsult(Command, frozen=True, kw_only=True, tag="centralino.contact.end-consult.v1"):
    """A colleague need not look at the contact any more. He may say so himself."""

    contact_id: str
    target_agent_id: str


class AddNote(Command, frozen=True, kw_only=True, tag="centralino.contact.add-note.v1"):
    """An internal note on a contact. It changes no routing; it stands here so that it has a place in the contact's one history."""

    contact_id: str
    note_id: str
    text: str


class CustomerLeft(Input, frozen=True, kw_only=True, tag="centralino.contact.customer-left.v1"):
    """The customer did not wait for an answer: hung up, closed the chat. It changes nothing for a contact that an agent has, nor for one
    whose customer is to be called back, unless the customer wants no call any more (`declines_callback`).
    `correlation_id` as in `ContactReceived`.
    """

    contact_id: str
    declines_callback: bool = False
    correlation_id: str = ""


class ContactHandedOver(Input, frozen=True, kw_only=True, tag="centralino.contact.handed-over.v1"):
    """Another pool forwarded this contact here, with its id and its place: it is due by `due_ms`, whatever the queue's target is.
    Appended by that pool's router, perhaps more than once: only the first counts.

    `passed`: the pools that it has been in, the last one that from which it comes; it goes back to none of them. `queue` None: the
    pool's first. `skills`, `any_of`: what is asked for besides the queue's. `letter` None: nothing is known of its message here.
    `notices`: how often its customer was told something by overflow.
    """

    contact_id: str
    passed: tuple[str, ...]
    thread_id: str
    channel: str
    handle: str
    priority: int
    received_ms: int
    due_ms: int
    queue: str | None = None
    skills: dict[str, int] = {}
    any_of: tuple[dict[str, int], ...] = ()
    letter: Letter | None = None
    notices: int = 0


class MessageHandedOver(Input, frozen=True, kw_only=True, tag="centralino.message.handed-over.v1"):
    """A further message of a customer whose contact `contact_id` another pool forwarded here. It belongs to that contact; where that
    is over meanwhile it opens another, `opens`. `callback`: the customer does not wait for an answer any more, but for a call. The rest as
    in `ContactHandedOver`.
    """

    contact_id: str
    opens: str
    passed: tuple[str, ...]
    thread_id: str
    channel: str
    handle: str
    received_ms: int
    letter: Letter
    queue: str | None = None
    skills: dict[str, int] = {}
    any_of: tuple[dict[str, int], ...] = ()
    priority: int | None = None
    callback: CallbackWish | None = None


class ForwardedContactEnded(Input, frozen=True, kw_only=True, tag="centralino.contact.forwarded-ended.v1"):
    """A contact that this pool forwarded is over: a further message of its customer is this pool's again."""

    contact_id: str
    thread_id: str


class HandoversAppended(Input, frozen=True, kw_only=True, tag="centralino.pool.handovers-appended.v1"):
    """What this pool had for others stands in their inputs. `ids`: the keys in its outbox. Appended by the router's own shell."""

    ids: tuple[str, ...]


class AgentsSeen(Input, frozen=True, kw_only=True, tag="centralino.agents.seen.v1"):
    """These agents' desktops are there: a stream is open, or something was asked lately. Appended by each replica of the agent API every
    few seconds, also without anybody: only while these come can the absence of an agent be told from that of the agent API.
    """

    agents: tuple[str, ...] = ()


class TimeAdvanced(Input, frozen=True, kw_only=True, tag="centralino.time.advanced.v1"):
    """The time is now at least `now_ms`: what is due may happen. Appended by the router's own shell."""

    now_ms: int


class ConfigurePool(Input, frozen=True, kw_only=True, tag="centralino.pool.configure.v1"):
    """The pool's queues, agents and rules from now on. `version` is a digest of the content; the same version again changes nothing.

    The digest covers what the calendars are worked out of, not their spans, which move on with the time.
    """

    version: str
    queues: tuple[QueueConfiguration, ...]
    agents: tuple[AgentConfiguration, ...]
    channel_targets_ms: dict[str, int] = {}
    channels: tuple[ChannelConfiguration, ...] = ()
    rules: RoutingRules = RoutingRules()
    calendars: tuple[Calendar, ...] = ()


class ExtendCalendars(Input, frozen=True, kw_only=True, tag="centralino.pool.extend-calendars.v1"):
    """The pool's calendars, worked out further ahead. Appended by the router's own shell, long before they end."""

    calendars: tuple[Calendar, ...]


AnyHandover = ContactHandedOver | MessageHandedOver | ForwardedContactEnded | CustomerLeft

AnyInput = (
    ContactReceived
    | SetPresence
    | AcceptOffer
    | RejectOffer
    | ResolveContact
    | FinishWrapUp
    | ExtendWrapUp
    | TransferContact
    | HoldContact
    | UnholdContact
    | AssignContact
    | RequeueContact
    | ChangeContact
    | CancelContact
    | DrainQueue
    | RequestCallback
    | ReportNotReached
    | PullContact
    | StartConsult
    | EndConsult
    | AddNote
    | CustomerLeft
    | ContactHandedOver
    | MessageHandedOver
    | ForwardedContactEnded
    | HandoversAppended
    | AgentsSeen
    | TimeAdvanced
    | ConfigurePool
    | ExtendCalendars
)
