"""Facts about contacts that wait: how they come, what becomes of them by waiting, where they go on to, and customers who leave."""

from __future__ import annotations

import msgspec

from libs.common.events.inputs import CallbackWish
from libs.common.events.message import Letter
from libs.common.events.routing.fact import Fact


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
    `correlation_id`: that of the request which brought the message, kept where contacts may be forwarded.
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
    asked: dict[str, int] = msgspec.field(default_factory=dict)
    asked_any_of: tuple[dict[str, int], ...] = ()
    passed: tuple[str, ...] = ()
    notices: int = 0
    correlation_id: str = ""


class MessageJoined(Fact, frozen=True, kw_only=True, tag="centralino.message.joined.v1"):
    """A further message of the customer belongs to this open contact. One that is held comes back to its agent by it.

    `callback_request`: the message asked for a call, under this id (that of the contact which it would have opened).
    """

    contact_id: str
    message_id: str
    email_message_id: str | None = None
    callback_request: str | None = None


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


class ContactChanged(Fact, frozen=True, kw_only=True, tag="centralino.contact.changed.v1"):
    """A supervisor changed what the contact is; all of this is so now. A waiting contact has the place that `due_ms` gives it.
    `relax_ms`: in another queue than before, or where it asks for other skills, when it is first to ask for less there, 0: never; the time
    counts from now. `asked`: as in `ContactTransferred`.
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
    asked: dict[str, int] | None = None


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


class CallbackWithdrawn(Fact, frozen=True, kw_only=True, tag="centralino.callback.withdrawn.v1"):
    """The customer of a contact that was open before a call was asked for wants no call any more. The contact waits as it did before, in
    the place that it had, as work on `channel`; by its queue's rules for those who have `waited` up to `overflowed_ms` it does not go on.
    """

    contact_id: str
    channel: str
    offer_timeout_ms: int
    overflowed_ms: int = 0


class ContactMerged(Fact, frozen=True, kw_only=True, tag="centralino.contact.merged.v1"):
    """A waiting contact was to become a callback, and its customer is called for `into_contact_id` already: one call serves both. It is
    over, and what it was about belongs to that contact, which is due by `due_ms` from now on, the earlier of the two.
    """

    contact_id: str
    into_contact_id: str
    due_ms: int


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
    skills: dict[str, int] = msgspec.field(default_factory=dict)
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
    skills: dict[str, int] = msgspec.field(default_factory=dict)
    any_of: tuple[dict[str, int], ...] = ()
    priority: int | None = None
    callback: CallbackWish | None = None


class LeavingForwarded(Fact, frozen=True, kw_only=True, tag="centralino.contact.leaving-forwarded.v1"):
    """The customer of a contact that was forwarded to `to_pool` did not wait for an answer, or wants no call any more; that pool is told.
    The rest as in the input `CustomerLeft`.
    """

    contact_id: str
    to_pool: str
    declines_callback: bool = False
    correlation_id: str = ""


class ForwardEnded(Fact, frozen=True, kw_only=True, tag="centralino.contact.forward-ended.v1"):
    """A forwarded contact is over: further messages of its thread are this pool's again."""

    contact_id: str
    thread_id: str


class ContactFlagged(Fact, frozen=True, kw_only=True, tag="centralino.contact.flagged.v1"):
    """Something about a waiting contact needs somebody's attention (`reason`: declined, by so many different agents). It is said once."""

    contact_id: str
    reason: str
    agents: int


class ContactAbandoned(Fact, frozen=True, kw_only=True, tag="centralino.contact.abandoned.v1"):
    """The customer left before an agent had the contact, after `waited_ms`. It waits no more; a further message before
    `resumable_until_ms` brings it back.
    """

    contact_id: str
    resumable_until_ms: int
    waited_ms: int


class ContactReturned(Fact, frozen=True, kw_only=True, tag="centralino.contact.returned.v1"):
    """The customer of an abandoned contact wrote again: it waits again, in its old place, and the message belongs to it.
    `callback_request` as in `MessageJoined`. `waits_anew`: for overflow the time counts from now, without what the customer was away.
    """

    contact_id: str
    message_id: str
    email_message_id: str | None = None
    callback_request: str | None = None
    waits_anew: bool = False


class ContactLapsed(Fact, frozen=True, kw_only=True, tag="centralino.contact.lapsed.v1"):
    """The customer of an abandoned contact did not come back in time: a further message opens a contact of its own."""

    contact_id: str
