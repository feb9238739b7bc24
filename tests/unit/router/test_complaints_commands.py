"""What users of other systems complain about, as far as it is about what agents and supervisors do with contacts.

Each test is named after the complaint that it answers; the numbers are those of the list.
"""

from __future__ import annotations

from libs.common.events.inputs import AssignContact, ChangeContact, PullContact, RequeueContact
from libs.common.events.pool import RoutingRules
from libs.common.events.routing import ContactAssigned, ContactTransferred
from libs.common.testing.builders import START_MS, a_queue, an_agent
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer, the_refusal


def test_theme_6_manual_assignment_to_an_agent_who_is_full_warns_and_nothing_automatic_follows() -> None:
    # given an agent whose capacity holds for him, whatever queue a contact comes from
    agents = (an_agent("anna", capacity={"email": 2}),)
    pool = Pool(queues=(a_queue("orders"), a_queue("billing")), agents=agents)
    pool.presence("anna")
    pool.active("anna", 1, queue="orders")
    pool.active("anna", 2, queue="billing")
    assert kinds(pool.receive(3, queue="billing")) == ["ContactQueued"]
    assert kinds(pool.receive(4, queue="orders")) == ["ContactQueued"]
    # when a supervisor gives her one more
    [assigned] = pool.supervise(AssignContact, "con_4", target_agent_id="anna")
    # then it is said that this is too much
    assert isinstance(assigned, ContactAssigned)
    assert assigned.over_capacity
    # and she gets nothing more by herself until she is below her capacity again
    assert offered_to(pool.resolve("anna", "con_1")) == {}
    assert offered_to(pool.resolve("anna", "con_2")) == {"con_3": "anna"}
    # and one that fits does not warn
    pool.reject("anna", pool.state.contacts["con_3"].offer_id or "")
    [assigned] = pool.supervise(AssignContact, "con_3", target_agent_id="anna")
    assert isinstance(assigned, ContactAssigned)
    assert not assigned.over_capacity


def test_theme_13_a_change_of_priority_acts_on_the_waiting_contact_now() -> None:
    # given three contacts that wait
    pool = a_pool("anna", come=False)
    for number in (1, 2, 3):
        pool.receive(number)
        pool.at_ms += 1_000
    # when the last one is made urgent and the first one is not
    pool.supervise(ChangeContact, "con_3", priority=4)
    pool.supervise(ChangeContact, "con_1", priority=-4)
    # then they are taken in the new order
    order = []
    facts = pool.presence("anna")
    for _ in range(3):
        offer = the_offer(facts)
        order.append(offer.contact_id)
        pool.accept("anna", offer.offer_id)
        facts = pool.resolve("anna", offer.contact_id)
    assert order == ["con_3", "con_2", "con_1"]


def test_theme_17_a_contact_in_somebodys_hands_is_nobody_elses() -> None:
    # given a contact that one has, and one that is offered
    pool = a_pool("anna", "bruno", "carla", queue=a_queue("orders", pull=True))
    pool.active("anna", 1)
    offer = the_offer(pool.receive(2))
    assert offer.agent_id == "bruno"
    # then nobody takes either by name
    assert the_refusal(pool.command(PullContact, "carla", contact_id="con_1")) == "contact-not-waiting"
    assert the_refusal(pool.command(PullContact, "carla", contact_id="con_2")) == "contact-offered"
    # and where a supervisor moves them, who had them before has them no more
    facts = pool.supervise(AssignContact, "con_1", target_agent_id="carla")
    assert kinds(facts) == ["ContactRequeued", "ContactAssigned"]
    assert the_refusal(pool.resolve("anna", "con_1")) == "contact-not-yours"
    pool.supervise(AssignContact, "con_2", target_agent_id="carla")
    assert the_refusal(pool.accept("bruno", offer.offer_id)) == "offer-taken-back"


