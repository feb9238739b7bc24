"""Folding a contact's way apart from its offers. Called by `apply` alone, which checks pool and time."""

from __future__ import annotations

from msgspec.structs import replace

from libs.common.events.routing import (
    CallbackMissed,
    CallbackScheduled,
    ConsultEnded,
    ConsultStarted,
    ContactAbandoned,
    ContactCancelled,
    ContactChanged,
    ContactFlagged,
    ContactHeld,
    ContactLapsed,
    ContactQueued,
    ContactRelaxed,
    ContactRequeued,
    ContactResolved,
    ContactReturned,
    ContactTransferred,
    ContactUnheld,
    MessageJoined,
    WaitExpected,
    WrapUpExtended,
    WrapUpStarted,
)
from services.router.core.apply_forwarding import end_contact, forget_forwarded, letter_of
from services.router.core.apply_shared import alternatives_of, contact_of, rearrange, release, with_decline
from services.router.core.entities import Contact, WrapUp
from services.router.core.model import PoolState
from services.router.core.transitions import ContactState, IllegalFactError, next_state


def fold_queue(state: PoolState, fact: ContactQueued) -> None:
    """A contact waits."""
    known = state.contacts.get(fact.contact_id)
    queued = next_state(None if known is None else known.state, ContactQueued, fact.contact_id)
    if fact.thread_id in state.index.threads:
        raise IllegalFactError(f"thread {fact.thread_id} has an open contact")
    contact = Contact(
        id=fact.contact_id,
        thread_id=fact.thread_id,
        channel=fact.channel,
        queue=fact.queue,
        skills=tuple(sorted(fact.skills.items())),
        priority=fact.priority,
        received_ms=fact.received_ms,
        due_ms=fact.due_ms,
        sequence=state.arrivals + 1,
        offer_timeout_ms=fact.offer_timeout_ms,
        state=queued,
        alternatives=alternatives_of(fact.alternatives),
        only_agent=fact.preferred_agent,
        only_until_ms=fact.preferred_until_ms,
        handle=fact.handle,
        relax_ms=fact.relax_ms,
        relax_from_ms=fact.received_ms,
        waits_ms=max(state.now_ms, fact.at_ms),
        untold=True,
        asked=tuple(sorted(fact.asked.items())),
        asked_any_of=alternatives_of(fact.asked_any_of),
        overflow=fact.overflow,
        overflow_from_ms=max(state.now_ms, fact.at_ms),
        passed=fact.passed,
        notices=fact.notices,
        letter=letter_of(fact) if state.index.terms.forwards else None,
    )
    state.arrivals += 1
    state.contacts[contact.id] = contact
    state.index.add_contact(contact)
    if contact.id in state.forwarded_threads:  # After so long that nobody remembers its message.
        forget_forwarded(state, state.forwarded_threads[contact.id])
    if fact.message_id:
        state.messages.add(fact.message_id, max(state.now_ms, fact.at_ms))


def fold_relax(state: PoolState, fact: ContactRelaxed) -> None:
    """A waiting contact asks for less."""
    contact = contact_of(state, fact, None)
    if fact.step != contact.relaxed + 1:
        raise IllegalFactError(f"contact {contact.id} was relaxed {contact.relaxed} times, this is step {fact.step}")
    relaxed = replace(
        contact,
        skills=tuple(sorted(fact.skills.items())),
        alternatives=alternatives_of(fact.alternatives),
        relaxed=fact.step,
        relax_ms=fact.relax_ms,
    )
    rearrange(state, contact, relaxed)


def fold_join(state: PoolState, fact: MessageJoined) -> None:
    """A message belongs to a contact that is there; one that is held is awaited by its customer."""
    contact = state.contacts.get(fact.contact_id)
    next_state(None if contact is None else contact.state, MessageJoined, fact.contact_id)
    assert contact is not None, "the table knows one fact alone for a contact that is not there"
    if contact.state is ContactState.HELD and not contact.awaited:
        rearrange(state, contact, replace(contact, awaited=True))
    if fact.callback_request is not None:
        state.requests.add(contact, fact.callback_request)
    state.messages.add(fact.message_id, max(state.now_ms, fact.at_ms))


