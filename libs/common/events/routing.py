"""`routing.events`: facts. Only the router writes them, and folding them gives its state.

Every record carries, in its headers, the offset of the input it comes from and its writer's term. `at_ms` is the time that the
decision was made for: that of the input, never a clock's.
"""

from __future__ import annotations

import msgspec

from libs.common.events.message import Letter
from libs.common.events.pool import AgentConfiguration, Calendar, ChannelConfiguration, QueueConfiguration, RoutingRules


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every fact has: its pool, its time, and the command that caused it, if one did."""

    pool: str
    at_ms: int
    command_id: str | None = None


class WriterStarted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="centralino.writer.started.v1"):
    """A router took the partition over. The offset at which this record stands is its writer's term; what earlier terms
    write after it counts for nobody. It belongs to the partition, not to a pool.
    """

    writer_id: str


class PoolConfigured(Fact, frozen=True, kw_only=True, tag="centralino.pool.configured.v1"):
    """The pool has these queues, agents and rules now, and these calendars. A calendar that is new begins closed."""

    version: str
    queues: tuple[QueueConfiguration, ...]
    agents: tuple[AgentConfiguration, ...]
    channel_targets_ms: dict[str, int] = {}
    channels: tuple[ChannelConfiguration, ...] = ()
    rules: RoutingRules = RoutingRules()
    calendars: tuple[Calendar, ...] = ()


class CalendarsExtended(Fact, frozen=True, kw_only=True, tag="centralino.pool.calendars-extended.v1"):
    """These calendars are known further ahead. Whether they are open does not change by this."""

    calendars: tuple[Calendar, ...]


class CalendarTurned(Fact, frozen=True, kw_only=True, tag="centralino.calendar.turned.v1"):
    """A calendar is open from now on, or closed. `since_ms`: when it turned; earlier than `at_ms` where nobody was there to tell."""

    calendar: str
    open: bool
    since_ms: int


class ContactQueued(Fact, frozen=True, kw_only=True, tag="centralino.contact.queued.v1"):
    """A message opened a contact, which waits from now on. `due_ms` = `received_ms` + target and does not change while it waits.

    `received_ms` is the provider's time of the message, bounded. `skills` are all that is asked for, the queue's included.
    The rest is what readers need who do not read the inputs; the message's text is not repeated here. `queue_asked` is set where
    the input named a queue that the pool does not have, or one that is drained: the contact then waits in the pool's first one, or where
    that queue is drained to, so that it is not lost.

    `alternatives`: where not empty, an agent fits who has all the skills of at least one of them; each is complete. Until
    `preferred_until_ms` the contact is offered to `preferred_agent` alone, unless he is not available, lacks the skills or declines it.
    `overflow`: the rule of its queue, counted from 1, by which it goes on at once; 0: it stays. `asked`, `asked_any_of`: what is asked for
    whatever queue it stands in. `passed`: the pools that forwarded it, `notices`: how often its customer was told something
    there. `message_id` and `account` are empty where a forwarded contact's are not known here; readers know them from before.
    """

    contact_id: str
    message_id: str
    thread_id: str
    account: str
    channel: str
    handle: str
    queue: str
    skills: dict[str, int]
    priority: int
    received_ms: int
    due_ms: int
    offer_timeout_ms: int
    queue_asked: str | None = None
    handles: tuple[str, ...] = ()
    name: str | None = None
    subject: str | None = None
    language: str | None = None
    email_message_id: str | None = None
    email_references: tuple[str, ...] = ()
    automatic: bool = False
    alternatives: tuple[dict[str, int], ...] = ()
    preferred_agent: str | None = None
    preferred_until_ms: int = 0
    relax_ms: int = 0
    overflow: int = 0
    asked: dict[str, int] = {}
    asked_any_of: tuple[dict[str, int], ...] = ()
    passed: tuple[str, ...] = ()
    notices: int = 0


class ContactForwarded(Fact, frozen=True, kw_only=True, tag="centralino.contact.forwarded.v1"):
    """A waiting contact goes to another pool by overflow (`when`, `at_least`: the condition that held), and keeps its id and its place.
    It is none of this pool's any more, and further messages of its thread follow it. The rest as in the input `ContactHandedOver`,
    which the router appends there.
    """

    contact_id: str
    to_pool: str
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
    when: str | None = None
    at_least: int = 0


class MessageForwarded(Fact, frozen=True, kw_only=True, tag="centralino.message.forwarded.v1"):
    """A message of a customer whose contact was forwarded to `to_pool` follows it. The rest as in the input `MessageHandedOver`."""

    contact_id: str
    opens: str
    to_pool: str
    message_id: str
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


class LeavingForwarded(Fact, frozen=True, kw_only=True, tag="centralino.contact.leaving-forwarded.v1"):
    """The customer of a contact that was forwarded to `to_pool` did not wait for an answer; that pool is told."""

    contact_id: str
    to_pool: str


class ForwardEnded(Fact, frozen=True, kw_only=True, tag="centralino.contact.forward-ended.v1"):
    """A forwarded contact is over: further messages of its thread are this pool's again."""

    contact_id: str
    thread_id: str


