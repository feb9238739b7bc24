"""The journal of what a log holds besides what the simulation brings about."""

from __future__ import annotations

from typing import Any

from libs.common.events.routing import (
    ContactAbandoned,
    ContactCancelled,
    ContactReturned,
    ContactTransferred,
    PresenceChanged,
)
from libs.common.testing.builders import (
    POOL,
    START_MS,
    a_contact_assigned,
    a_contact_queued,
    a_contact_resolved,
)
from services.router.simulator.journal import Journal


def a_journal(*facts: Any) -> Journal:
    journal = Journal()
    for fact in facts:
        journal.note(fact)
    return journal


def came(agent: str) -> PresenceChanged:
    return PresenceChanged(pool=POOL, at_ms=START_MS, agent_id=agent, status="available")


def test_a_contact_that_is_passed_on_is_in_one_pair_of_hands_at_a_time() -> None:
    # given a contact that anna has for a second and then, two seconds later, bruno for four
    queued = a_contact_queued(1)
    contact = queued.contact_id
    passed_on = ContactTransferred(
        pool=POOL,
        at_ms=START_MS + 1_000,
        contact_id=contact,
        agent_id="anna",
        by="anna",
        queue="general",
        skills={},
        offer_timeout_ms=20_000,
        transfers=1,
    )
    journal = a_journal(
        came("anna"),
        came("bruno"),
        queued,
        a_contact_assigned(contact, "anna", at_ms=START_MS),
        passed_on,
        a_contact_assigned(contact, "bruno", at_ms=START_MS + 3_000),
        a_contact_resolved(contact, "bruno", at_ms=START_MS + 7_000),
    )
    journal.close(START_MS + 10_000)

    # then
    assert {name: agent.busy_ms for name, agent in journal.agents.items()} == {"anna": 1_000, "bruno": 4_000}
    assert {name: agent.in_hand for name, agent in journal.agents.items()} == {"anna": 0, "bruno": 0}
    assert journal.visits[contact].assigned_ms == START_MS


def test_what_was_cancelled_while_it_waited_does_not_count() -> None:
    # given one that is cancelled while it waits, and one that somebody has
    first, second = a_contact_queued(1, contact_id="con_1"), a_contact_queued(2, contact_id="con_2")
    journal = a_journal(
        came("anna"),
        first,
        second,
        a_contact_assigned("con_2", "anna", at_ms=START_MS),
        ContactCancelled(pool=POOL, at_ms=START_MS + 1_000, contact_id="con_1", by="sara"),
        ContactCancelled(pool=POOL, at_ms=START_MS + 2_000, contact_id="con_2", by="sara", agent_id="anna"),
    )
    journal.close(START_MS + 5_000)

    # then
    assert list(journal.visits) == ["con_2"]
    assert journal.agents["anna"].busy_ms == 2_000


def test_who_resolves_a_contact_that_waits_has_not_had_it() -> None:
    # given an agent with one contact in hand, who says of another one, which waits, that it is done
    journal = a_journal(
        came("anna"),
        a_contact_queued(1, contact_id="con_1"),
        a_contact_queued(2, contact_id="con_2"),
        a_contact_assigned("con_1", "anna", at_ms=START_MS),
        a_contact_resolved("con_2", "anna", at_ms=START_MS + 1_000),
    )
    journal.close(START_MS + 5_000)

    # then the first is in hand still, and the second does not count
    assert (journal.agents["anna"].in_hand, journal.agents["anna"].busy_ms) == (1, 5_000)
    assert list(journal.visits) == ["con_1"]


def test_a_customer_who_comes_back_has_not_left() -> None:
    abandoned = ContactAbandoned(
        pool=POOL, at_ms=START_MS + 2_000, contact_id="con_1", resumable_until_ms=START_MS + 900_000, waited_ms=2_000
    )
    returned = ContactReturned(pool=POOL, at_ms=START_MS + 5_000, contact_id="con_1", message_id="msg_2")

    assert a_journal(a_contact_queued(1, contact_id="con_1"), abandoned).visits["con_1"].left_ms == START_MS + 2_000
    assert a_journal(a_contact_queued(1, contact_id="con_1"), abandoned, returned).visits["con_1"].left_ms is None