def fold_flag(state: PoolState, fact: ContactFlagged) -> None:
    """Somebody was told about a waiting contact."""
    contact = contact_of(state, fact, None)
    flagged = replace(contact, flagged=True)
    state.contacts[contact.id] = flagged
    state.index.remove_contact(contact)
    state.index.add_contact(flagged)


def fold_tell(state: PoolState, fact: WaitExpected) -> None:
    """It was said how long a waiting contact will probably wait."""
    contact = contact_of(state, fact, None)
    state.contacts[contact.id] = told = replace(contact, untold=False)
    state.index.tell_contact(told)


def fold_requeue(state: PoolState, fact: ContactRequeued) -> None:
    """An agent's contact waits again."""
    contact = contact_of(state, fact, fact.agent_id)
    release(state, contact, waiting_again(state, contact, fact, fact.agent_id, fact.barred_until_ms), fact.at_ms)


def fold_transfer(state: PoolState, fact: ContactTransferred) -> None:
    """An agent's contact waits again, for others."""
    contact = contact_of(state, fact, fact.agent_id)
    at_ms = max(state.now_ms, fact.at_ms)
    waiting = waiting_again(state, contact, fact, fact.barred_agent_id, fact.barred_until_ms)
    waiting = replace(
        waiting,
        # Whom it is passed on to may have declined it before; now he is asked by name.
        declines=tuple([decline for decline in waiting.declines if decline.agent_id != fact.target_agent_id]),
        queue=fact.queue,
        skills=tuple(sorted(fact.skills.items())),
        alternatives=alternatives_of(fact.alternatives),
        only_agent=fact.target_agent_id,
        only_until_ms=fact.target_until_ms,
        offer_timeout_ms=fact.offer_timeout_ms,
        transfers=fact.transfers,
        overflowed_ms=contact.overflowed_ms if fact.queue == contact.queue else 0,
        relaxed=0,
        relax_ms=fact.relax_ms,
        relax_from_ms=at_ms,
    )
    release(state, contact, _asked_anew(waiting, fact), fact.at_ms)


def _asked_anew(contact: Contact, fact: ContactTransferred | ContactChanged) -> Contact:
    """The contact with what is asked for in whatever queue it comes to, where that was named."""
    if fact.asked is None:
        return contact
    return replace(contact, asked=tuple(sorted(fact.asked.items())), asked_any_of=())


def waiting_again(
    state: PoolState,
    contact: Contact,
    fact: ContactRequeued | ContactTransferred | CallbackScheduled | CallbackMissed,
    barred_agent_id: str | None = None,
    barred_until_ms: int = 0,
) -> Contact:
    """The contact back in the queue, without whoever had it for a while. It begins to wait anew."""
    declines = contact.declines
    if barred_agent_id is not None and barred_until_ms:
        declines = with_decline(declines, barred_agent_id, barred_until_ms, 0)
    return replace(
        contact,
        state=ContactState.QUEUED,
        agent_id=None,
        declines=declines,
        only_agent=None,
        only_until_ms=0,
        consults=(),
        frees_room=False,
        awaited=False,
        waits_ms=max(state.now_ms, fact.at_ms),
        overflow=0,
        overflow_from_ms=max(state.now_ms, fact.at_ms),
    )


def fold_hold(state: PoolState, fact: ContactHeld) -> None:
    """The contact stays with its agent, put aside."""
    contact = contact_of(state, fact, fact.agent_id)
    rearrange(state, contact, replace(contact, state=ContactState.HELD, frees_room=fact.frees_room))


def fold_unhold(state: PoolState, fact: ContactUnheld) -> None:
    """The agent goes on with the contact."""
    contact = contact_of(state, fact, fact.agent_id)
    rearrange(state, contact, replace(contact, state=ContactState.ACTIVE, frees_room=False, awaited=False))