class HandoversDelivered(Fact, frozen=True, kw_only=True, tag="centralino.pool.handovers-delivered.v1"):
    """What the pool had for others stands in their inputs. `ids`: the keys in its outbox."""

    ids: tuple[str, ...]


class ContactMoved(Fact, frozen=True, kw_only=True, tag="centralino.contact.moved.v1"):
    """A waiting contact waits in another queue from now on, in its old place: what it was due by stays (`cause`: overflow, drain). There it
    asks for `skills` and `alternatives`, as where it was queued.

    `when` and `at_least`: the condition of the overflow that held. `overflow`: the rule of the new queue, counted from 1, by which it goes
    on at once; 0: it stays. `relax_ms`: when it is first to ask for less there, 0: never; the time counts from now.
    """

    contact_id: str
    queue: str
    cause: str
    skills: dict[str, int]
    offer_timeout_ms: int
    alternatives: tuple[dict[str, int], ...] = ()
    relax_ms: int = 0
    when: str | None = None
    at_least: int = 0
    overflow: int = 0


class CallbackScheduled(Fact, frozen=True, kw_only=True, tag="centralino.callback.scheduled.v1"):
    """The customer is to be called at `handle`, not before `not_before_ms` (`cause`: agent, customer, overflow). The contact is work on
    `channel` from now on and waits for no agent before that time; then it has the place that it had. `agent_id`: who had it in hand, if
    anybody. `by`: the agent who asked.
    """

    contact_id: str
    handle: str
    not_before_ms: int
    channel: str
    offer_timeout_ms: int
    cause: str
    agent_id: str | None = None
    by: str | None = None


class CallbackDue(Fact, frozen=True, kw_only=True, tag="centralino.callback.due.v1"):
    """The contact waits for an agent who calls its customer, in the place that it had (`cause`: time, customer: who called by himself)."""

    contact_id: str
    cause: str


class CallbackMissed(Fact, frozen=True, kw_only=True, tag="centralino.callback.missed.v1"):
    """The agent did not reach the customer, for the `attempts`th time. It is tried again, not before `not_before_ms`."""

    contact_id: str
    agent_id: str
    attempts: int
    not_before_ms: int


class ContactRelaxed(Fact, frozen=True, kw_only=True, tag="centralino.contact.relaxed.v1"):
    """The contact has waited for so long that it asks for less from now on, in its old place: `skills` and `alternatives` as in
    `ContactQueued`. `step` counts from 1; `relax_ms`: when it is next to ask for less, 0: no more.
    """

    contact_id: str
    step: int
    skills: dict[str, int]
    alternatives: tuple[dict[str, int], ...] = ()
    relax_ms: int = 0


