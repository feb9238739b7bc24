"""What is done with contacts besides answering and resolving them: transfers, holding, what supervisors do, taking by name, wrap-up."""

from __future__ import annotations

from typing import Any

import pytest

from libs.common.events.inputs import (
    AssignContact,
    CancelContact,
    ChangeContact,
    CustomerLeft,
    EndConsult,
    ExtendWrapUp,
    PullContact,
    RequeueContact,
    ResolveContact,
    StartConsult,
    TransferContact,
)
from libs.common.events.pool import ChannelConfiguration, RoutingRules
from libs.common.events.routing import (
    ConsultEnded,
    ConsultStarted,
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactChanged,
    ContactHeld,
    ContactRequeued,
    ContactResolved,
    ContactReturned,
    ContactTransferred,
    ContactUnheld,
    OfferMade,
    OfferWithdrawn,
    WrapUpExtended,
    WrapUpStarted,
)
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core.explain import explain_offer
from services.router.core.snapshot import freeze, restore, snapshot_chunks
from services.router.core.step import apply
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer, the_refusal


def two_queues(*agents: Any, **fields: Any) -> Pool:
    """A pool with the queues `orders` and `billing` (for which Italian is needed), and these agents, all available."""
    pool = Pool(queues=(a_queue("orders"), a_queue("billing", skills={"it": 3})), agents=agents)
    if fields:
        pool.configure(queues=tuple(pool.state.queues.values()), agents=agents, **fields)
    for agent in agents:
        pool.at_ms += 1
        pool.presence(agent.id)
    return pool


def test_a_transfer_says_everything_about_the_new_wait() -> None:
    # given an agent with a contact that asks for English besides what its queue asks for
    pool = two_queues(an_agent("anna", skills={"en": 5}))
    pool.active("anna", skills={"en": 2})
    pool.at_ms = 7_000
    # when
    facts = pool.transfer("anna", "con_1", queue="billing", note_id="not_1", text="Invoice.")
    # then
    assert facts == [
        ContactTransferred(
            pool=POOL,
            at_ms=START_MS + 7_000,
            command_id="cmd_3",
            contact_id="con_1",
            agent_id="anna",
            by="anna",
            queue="billing",
            skills={"en": 2, "it": 3},
            offer_timeout_ms=20_000,
            transfers=1,
            barred_agent_id="anna",
            barred_until_ms=START_MS + 307_000,
            note_id="not_1",
        )
    ]


@pytest.mark.parametrize(
    ("target", "skills"),
    [
        ({"queue": "billing", "skills": {"de": 1}}, {"de": 1, "it": 3}),
        ({"skills": {"de": 1}}, {"de": 1}),
        ({"skills": {}}, {}),
        ({"queue": "orders"}, {"en": 2}),
    ],
)
def test_named_skills_replace_what_the_contact_asked_for(target: dict[str, Any], skills: dict[str, int]) -> None:
    pool = two_queues(an_agent("anna", skills={"en": 5}))
    pool.active("anna", skills={"en": 2})
    [transferred] = pool.transfer("anna", "con_1", **target)
    assert isinstance(transferred, ContactTransferred)
    assert transferred.skills == skills


def test_a_transferred_contact_comes_back_when_nobody_else_took_it_for_long_enough() -> None:
    pool = two_queues(an_agent("anna"), rules=RoutingRules(transfer_back_ms=60_000))
    pool.active("anna")
    pool.transfer("anna", "con_1", skills={})
    assert pool.wait(59_999) == []
    assert offered_to(pool.wait(1)) == {"con_1": "anna"}
    # and that she passed it on does not count among her declines of it
    pool.at_ms += 1
    pool.reject("anna", pool.state.contacts["con_1"].offer_id or "")
    [decline] = pool.state.contacts["con_1"].declines
    assert (decline.count, decline.until_ms) == (1, START_MS + pool.at_ms + 60_000)


def test_a_supervisor_passes_anybodys_contact_on() -> None:
    pool = a_pool("anna", "bruno")
    pool.active("anna")
    assert the_refusal(pool.transfer("bruno", "con_1", skills={})) == "contact-not-yours"
    facts = pool.supervise(TransferContact, "con_1", skills={})
    assert isinstance(facts[0], ContactTransferred)
    assert (facts[0].agent_id, facts[0].by, facts[0].barred_agent_id) == ("anna", "marta", "anna")
    assert offered_to(facts) == {"con_1": "bruno"}