def fold_change(state: PoolState, fact: ContactChanged) -> None:
    """The contact asks for something else, or has another place."""
    known = state.contacts.get(fact.contact_id)
    contact = contact_of(state, fact, None if known is None else known.agent_id)
    changed = replace(
        contact,
        queue=fact.queue,
        skills=tuple(sorted(fact.skills.items())),
        alternatives=alternatives_of(fact.alternatives),
        priority=fact.priority,
        due_ms=fact.due_ms,
        offer_timeout_ms=fact.offer_timeout_ms,
    )
    from_ms = max(state.now_ms, fact.at_ms)
    if fact.queue != contact.queue or fact.asked is not None:
        changed = replace(changed, relaxed=0, relax_ms=fact.relax_ms, relax_from_ms=from_ms)
    if fact.queue != contact.queue:
        changed = replace(changed, overflow=0, overflow_from_ms=from_ms, overflowed_ms=0)
    rearrange(state, contact, _asked_anew(changed, fact))


def fold_cancel(state: PoolState, fact: ContactCancelled) -> None:
    """The contact leaves the pool."""
    contact = contact_of(state, fact, fact.agent_id)
    end_contact(state, contact, fact.at_ms)


def fold_consult(state: PoolState, fact: ConsultStarted) -> None:
    """A colleague looks at the contact."""
    contact = contact_of(state, fact, fact.agent_id)
    if fact.target_agent_id in contact.consults:
        raise IllegalFactError(f"agent {fact.target_agent_id} looks at contact {contact.id} already")
    state.contacts[contact.id] = replace(contact, consults=(*contact.consults, fact.target_agent_id))


def fold_consult_end(state: PoolState, fact: ConsultEnded) -> None:
    """A colleague looks at the contact no more."""
    contact = contact_of(state, fact, fact.agent_id)
    if fact.target_agent_id not in contact.consults:
        raise IllegalFactError(f"agent {fact.target_agent_id} does not look at contact {contact.id}")
    left = tuple([agent_id for agent_id in contact.consults if agent_id != fact.target_agent_id])
    state.contacts[contact.id] = replace(contact, consults=left)


def fold_abandon(state: PoolState, fact: ContactAbandoned) -> None:
    """The contact waits no more, and is kept for its customer."""
    contact = contact_of(state, fact, None)
    after = replace(contact, state=ContactState.ABANDONED, resumable_until_ms=fact.resumable_until_ms)
    rearrange(state, contact, after)


def fold_return(state: PoolState, fact: ContactReturned) -> None:
    """The contact waits again."""
    contact = contact_of(state, fact, None)
    if contact.thread_id in state.index.threads:
        raise IllegalFactError(f"thread {contact.thread_id} has an open contact")
    at_ms = max(state.now_ms, fact.at_ms)
    back = replace(contact, state=ContactState.QUEUED, resumable_until_ms=0, waits_ms=at_ms)
    rearrange(state, contact, replace(back, overflow_from_ms=at_ms) if fact.waits_anew else back)
    if fact.callback_request is not None:
        state.requests.add(contact, fact.callback_request)
    state.messages.add(fact.message_id, at_ms)


def fold_lapse(state: PoolState, fact: ContactLapsed) -> None:
    """The contact leaves the pool."""
    contact = contact_of(state, fact, None)
    end_contact(state, contact, fact.at_ms)


def fold_wrap_up(state: PoolState, fact: WrapUpStarted) -> None:
    """The agent finishes up."""
    contact = contact_of(state, fact, fact.agent_id)
    wrap_up = WrapUp(fact.until_ms, fact.disposition, fact.summary, fact.follow_up)
    after = replace(contact, state=ContactState.WRAP_UP, wrap_up=wrap_up, frees_room=False, awaited=False, consults=())
    rearrange(state, contact, after)


def fold_extend(state: PoolState, fact: WrapUpExtended) -> None:
    """The agent finishes up for longer."""
    contact = contact_of(state, fact, fact.agent_id)
    assert contact.wrap_up is not None, "a contact in wrap-up has one"
    rearrange(state, contact, replace(contact, wrap_up=replace(contact.wrap_up, until_ms=fact.until_ms)))


def fold_resolve(state: PoolState, fact: ContactResolved) -> None:
    """The contact leaves the pool. One that waited is resolved by somebody who did not have it."""
    known = state.contacts.get(fact.contact_id)
    waits = known is not None and known.state in {ContactState.QUEUED, ContactState.SCHEDULED}
    contact = contact_of(state, fact, None if waits else fact.agent_id)
    end_contact(state, contact, fact.at_ms)