class WaitExpected(Fact, frozen=True, kw_only=True, tag="centralino.contact.wait-expected.v1"):
    """The contact could not be offered to anybody when it came. `position`: its place in its queue, 1 is next. `expected_wait_ms`: how
    long it will probably wait from now on until an agent has it; None where too little is known. It is said once.
    """

    contact_id: str
    position: int
    expected_wait_ms: int | None = None


class QueuePaced(Fact, frozen=True, kw_only=True, tag="centralino.queue.paced.v1"):
    """How fast a queue moves on, said anew when it is noticeably other than before. `step_us`: how long the agents on duty together take
    for one of its contacts, None: that is not known (any more). `patience_us`: how long customers stay on average, None: as far as is
    known for ever. `opens_ms`: until when its contacts are offered to nobody, 0: it is not closed.

    `libs.common.waits` says what follows for a contact at some place in the queue.
    """

    queue: str
    step_us: int | None = None
    patience_us: int | None = None
    opens_ms: int = 0


class CustomerNotice(Fact, frozen=True, kw_only=True, tag="centralino.contact.customer-notice.v1"):
    """The customer is to be told something about the contact, in `texts` (by language), where the channel allows it.

    `cause`: `overflow`, `callback`. `notice`: tells several notices to one contact for one cause apart. Each is sent once.
    With cause overflow, `when` and `at_least` are the condition that held; `ends`: the contact comes to its end by it.
    """

    contact_id: str
    cause: str
    texts: dict[str, str]
    notice: int = 1
    when: str | None = None
    at_least: int = 0
    ends: bool = False


class MessageJoined(Fact, frozen=True, kw_only=True, tag="centralino.message.joined.v1"):
    """A further message of the customer belongs to this open contact. One that is held comes back to its agent by it."""

    contact_id: str
    message_id: str
    email_message_id: str | None = None


class OfferReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why this agent got this contact now: the short form, computed from what the matching looked at anyway.

    `strategy`: the order of agents by which he came first, or `preferred_agent`: the contact was for him alone.
    `rank`: the contact's place among the waiting ones that this agent may take, from 1. `waited_ms`: since `received_ms`.
    `candidates`: agents that fitted and had room, as far as they were looked at (`candidates_more`: there were others).
    `left_out`: agents that were passed over, by agent id, with the reason: `declined`, `barred` (he passed it on, left it or had it
    taken from him), `no-room`, `not-available`, `off-shift`, `skill`; those that concern this contact by name or stood before the chosen
    one, at most a handful.
    """

    rank: int
    waited_ms: int
    strategy: str
    candidates: int
    candidates_more: bool = False
    left_out: dict[str, str] = {}


class OfferMade(Fact, frozen=True, kw_only=True, tag="centralino.offer.made.v1"):
    """The contact is offered to the agent until `expires_ms`."""

    offer_id: str
    contact_id: str
    agent_id: str
    expires_ms: int
    reason: OfferReason


class OfferRejected(Fact, frozen=True, kw_only=True, tag="centralino.offer.rejected.v1"):
    """The agent declined; the contact waits again, in its old place. He is not offered it again before `backoff_until_ms`."""

    offer_id: str
    contact_id: str
    agent_id: str
    reason: str | None = None
    backoff_until_ms: int = 0


class OfferExpired(Fact, frozen=True, kw_only=True, tag="centralino.offer.expired.v1"):
    """The agent did not answer in time; the contact waits again, in its old place. He is not offered it again before
    `backoff_until_ms`.
    """

    offer_id: str
    contact_id: str
    agent_id: str
    backoff_until_ms: int = 0


class OfferWithdrawn(Fact, frozen=True, kw_only=True, tag="centralino.offer.withdrawn.v1"):
    """The offer was taken back (`cause`: presence, configuration, capacity, changed, supervisor, customer-left, callback); the contact
    waits again, in its old place.

    An agent who left during an offer is left alone with that contact until `backoff_until_ms`, so that coming and going does not bring the
    same offer again and again.
    """

    offer_id: str
    contact_id: str
    agent_id: str
    cause: str
    backoff_until_ms: int = 0


class ContactFlagged(Fact, frozen=True, kw_only=True, tag="centralino.contact.flagged.v1"):
    """Something about a waiting contact needs somebody's attention (`reason`: declined, by so many different agents). It is said once."""

    contact_id: str
    reason: str
    agents: int


