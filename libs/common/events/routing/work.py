"""Facts about contacts and agents together: offers, assignments, and what is done with a contact in hand."""

from __future__ import annotations

import msgspec

from libs.common.events.routing.fact import Fact


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
    left_out: dict[str, str] = msgspec.field(default_factory=dict)


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

    Until `target_until_ms` it is offered to `target_agent_id` alone, unless he is not available or declines it; 0: he lacks `missing`
    (skills and the levels asked for) and is offered it once all the same: he was named. It is not offered to
    `barred_agent_id` before `barred_until_ms`. `transfers`: how often it was passed on, this time included. `relax_ms`: when it is first
    to ask for less there, 0: never; the time counts from now. `asked`: what is asked for instead of all before, in every queue to come;
    None: nothing was named.
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
    asked: dict[str, int] | None = None
    missing: dict[str, int] = msgspec.field(default_factory=dict)


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


class NoteAdded(Fact, frozen=True, kw_only=True, tag="centralino.contact.note-added.v1"):
    """An internal note was put on the contact; its text is in the input of the same command."""

    contact_id: str
    note_id: str
    agent_id: str