def test_a_held_contact_leaves_room_for_another() -> None:
    # given an agent with room for one, and one waiting
    pool = a_pool("anna")
    pool.active("anna", 1)
    pool.receive(2)
    # when
    facts = pool.hold("anna", "con_1")
    # then
    assert facts[0] == ContactHeld(
        pool=POOL, at_ms=START_MS + 1, command_id="cmd_3", contact_id="con_1", agent_id="anna", frees_room=True
    )
    assert offered_to(facts) == {"con_2": "anna"}


@pytest.mark.parametrize(
    ("channels", "channel", "frees"),
    [
        ((), "voice", False),
        ((), "webchat", True),
        ((ChannelConfiguration(id="voice", hold_frees_room=True),), "voice", True),
        ((ChannelConfiguration(id="webchat", hold_frees_room=False),), "webchat", False),
    ],
)
def test_whether_holding_leaves_room_is_the_channels(
    channels: tuple[ChannelConfiguration, ...], channel: str, frees: bool
) -> None:
    pool = two_queues(an_agent("anna"), channels=channels)
    pool.active("anna", 1, message_channel=channel)
    pool.receive(2, message_channel=channel)
    held = pool.hold("anna", "con_1")
    assert kinds(held) == (["ContactHeld", "OfferMade"] if frees else ["ContactHeld"])
    # The customer's next message brings it back at once where the room was kept.
    back = pool.receive(3, message_channel=channel, message_thread_id=pool.state.contacts["con_1"].thread_id)
    assert kinds(back) == (["MessageJoined"] if frees else ["MessageJoined", "ContactUnheld"])


def test_a_held_contact_comes_back_at_once_when_there_is_room() -> None:
    pool = a_pool("anna")
    pool.active("anna")
    pool.hold("anna", "con_1")
    thread = pool.state.contacts["con_1"].thread_id
    facts = pool.receive(2, message_thread_id=thread)
    assert kinds(facts) == ["MessageJoined", "ContactUnheld"]
    assert facts[1] == ContactUnheld(
        pool=POOL, at_ms=START_MS + 1, contact_id="con_1", agent_id="anna", cause="customer"
    )


def test_a_held_contact_comes_back_also_in_a_break_and_is_given_back_at_sign_out() -> None:
    pool = a_pool("anna")
    pool.active("anna")
    pool.hold("anna", "con_1")
    pool.presence("anna", "break")
    thread = pool.state.contacts["con_1"].thread_id
    assert kinds(pool.receive(2, message_thread_id=thread)) == ["MessageJoined", "ContactUnheld"]
    pool.hold("anna", "con_1")
    facts = pool.presence("anna", "offline")
    assert kinds(facts) == ["PresenceChanged", "ContactRequeued"]
    assert pool.state.contacts["con_1"].rank == (START_MS + 60_001, 1)


def test_going_on_by_hand_beyond_capacity_takes_an_open_offer_back() -> None:
    # given a held contact and an offer in its room
    pool = a_pool("anna", "bruno")
    pool.active("anna", 1)
    pool.active("bruno", 2)
    pool.hold("anna", "con_1")
    pool.receive(3)
    # when the agent goes on with the first
    facts = pool.unhold("anna", "con_1")
    # then nothing else stays offered to her
    assert kinds(facts) == ["ContactUnheld", "OfferWithdrawn"]
    assert isinstance(facts[1], OfferWithdrawn)
    assert facts[1].cause == "capacity"