class ContactAssigned(Fact, frozen=True, kw_only=True, tag="centralino.contact.assigned.v1"):
    """The agent has the contact: by `offer_id` where it was accepted, by the supervisor `by` where it was given to him, else he took it
    himself. `over_capacity`: he has more in hand now than his capacity says.
    """

    contact_id: str
    agent_id: str
    offer_id: str | None = None
    by: str | None = None
    over_capacity: bool = False


class ContactRequeued(Fact, frozen=True, kw_only=True, tag="centralino.contact.requeued.v1"):
    """An agent's contact waits again, in its old place (`cause`: sign-out, vanished, agent-removed, supervisor). `by`: the supervisor.

    It is not offered to the same agent before `barred_until_ms`.
    """

    contact_id: str
    agent_id: str
    cause: str
    by: str | None = None
    barred_until_ms: int = 0


class ContactTransferred(Fact, frozen=True, kw_only=True, tag="centralino.contact.transferred.v1"):
    """`agent_id`, who had the contact, has it no more: `by` passed it on. It waits in `queue`, in its old place, and asks for `skills` and
    `alternatives`, as where it was queued.

    Until `target_until_ms` it is offered to `target_agent_id` alone, unless he is not available or declines it. It is not offered to
    `barred_agent_id` before `barred_until_ms`. `transfers`: how often it was passed on, this time included. `relax_ms`: when it is first
    to ask for less there, 0: never; the time counts from now.
    """

    contact_id: str
    agent_id: str
    by: str
    queue: str
    skills: dict[str, int]
    offer_timeout_ms: int
    transfers: int
    barred_agent_id: str | None = None
    barred_until_ms: int = 0
    note_id: str | None = None
    alternatives: tuple[dict[str, int], ...] = ()
    target_agent_id: str | None = None
    target_until_ms: int = 0
    relax_ms: int = 0


class ContactHeld(Fact, frozen=True, kw_only=True, tag="centralino.contact.held.v1"):
    """The agent put the contact aside. `frees_room`: he has room for another one meanwhile."""

    contact_id: str
    agent_id: str
    frees_room: bool


class ContactUnheld(Fact, frozen=True, kw_only=True, tag="centralino.contact.unheld.v1"):
    """The agent goes on with the contact: he wanted to (`cause` agent), or the customer wrote and he has room (customer)."""

    contact_id: str
    agent_id: str
    cause: str


class ContactChanged(Fact, frozen=True, kw_only=True, tag="centralino.contact.changed.v1"):
    """A supervisor changed what the contact is; all of this is so now. A waiting contact has the place that `due_ms` gives it.
    `relax_ms`: in another queue than before, when it is first to ask for less there, 0: never; the time counts from now.
    """

    contact_id: str
    by: str
    queue: str
    skills: dict[str, int]
    priority: int
    due_ms: int
    offer_timeout_ms: int
    alternatives: tuple[dict[str, int], ...] = ()
    relax_ms: int = 0


class ContactCancelled(Fact, frozen=True, kw_only=True, tag="centralino.contact.cancelled.v1"):
    """The contact is over without an answer. `agent_id`: who had it, if anybody."""

    contact_id: str
    by: str
    agent_id: str | None = None
    reason: str | None = None


class ConsultStarted(Fact, frozen=True, kw_only=True, tag="centralino.contact.consult-started.v1"):
    """`target_agent_id` was asked to look at a contact that `agent_id` has. It takes up none of his room, and ends by itself when the
    contact is passed on, waits again, goes into wrap-up or is over.
    """

    contact_id: str
    agent_id: str
    target_agent_id: str