def test_theme_26_a_transfer_to_a_queue_whose_agents_are_all_full_queues_there() -> None:
    # given a queue whose only agent is full
    agents = (an_agent("anna"), an_agent("bruno", skills={"it": 5}))
    pool = Pool(queues=(a_queue("orders"), a_queue("billing", skills={"it": 1})), agents=agents)
    pool.presence("bruno")
    pool.active("bruno", 1, queue="billing")
    pool.presence("anna")
    pool.active("anna", 2)
    before = pool.state.contacts["con_2"]
    # when a contact is passed on to it
    facts = pool.transfer("anna", "con_2", queue="billing")
    # then it waits there, in its old place, and its agent has left it and is free for others
    assert kinds(facts) == ["ContactTransferred"]
    waiting = pool.state.contacts["con_2"]
    assert (waiting.queue, waiting.agent_id, waiting.rank) == ("billing", None, before.rank)
    assert offered_to(pool.receive(3)) == {"con_3": "anna"}
    # and it goes to the queue's agent as soon as he has room, who may decline it
    facts = pool.resolve("bruno", "con_1")
    assert offered_to(facts) == {"con_2": "bruno"}
    assert kinds(pool.reject("bruno", the_offer(facts).offer_id)) == ["OfferRejected"]


def test_theme_26_a_transfer_to_a_queue_whose_agents_are_all_offline_queues_there() -> None:
    agents = (an_agent("anna"), an_agent("bruno", skills={"it": 5}))
    pool = Pool(queues=(a_queue("orders"), a_queue("billing", skills={"it": 1})), agents=agents)
    pool.presence("anna")
    pool.active("anna")
    assert kinds(pool.transfer("anna", "con_1", queue="billing")) == ["ContactTransferred"]
    assert offered_to(pool.presence("bruno")) == {"con_1": "bruno"}


def test_theme_26_the_contacts_own_queue_is_a_target_too() -> None:
    # given two agents of one queue
    pool = a_pool("anna", "bruno")
    pool.active("anna")
    # when one passes the contact on to the same queue
    facts = pool.transfer("anna", "con_1", queue="orders")
    # then it goes to the other one, and not back
    assert offered_to(facts) == {"con_1": "bruno"}
    pool.reject("bruno", the_offer(facts).offer_id)
    assert pool.wait(59_999) == []
    assert offered_to(pool.wait(1)) == {"con_1": "bruno"}


def test_theme_26_a_contact_does_not_go_round_for_ever() -> None:
    agents = (an_agent("anna"), an_agent("bruno"))
    pool = Pool(agents=agents)
    pool.configure(queues=(a_queue("orders"),), agents=agents, rules=RoutingRules(transfers_max=2, transfer_back_ms=0))
    pool.presence("anna")
    pool.active("anna")
    for count in (1, 2):
        facts = pool.transfer("anna", "con_1", skills={})
        assert isinstance(facts[0], ContactTransferred)
        assert facts[0].transfers == count
        pool.accept("anna", the_offer(facts).offer_id)
    assert the_refusal(pool.transfer("anna", "con_1", skills={})) == "transfer-limit"
    assert pool.state.contacts["con_1"].agent_id == "anna"
    # A supervisor still gets it away.
    assert kinds(pool.supervise(RequeueContact, "con_1"))[0] == "ContactRequeued"


def test_theme_30_room_that_a_held_contact_leaves_is_filled_in_the_same_step_and_its_own_comes_first() -> None:
    # given an agent with a held contact whose customer wrote, another one active, and two waiting, both due earlier
    pool = a_pool("anna")
    pool.active("anna", 1, priority=-3)
    pool.hold("anna", "con_1")
    pool.active("anna", 2)
    pool.receive(3, message_thread_id=pool.state.contacts["con_1"].thread_id)
    pool.receive(4, priority=9)
    # when the active one is done
    facts = pool.resolve("anna", "con_2")
    # then the held one comes back, and nothing else is offered
    assert kinds(facts) == ["ContactResolved", "ContactUnheld"]
    assert pool.state.contacts["con_1"].agent_id == "anna"
    # and when that one is held again, the next waiting one is offered in the same step
    assert kinds(pool.hold("anna", "con_1")) == ["ContactHeld", "OfferMade"]
    assert pool.state.now_ms == START_MS + pool.at_ms