def test_a_held_contact_is_resolved_and_its_wrap_up_takes_up_room() -> None:
    pool = a_pool("anna", queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna", 1)
    pool.hold("anna", "con_1")
    assert kinds(pool.resolve("anna", "con_1")) == ["WrapUpStarted"]
    assert kinds(pool.receive(2)) == ["ContactQueued"]
    assert kinds(pool.wait(30_000)) == ["ContactResolved", "OfferMade"]


@pytest.mark.parametrize("state", ["queued", "offered", "active", "held"])
def test_a_supervisor_assigns_from_wherever_the_contact_stands(state: str) -> None:
    pool = a_pool("anna", an_agent("bruno", capacity={"email": 0}))
    if state == "queued":
        pool.presence("anna", "break")
    offer = pool.receive(1)
    if state in {"active", "held"}:
        pool.accept("anna", the_offer(offer).offer_id)
    if state == "held":
        pool.hold("anna", "con_1")
    facts = pool.supervise(AssignContact, "con_1", target_agent_id="bruno")
    before = {"queued": [], "offered": ["OfferWithdrawn"]}.get(state, ["ContactRequeued"])
    assert kinds(facts) == [*before, "ContactAssigned"]
    assert facts[-1] == ContactAssigned(
        pool=POOL,
        at_ms=START_MS + pool.at_ms,
        command_id=f"cmd_{pool.commands}",
        contact_id="con_1",
        agent_id="bruno",
        by="marta",
        over_capacity=True,
    )
    assert the_refusal(pool.supervise(AssignContact, "con_1", target_agent_id="bruno")) == "already-assigned"


def test_what_is_not_assigned() -> None:
    pool = a_pool("anna", queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna")

    def refusal(contact_id: str, agent: str) -> str:
        return the_refusal(pool.supervise(AssignContact, contact_id, target_agent_id=agent))

    assert refusal("con_1", "nobody") == "agent-unknown"
    assert refusal("con_9", "anna") == "contact-unknown"
    pool.configure(queues=(a_queue("orders", wrap_up_ms=30_000),), agents=(an_agent("anna"), an_agent("bruno")))
    assert refusal("con_1", "bruno") == "agent-away"
    pool.resolve("anna", "con_1")
    assert refusal("con_1", "anna") == "already-resolved"
    pool.finish_wrap_up("anna", "con_1")
    assert refusal("con_1", "anna") == "already-resolved"


def test_a_supervisor_takes_a_contact_back_and_it_goes_to_another() -> None:
    pool = a_pool("anna", "bruno")
    pool.active("anna")
    facts = pool.supervise(RequeueContact, "con_1")
    assert facts[0] == ContactRequeued(
        pool=POOL,
        at_ms=START_MS + 2,
        command_id="cmd_4",
        contact_id="con_1",
        agent_id="anna",
        cause="supervisor",
        by="marta",
        barred_until_ms=START_MS + 300_002,
    )
    assert offered_to(facts) == {"con_1": "bruno"}
    assert the_refusal(pool.supervise(RequeueContact, "con_1")) == "contact-not-active"


def test_a_change_of_skills_takes_an_open_offer_back_and_a_change_of_priority_does_not() -> None:
    pool = a_pool(an_agent("anna"), an_agent("bruno", skills={"it": 5}))
    pool.receive(1)
    [changed] = pool.supervise(ChangeContact, "con_1", priority=2)
    assert changed == ContactChanged(
        pool=POOL,
        at_ms=START_MS + 2,
        command_id="cmd_3",
        contact_id="con_1",
        by="marta",
        queue="orders",
        skills={},
        priority=2,
        due_ms=START_MS + 15_002,
        offer_timeout_ms=20_000,
    )
    facts = pool.supervise(ChangeContact, "con_1", skills={"it": 1})
    assert kinds(facts) == ["OfferWithdrawn", "ContactChanged", "OfferMade"]
    assert offered_to(facts) == {"con_1": "bruno"}
    assert pool.state.contacts["con_1"].due_ms == START_MS + 15_002
    assert the_refusal(pool.supervise(ChangeContact, "con_1", queue="nowhere")) == "queue-unknown"


def test_a_contact_changes_queue_while_it_is_worked_on() -> None:
    pool = two_queues(an_agent("anna"))
    pool.active("anna")
    [changed] = pool.supervise(ChangeContact, "con_1", queue="billing")
    assert isinstance(changed, ContactChanged)
    assert (changed.queue, changed.skills) == ("billing", {"it": 3})
    [resolved] = pool.resolve("anna", "con_1")
    assert isinstance(resolved, ContactResolved)
    assert resolved.queue == "billing"


@pytest.mark.parametrize("state", ["queued", "offered", "active", "held"])
def test_a_cancelled_contact_is_gone_from_wherever_it_stood(state: str) -> None:
    pool = a_pool("anna")
    if state == "queued":
        pool.presence("anna", "break")
    offer = pool.receive(1)
    if state in {"active", "held"}:
        pool.accept("anna", the_offer(offer).offer_id)
    if state == "held":
        pool.hold("anna", "con_1")
    facts = pool.supervise(CancelContact, "con_1", reason="spam")
    assert kinds(facts) == [*(["OfferWithdrawn"] if state == "offered" else []), "ContactCancelled"]
    cancelled = facts[-1]
    assert isinstance(cancelled, ContactCancelled)
    assert (cancelled.by, cancelled.reason) == ("marta", "spam")
    assert cancelled.agent_id == (None if state in {"queued", "offered"} else "anna")
    assert "con_1" not in pool.state.contacts
    assert pool.deadline_ms() is None
    assert the_refusal(pool.supervise(CancelContact, "con_1")) == "already-resolved"
    # The customer's next message is new work.
    assert kinds(pool.receive(2, message_thread_id="thread"))[0] == "ContactQueued"


@pytest.mark.parametrize("state", ["queued", "offered", "active", "held", "wrap_up"])
def test_a_supervisor_resolves_a_contact_wherever_it_stands(state: str) -> None:
    pool = a_pool("anna", queue=a_queue("orders", wrap_up_ms=30_000))
    if state == "queued":
        pool.presence("anna", "break")
    offer = pool.receive(1)
    if state in {"active", "held", "wrap_up"}:
        pool.accept("anna", the_offer(offer).offer_id)
    if state == "held":
        pool.hold("anna", "con_1")
    if state == "wrap_up":
        pool.resolve("anna", "con_1")
        assert the_refusal(pool.supervise(ResolveContact, "con_1")) == "already-resolved"
        return
    facts = pool.supervise(ResolveContact, "con_1", disposition="duplicate")
    assert kinds(facts) == [*(["OfferWithdrawn"] if state == "offered" else []), "ContactResolved"]
    resolved = facts[-1]
    assert isinstance(resolved, ContactResolved)
    assert (resolved.agent_id, resolved.by) == ("marta" if state in {"queued", "offered"} else "anna", "marta")
    assert the_refusal(pool.resolve("anna", "con_1")) == "already-resolved"


def test_taking_a_contact_by_name_has_its_conditions() -> None:
    def pull(pool: Pool, agent: str, contact_id: str = "con_1") -> str:
        return the_refusal(pool.command(PullContact, agent, contact_id=contact_id))

    pool = a_pool("anna", "bruno", queue=a_queue("orders", pull=True), come=False)
    pool.receive(1, skills={"it": 1})
    assert pull(pool, "anna") == "agent-away"
    pool.presence("anna")
    assert pull(pool, "anna") == "skills-missing"
    assert pull(pool, "nobody") == "agent-unknown"
    assert pull(pool, "anna", "con_9") == "contact-unknown"
    pool.active("anna", 2)
    pool.receive(3)
    assert pull(pool, "anna", "con_3") == "no-room"
    assert pull(pool, "bruno", "con_2") == "contact-not-waiting"
    pool.presence("bruno")
    assert pull(pool, "anna", "con_3") == "contact-offered"
    pool.configure(queues=(a_queue("orders"),), agents=(an_agent("anna"), an_agent("bruno")))
    pool.reject("bruno", pool.state.contacts["con_3"].offer_id or "")
    assert pull(pool, "bruno", "con_3") == "pull-not-allowed"


def test_an_agent_takes_what_he_declined() -> None:
    pool = a_pool("anna", queue=a_queue("orders", pull=True))
    pool.reject("anna", the_offer(pool.receive(1)).offer_id)
    [assigned] = pool.command(PullContact, "anna", contact_id="con_1")
    assert assigned == ContactAssigned(
        pool=POOL, at_ms=START_MS + 1, command_id="cmd_3", contact_id="con_1", agent_id="anna"
    )


@pytest.mark.parametrize(
    ("of_queue", "of_channel", "until_ms"),
    [(None, None, None), (None, 5_000, 5_000), (0, 5_000, None), (7_000, 5_000, 7_000), (-1, 5_000, 0), (None, -1, 0)],
)
def test_the_wrap_up_is_the_queues_else_the_channels(
    of_queue: int | None, of_channel: int | None, until_ms: int | None
) -> None:
    agents = (an_agent("anna"),)
    pool = Pool(agents=agents)
    pool.configure(
        queues=(a_queue("orders", wrap_up_ms=of_queue),),
        agents=agents,
        channels=(ChannelConfiguration(id="email", wrap_up_ms=of_channel),),
    )
    pool.presence("anna")
    pool.active("anna")
    [fact] = pool.resolve("anna", "con_1")
    if until_ms is None:
        assert isinstance(fact, ContactResolved)
        return
    assert isinstance(fact, WrapUpStarted)
    assert fact.until_ms == (START_MS + until_ms if until_ms else 0)
    assert pool.deadline_ms() == (until_ms or None)


def test_a_wrap_up_until_done_lasts_until_done() -> None:
    pool = a_pool("anna", queue=a_queue("orders", wrap_up_ms=-1))
    pool.active("anna", 1)
    pool.receive(2)
    pool.resolve("anna", "con_1")
    assert pool.wait(10 * 24 * 3_600_000) == []
    assert the_refusal(pool.command(ExtendWrapUp, "anna", contact_id="con_1", by_ms=1)) == "wrap-up-without-end"
    assert offered_to(pool.finish_wrap_up("anna", "con_1")) == {"con_2": "anna"}


def test_a_wrap_up_is_extended() -> None:
    pool = a_pool("anna", queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna")
    assert the_refusal(pool.command(ExtendWrapUp, "anna", contact_id="con_1", by_ms=1)) == "contact-not-active"
    pool.resolve("anna", "con_1")
    pool.at_ms += 10_000
    [extended] = pool.command(ExtendWrapUp, "anna", contact_id="con_1", by_ms=5_000)
    assert isinstance(extended, WrapUpExtended)
    assert extended.until_ms == START_MS + 35_001
    assert pool.wait(24_999) == []
    # One that has run out in the same moment is over before it is extended.
    pool.at_ms += 1
    facts = pool.command(ExtendWrapUp, "anna", contact_id="con_1", by_ms=5_000)
    assert kinds(facts) == ["ContactResolved", "InputRefused"]


def test_a_contact_passed_on_to_an_agent_is_for_him_alone_at_first() -> None:
    # given three agents, of whom the second is at work
    pool = a_pool("anna", "bruno", "carla")
    pool.active("anna", 1)
    pool.active("bruno", 2)
    # when the first passes her contact on to the second, who is full
    facts = pool.transfer("anna", "con_1", target_agent_id="bruno")
    # then it waits for him, though another one has room
    assert kinds(facts) == ["ContactTransferred"]
    assert isinstance(facts[0], ContactTransferred)
    assert (facts[0].target_agent_id, facts[0].target_until_ms) == ("bruno", START_MS + pool.at_ms + 60_000)
    assert (facts[0].queue, facts[0].transfers) == ("orders", 1)
    # and is offered to him when he has room, who may decline it: then it goes to anybody of the queue
    facts = pool.resolve("bruno", "con_2")
    assert offered_to(facts) == {"con_1": "bruno"}
    facts = pool.reject("bruno", the_offer(facts).offer_id)
    assert offered_to(facts) == {"con_1": "carla"}


def test_a_contact_is_not_kept_for_ever_for_whom_it_was_passed_on_to() -> None:
    pool = a_pool("anna", "bruno", "carla")
    pool.active("anna", 1)
    pool.active("bruno", 2)
    pool.transfer("anna", "con_1", target_agent_id="bruno")
    assert pool.wait(59_999) == []
    assert offered_to(pool.wait(1)) == {"con_1": "carla"}


def test_whom_a_contact_is_passed_on_to_may_have_declined_it_before() -> None:
    pool = a_pool("anna", "bruno")
    pool.presence("anna", "break")
    pool.reject("bruno", the_offer(pool.receive(1)).offer_id)
    pool.accept("anna", the_offer(pool.presence("anna")).offer_id)
    assert offered_to(pool.transfer("anna", "con_1", target_agent_id="bruno")) == {"con_1": "bruno"}


def test_whom_a_contact_is_not_passed_on_to() -> None:
    pool = two_queues(an_agent("anna"), an_agent("bruno"), an_agent("carla", skills={"it": 5}))
    pool.presence("bruno", "break")
    pool.active("anna")

    def refusal(target: str, **fields: Any) -> str:
        return the_refusal(pool.transfer("anna", "con_1", target_agent_id=target, **fields))

    assert refusal("nobody") == "agent-unknown"
    assert refusal("anna") == "already-assigned"
    assert refusal("bruno") == "agent-away"
    facts = pool.transfer("anna", "con_1", target_agent_id="carla", queue="billing")
    assert offered_to(facts) == {"con_1": "carla"}


def test_a_colleague_who_is_named_is_offered_it_without_the_skills() -> None:
    # given a contact with anna, a queue for Italian, and bruno who does not speak it
    pool = two_queues(an_agent("anna"), an_agent("bruno", skills={"it": 1}), an_agent("carla", skills={"it": 5}))
    pool.active("anna")
    # when she passes it on to him by name
    facts = pool.transfer("anna", "con_1", target_agent_id="bruno", queue="billing")
    # then he is offered it at once, and what he lacks is said
    transferred, offer = facts
    assert isinstance(transferred, ContactTransferred)
    assert isinstance(offer, OfferMade)
    assert transferred.missing == {"it": 3}
    assert (offer.agent_id, offer.reason.strategy, offer.reason.candidates) == ("bruno", "named", 1)
    # and it stays with him whatever he does meanwhile
    assert kinds(pool.presence("bruno")) == ["PresenceChanged"]
    # and when he declines, whoever has the skills is offered it, and he is not again
    facts = pool.reject("bruno", offer.offer_id)
    assert offered_to(facts) == {"con_1": "carla"}
    pool.presence("carla", "offline")
    assert pool.wait(3_600_000) == []


def test_a_colleague_without_the_skills_is_not_waited_for() -> None:
    pool = two_queues(an_agent("anna"), an_agent("bruno"), an_agent("carla", skills={"it": 5}))
    pool.active("anna", 1)
    pool.active("bruno", 2)
    assert the_refusal(pool.transfer("anna", "con_1", target_agent_id="bruno", queue="billing")) == "no-room"


def test_it_is_explained_that_a_colleague_was_named() -> None:
    pool = two_queues(an_agent("anna"), an_agent("bruno"), an_agent("carla", skills={"it": 5}))
    pool.active("anna")
    before = restore(POOL, snapshot_chunks(freeze(pool.state), 1_000))
    transferred, offer = pool.transfer("anna", "con_1", target_agent_id="bruno", queue="billing")
    apply(before, transferred)
    assert isinstance(offer, OfferMade)
    standing = explain_offer(before, offer).standing
    [named] = standing.candidates
    assert (named.agent_id, [(lack.obstacle, lack.subject) for lack in named.blockers]) == ("bruno", [("skill", "it")])
    assert [agent.agent_id for agent in standing.left_out] == ["carla", "anna"]


@pytest.mark.parametrize("offered", [False, True])
def test_a_customer_who_left_comes_back_to_the_old_place(offered: bool) -> None:
    # given a contact that waits, or is offered
    pool = a_pool("anna", come=offered)
    pool.receive(1, message_thread_id="thread")
    pool.at_ms += 5_000
    # when the customer leaves
    facts = pool.give(CustomerLeft(pool=POOL, contact_id="con_1"))
    # then it waits no more
    assert kinds(facts) == [*(["OfferWithdrawn"] if offered else []), "ContactAbandoned"]
    assert facts[-1] == ContactAbandoned(
        pool=POOL,
        at_ms=START_MS + pool.at_ms,
        contact_id="con_1",
        resumable_until_ms=START_MS + pool.at_ms + 900_000,
        waited_ms=5_000,
    )
    assert pool.give(CustomerLeft(pool=POOL, contact_id="con_1")) == []
    assert the_refusal(pool.supervise(AssignContact, "con_1", target_agent_id="anna")) == "contact-abandoned"
    # and when a further message comes, it waits again where it was, before what came in between
    pool.presence("anna", "break")
    pool.receive(2)
    pool.at_ms += 899_999
    facts = pool.receive(3, message_thread_id="thread")
    assert kinds(facts) == ["ContactReturned"]
    assert isinstance(facts[0], ContactReturned)
    assert facts[0].contact_id == "con_1"
    assert pool.receive(3, message_thread_id="thread") == []
    assert offered_to(pool.presence("anna")) == {"con_1": "anna"}


def test_a_customer_who_comes_back_too_late_is_a_new_contact() -> None:
    pool = a_pool("anna")
    pool.receive(1, message_thread_id="thread")
    pool.give(CustomerLeft(pool=POOL, contact_id="con_1"))
    # A message in the very moment finds the time over, though nothing has said so yet.
    pool.at_ms += 900_000
    assert kinds(pool.receive(2, message_thread_id="thread")) == ["ContactLapsed", "ContactQueued", "OfferMade"]
    # and without a message the time itself ends it
    pool.give(CustomerLeft(pool=POOL, contact_id="con_2"))
    assert pool.wait(899_999) == []
    assert kinds(pool.wait(1)) == ["ContactLapsed"]
    assert pool.deadline_ms() is None
    assert pool.give(CustomerLeft(pool=POOL, contact_id="con_2")) == []


def test_that_the_customer_left_changes_nothing_for_an_agents_contact() -> None:
    pool = a_pool("anna")
    pool.active("anna")
    assert pool.give(CustomerLeft(pool=POOL, contact_id="con_1")) == []
    assert the_refusal(pool.give(CustomerLeft(pool=POOL, contact_id="con_9"))) == "contact-unknown"


def test_a_colleague_looks_at_a_contact_and_has_room_all_the_same() -> None:
    # given a contact with one, and a colleague with room for one
    pool = a_pool("anna", "bruno")
    pool.active("anna", 1)
    # when he is asked to look at it
    facts = pool.command(StartConsult, "anna", contact_id="con_1", target_agent_id="bruno")
    # then he gets a contact of his own all the same
    expected = {"contact_id": "con_1", "agent_id": "anna", "target_agent_id": "bruno"}
    assert facts == [ConsultStarted(pool=POOL, at_ms=START_MS + 2, command_id=f"cmd_{pool.commands}", **expected)]
    assert offered_to(pool.receive(2)) == {"con_2": "bruno"}
    # and may say himself that he is done with it
    [ended] = pool.command(EndConsult, "bruno", contact_id="con_1", target_agent_id="bruno")
    assert ended == ConsultEnded(pool=POOL, at_ms=START_MS + 2, command_id=f"cmd_{pool.commands}", **expected)


@pytest.mark.parametrize("end", ["transfer", "requeue", "sign-out", "wrap-up"])
def test_a_consult_ends_with_the_conversation(end: str) -> None:
    pool = a_pool("anna", "bruno", queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna")
    pool.command(StartConsult, "anna", contact_id="con_1", target_agent_id="bruno")
    pool.hold("anna", "con_1")
    assert "bruno" in pool.state.contacts["con_1"].consults
    if end == "transfer":
        pool.transfer("anna", "con_1", skills={})
    elif end == "requeue":
        pool.supervise(RequeueContact, "con_1")
    elif end == "sign-out":
        pool.presence("anna", "offline")
    else:
        pool.resolve("anna", "con_1")
    assert not pool.state.contacts["con_1"].consults
    assert the_refusal(pool.supervise(EndConsult, "con_1", target_agent_id="bruno")) == "not-consulted"


def test_who_is_not_consulted() -> None:
    pool = a_pool("anna", "bruno", "carla")
    pool.presence("carla", "offline")
    pool.active("anna")

    def refusal(kind: Any, agent: str, target: str) -> str:
        return the_refusal(pool.command(kind, agent, contact_id="con_1", target_agent_id=target))

    assert refusal(StartConsult, "anna", "nobody") == "agent-unknown"
    assert refusal(StartConsult, "anna", "anna") == "already-assigned"
    assert refusal(StartConsult, "anna", "carla") == "agent-away"
    assert refusal(StartConsult, "bruno", "bruno") == "contact-not-yours"
    pool.command(StartConsult, "anna", contact_id="con_1", target_agent_id="bruno")
    assert refusal(StartConsult, "anna", "bruno") == "already-consulted"
    assert refusal(EndConsult, "carla", "bruno") == "contact-not-yours"
    assert refusal(EndConsult, "anna", "carla") == "not-consulted"