class ConsultEnded(Fact, frozen=True, kw_only=True, tag="centralino.contact.consult-ended.v1"):
    """`target_agent_id` need not look at the contact any more."""

    contact_id: str
    agent_id: str
    target_agent_id: str


class ContactAbandoned(Fact, frozen=True, kw_only=True, tag="centralino.contact.abandoned.v1"):
    """The customer left before an agent had the contact, after `waited_ms`. It waits no more; a further message before
    `resumable_until_ms` brings it back.
    """

    contact_id: str
    resumable_until_ms: int
    waited_ms: int


class ContactReturned(Fact, frozen=True, kw_only=True, tag="centralino.contact.returned.v1"):
    """The customer of an abandoned contact wrote again: it waits again, in its old place, and the message belongs to it."""

    contact_id: str
    message_id: str
    email_message_id: str | None = None


class ContactLapsed(Fact, frozen=True, kw_only=True, tag="centralino.contact.lapsed.v1"):
    """The customer of an abandoned contact did not come back in time: a further message opens a contact of its own."""

    contact_id: str


class WrapUpStarted(Fact, frozen=True, kw_only=True, tag="centralino.contact.wrap-up-started.v1"):
    """The conversation is over; the agent finishes up until `until_ms` at the latest (0: until he is done), and the contact takes up
    room until then.
    """

    contact_id: str
    agent_id: str
    until_ms: int
    disposition: str | None = None
    summary: str | None = None
    follow_up: bool = True


class WrapUpExtended(Fact, frozen=True, kw_only=True, tag="centralino.contact.wrap-up-extended.v1"):
    """The agent has until `until_ms` to finish up."""

    contact_id: str
    agent_id: str
    until_ms: int


class ContactResolved(Fact, frozen=True, kw_only=True, tag="centralino.contact.resolved.v1"):
    """The contact is done. `agent_id`: who had it, or the supervisor who resolved one that waited. `by`: who resolved another's.

    `follow_up`: whether the customer may be asked afterwards.
    """

    contact_id: str
    agent_id: str
    queue: str
    channel: str
    by: str | None = None
    disposition: str | None = None
    summary: str | None = None
    follow_up: bool = True


class PresenceChanged(Fact, frozen=True, kw_only=True, tag="centralino.agent.presence-changed.v1"):
    """The agent's presence (`cause`: command, configuration, not-responding: he let several offers in a row run out, vanished: he was not
    heard of for too long).
    """

    agent_id: str
    status: str
    cause: str = "command"


class PresenceConfirmed(Fact, frozen=True, kw_only=True, tag="centralino.agents.presence-confirmed.v1"):
    """These agents are there. Who is available and has not been confirmed for too long goes offline (`vanished`).

    `everybody`: nobody could be heard for a while, so that the available agents count as there until more is known.
    """

    agents: tuple[str, ...] = ()
    everybody: bool = False


class QueueDrained(Fact, frozen=True, kw_only=True, tag="centralino.queue.drained.v1"):
    """The queue is let run empty, until that is lifted: new contacts go to `to_queue`, and those that wait in it are moved there one by
    one. None: new contacts go to the pool's default queue (its first, or the first that is not drained), and those that wait are worked
    off.
    """

    queue: str
    by: str
    to_queue: str | None = None


class DrainLifted(Fact, frozen=True, kw_only=True, tag="centralino.queue.drain-lifted.v1"):
    """The queue takes contacts again. What was moved elsewhere stays there."""

    queue: str
    by: str


class NoteAdded(Fact, frozen=True, kw_only=True, tag="centralino.contact.note-added.v1"):
    """An internal note was put on the contact; its text is in the input of the same command."""

    contact_id: str
    note_id: str
    agent_id: str


class InputRefused(Fact, frozen=True, kw_only=True, tag="centralino.input.refused.v1"):
    """An input could not be carried out. `reason` is a fixed word (see `RefusalReason` of the core), `detail` a sentence."""

    input_type: str
    reason: str
    detail: str
    subject: str | None = None


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
