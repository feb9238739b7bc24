"""Contacts in an agent's hands: resolving, wrap-up, notes, going away."""

from __future__ import annotations

import pytest

from libs.common.events.inputs import FinishWrapUp, ResolveContact
from libs.common.events.routing import (
    ContactRequeued,
    ContactResolved,
    NoteAdded,
    PresenceChanged,
    WrapUpStarted,
)
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core import limits
from tests.unit.router.pool import a_pool, kinds, offered_to, the_offer, the_refusal


def test_without_wrap_up_a_contact_is_resolved_at_once_and_the_next_one_offered() -> None:
    pool = a_pool("anna")
    pool.active("anna", 1)
    pool.receive(2)
    pool.at_ms = 9_000
    facts = pool.resolve("anna", "con_1", disposition="answered", summary="Sent again", follow_up=False)
    assert facts[0] == ContactResolved(
        pool=POOL,
        at_ms=START_MS + 9_000,
        command_id="cmd_3",
        contact_id="con_1",
        agent_id="anna",
        queue="orders",
        channel="email",
        disposition="answered",
        summary="Sent again",
        follow_up=False,
    )
    assert offered_to(facts) == {"con_2": "anna"}


def test_wrap_up_takes_up_room_until_its_time_is_up() -> None:
    # given a queue with wrap-up, a contact resolved and another one waiting
    pool = a_pool("anna", queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna", 1)
    pool.receive(2)
    facts = pool.resolve("anna", "con_1", disposition="answered", summary="Done", follow_up=False)
    assert facts == [
        WrapUpStarted(
            pool=POOL,
            at_ms=START_MS + 1,
            command_id="cmd_3",
            contact_id="con_1",
            agent_id="anna",
            until_ms=START_MS + 30_001,
            disposition="answered",
            summary="Done",
            follow_up=False,
        )
    ]
    # when nothing else happens
    assert pool.deadline_ms() == 30_001
    assert pool.wait(29_999) == []
    facts = pool.wait(1)
    # then it ends by itself, with what was said at its beginning, and the next contact is offered
    resolved = facts[0]
    assert isinstance(resolved, ContactResolved)
    assert (resolved.disposition, resolved.summary, resolved.follow_up) == ("answered", "Done", False)
    assert resolved.command_id is None
    assert offered_to(facts) == {"con_2": "anna"}


def test_theme_30_an_agent_who_is_ready_early_is_free_at_once() -> None:
    # given two agents in wrap-up, and a contact waiting
    pool = a_pool("anna", "bruno", queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna", 1)
    pool.active("bruno", 2)
    pool.receive(3)
    pool.resolve("anna", "con_1")
    pool.at_ms += 10
    pool.resolve("bruno", "con_2")
    # when the second is ready first, then he gets it, in the same step
    facts = pool.finish_wrap_up("bruno", "con_2")
    assert kinds(facts) == ["ContactResolved", "OfferMade"]
    assert facts[0].command_id == "cmd_7"
    assert offered_to(facts) == {"con_3": "bruno"}


def test_a_double_resolve_is_refused() -> None:
    pool = a_pool("anna", "bruno")
    pool.active("anna")
    pool.resolve("anna", "con_1")
    assert the_refusal(pool.resolve("anna", "con_1")) == "already-resolved"
    assert the_refusal(pool.resolve("bruno", "con_1")) == "already-resolved"
    assert the_refusal(pool.finish_wrap_up("anna", "con_1")) == "already-resolved"


def test_a_double_resolve_during_wrap_up_is_refused() -> None:
    pool = a_pool("anna", queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna")
    pool.resolve("anna", "con_1", disposition="first")
    assert the_refusal(pool.resolve("anna", "con_1", disposition="second")) == "already-resolved"
    [resolved] = pool.finish_wrap_up("anna", "con_1")
    assert isinstance(resolved, ContactResolved)
    assert resolved.disposition == "first"


@pytest.mark.parametrize("kind", [ResolveContact, FinishWrapUp])
def test_work_on_what_is_not_in_ones_hands_is_refused(kind: type) -> None:
    # given a contact in wrap-up, one active, one offered and one waiting
    pool = a_pool("anna", an_agent("bruno", capacity={"email": 1}), queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna", 1)
    pool.active("bruno", 2)
    pool.receive(3)
    if kind is FinishWrapUp:
        pool.resolve("anna", "con_1")

    def reason(agent: str, contact_id: str) -> str:
        return the_refusal(pool.command(kind, agent, contact_id=contact_id))

    assert reason("bruno", "con_1") == "contact-not-yours"
    assert reason("anna", "con_3") == "contact-not-active"
    assert reason("anna", "con_none") == "contact-unknown"
    assert reason("nobody", "con_1") == "agent-unknown"
    assert pool.state.contacts["con_1"].agent_id == "anna"


def test_finishing_a_wrap_up_that_has_not_begun_is_refused() -> None:
    pool = a_pool("anna", queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna")
    assert the_refusal(pool.finish_wrap_up("anna", "con_1")) == "contact-not-active"


def test_an_offered_contact_cannot_be_resolved() -> None:
    pool = a_pool("anna")
    pool.receive(1)
    assert the_refusal(pool.resolve("anna", "con_1")) == "contact-not-active"


def test_the_same_resolve_again_does_nothing() -> None:
    pool = a_pool("anna")
    pool.active("anna")
    assert len(pool.resolve("anna", "con_1", command_id="cmd_x")) == 1
    assert pool.resolve("anna", "con_1", command_id="cmd_x") == []


def test_command_ids_are_forgotten_by_the_facts_own_time() -> None:
    pool = a_pool("anna")
    pool.active("anna")
    pool.resolve("anna", "con_1", command_id="cmd_x")
    pool.at_ms += limits.COMMANDS_KEPT_MS + 2 * limits.BUCKET_MS
    pool.presence("anna", "break")
    assert "cmd_x" not in pool.state.commands
    assert "con_1" in pool.state.resolved


def test_a_note_is_a_fact_and_changes_no_routing() -> None:
    # given an active contact and a resolved one
    pool = a_pool("anna")
    pool.active("anna", 1)
    pool.resolve("anna", "con_1")
    pool.active("anna", 2)
    # then anybody may put a note on either
    for contact_id in ("con_1", "con_2"):
        [note] = pool.note("marta", contact_id)
        assert isinstance(note, NoteAdded)
        assert (note.contact_id, note.note_id, note.agent_id) == (contact_id, "note_1", "marta")
    # and on nothing else
    assert the_refusal(pool.note("anna", "con_9")) == "contact-unknown"


def test_theme_10_signing_out_leaves_nothing_behind() -> None:
    # given an agent with an offer, an active contact and one in wrap-up
    capacity = {"email": 3}
    pool = a_pool(an_agent("anna", capacity=capacity), queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna", 1)
    pool.active("anna", 2)
    pool.receive(3)
    pool.resolve("anna", "con_2", disposition="answered")
    # when he signs out
    facts = pool.presence("anna", "offline")
    # then the first waits again, the second is resolved, the third is taken back
    assert kinds(facts) == ["PresenceChanged", "ContactRequeued", "ContactResolved", "OfferWithdrawn"]
    assert facts[1] == ContactRequeued(
        pool=POOL, at_ms=START_MS + 1, contact_id="con_1", agent_id="anna", cause="sign-out"
    )
    assert isinstance(facts[2], ContactResolved)
    assert facts[2].disposition == "answered"
    assert pool.wait(5_000) == []  # For so long he would have been left alone with what was offered to him.
    assert pool.deadline_ms() is None
    # and when he comes back, he is given work again, by the old due times
    assert list(offered_to(pool.presence("anna"))) == ["con_1", "con_3"]


def test_a_signed_out_agents_contact_goes_to_another_in_the_same_step_before_newer_ones() -> None:
    # given two agents at work and a contact waiting
    pool = a_pool("anna", "bruno")
    pool.active("anna", 1)
    pool.active("bruno", 2)
    pool.receive(3)
    # when the first signs out, nobody has room: then his contact is the next for the other
    assert kinds(pool.presence("anna", "offline")) == ["PresenceChanged", "ContactRequeued"]
    assert offered_to(pool.resolve("bruno", "con_2")) == {"con_1": "bruno"}


@pytest.mark.parametrize("status", ["busy", "break"])
def test_a_break_keeps_what_is_active_and_in_wrap_up(status: str) -> None:
    pool = a_pool(an_agent("anna", capacity={"email": 3}), queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna", 1)
    pool.active("anna", 2)
    pool.receive(3)
    pool.resolve("anna", "con_2")
    assert kinds(pool.presence("anna", status)) == ["PresenceChanged", "OfferWithdrawn"]
    assert kinds(pool.resolve("anna", "con_1")) == ["WrapUpStarted"]
    assert kinds(pool.wait(30_000)) == ["ContactResolved", "ContactResolved"]


def test_theme_10_an_agent_who_goes_in_the_middle_of_things_gets_work_again_afterwards() -> None:
    # given an agent who leaves and comes back in every state that a contact of his can be in
    pool = a_pool("anna", queue=a_queue("orders", wrap_up_ms=30_000))
    for number, status in enumerate(("busy", "break", "offline"), 1):
        pool.receive(number)
        pool.presence("anna", status)
        facts = pool.presence("anna") + pool.wait(5_000)
        pool.accept("anna", the_offer(facts).offer_id)
        pool.presence("anna", status)
        pool.presence("anna")
        if status == "offline":
            pool.accept("anna", the_offer(pool.facts[-1:]).offer_id)
        pool.resolve("anna", f"con_{number}")
        pool.presence("anna", status)
        pool.wait(30_000)
        pool.presence("anna")
    # then he has nothing left in hand, and the next contact is his
    assert pool.state.contacts == {}
    assert offered_to(pool.receive(9)) == {"con_9": "anna"}


def test_theme_9_presence_changes_by_command_alone() -> None:
    # given an agent at work
    pool = a_pool("anna")
    # when days go by with work, offers that run out and a configuration
    pool.receive(1)
    pool.wait(20_000)
    pool.wait(3 * 86_400_000)
    pool.configure(queues=(a_queue("orders"),), agents=(an_agent("anna", skills={"it": 1}),))
    # then his presence was changed once, by himself
    changes = [fact for fact in pool.facts if isinstance(fact, PresenceChanged)]
    assert [(fact.agent_id, fact.status, fact.cause) for fact in changes] == [("anna", "available", "command")]
    assert pool.state.agents["anna"].presence == "available"


def test_a_presence_that_is_so_already_is_confirmed_and_changes_nothing() -> None:
    # given two agents, the first idle for longer
    pool = a_pool("anna", "bruno")
    pool.at_ms += 1_000
    # when he says again that he is available, then he is told so and keeps his place
    assert kinds(pool.presence("anna")) == ["PresenceChanged"]
    assert offered_to(pool.receive(1)) == {"con_1": "anna"}


def test_a_supervisor_changes_somebody_elses_presence() -> None:
    pool = a_pool("anna")
    pool.active("anna")
    facts = pool.presence("anna", "offline", by="marta")
    assert kinds(facts) == ["PresenceChanged", "ContactRequeued"]


def test_an_unknown_presence_or_agent_is_refused() -> None:
    pool = a_pool("anna")
    assert the_refusal(pool.presence("anna", "asleep")) == "presence-unknown"
    assert the_refusal(pool.presence("nobody", "available")) == "agent-unknown"
    assert pool.state.agents["anna"].presence == "available"
