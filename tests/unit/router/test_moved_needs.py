"""What stays true of a contact that goes to another queue, of who gave it away, and of why somebody lost it."""

from __future__ import annotations

from libs.common.events.inputs import AgentsSeen, ChangeContact
from libs.common.events.pool import Relaxation
from libs.common.events.routing import ContactRequeued, ContactTransferred
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core.entities import Needs
from services.router.core.explain import explain_waiting
from tests.unit.router.pool import Pool, a_pool, offered_to, the_offer

EITHER = ({"it": 3}, {"en": 4})


def needs_of(pool: Pool, contact_id: str) -> Needs:
    return pool.state.contacts[contact_id].needs


def test_what_an_integration_asked_for_goes_along_into_another_queue() -> None:
    # given a contact for which one of two languages is enough
    agents = (an_agent("anna", skills={"it": 3, "bills": 1}), an_agent("bruno", skills={"bills": 5}))
    pool = Pool(queues=(a_queue("orders"), a_queue("billing", skills={"bills": 1})), agents=agents)
    pool.presence("anna")
    pool.active("anna", 1, any_of=EITHER)
    # when it is passed on to another queue, or a supervisor puts it there
    [transferred] = pool.transfer("anna", "con_1", queue="billing")
    # then one of them is still asked for, on top of what that queue asks for
    assert isinstance(transferred, ContactTransferred)
    assert transferred.alternatives == ({"bills": 1, "en": 4}, {"bills": 1, "it": 3})
    assert offered_to(pool.presence("bruno")) == {}
    pool.supervise(ChangeContact, "con_1", queue="orders")
    pool.supervise(ChangeContact, "con_1", queue="billing")
    assert pool.state.contacts["con_1"].needs == ((("bills", 1), ("en", 4)), (("bills", 1), ("it", 3)))


def test_who_names_other_skills_means_these_alone() -> None:
    pool = a_pool(an_agent("anna", skills={"it": 3}))
    pool.active("anna", 1, any_of=EITHER)
    [transferred] = pool.transfer("anna", "con_1", skills={"fr": 1})
    assert isinstance(transferred, ContactTransferred)
    assert (transferred.skills, transferred.alternatives) == ({"fr": 1}, ())


def test_what_is_asked_for_instead_stays_so_in_every_queue() -> None:
    # given contacts for which an integration asked for skills, two that wait and one in hand
    queues = (a_queue("orders"), a_queue("billing", skills={"bills": 1}), a_queue("general"))
    pool = Pool(queues=queues, agents=(an_agent("anna", skills={"de": 5, "it": 3}),))
    pool.presence("anna")
    pool.active("anna", 1, skills={"de": 5}, any_of=EITHER)
    for number in (2, 3):
        pool.receive(number, skills={"de": 5}, any_of=EITHER)
    # when a supervisor or the agent says what is asked for instead, or nothing
    pool.supervise(ChangeContact, "con_2", skills={"fr": 2})
    pool.supervise(ChangeContact, "con_3", skills={})
    pool.transfer("anna", "con_1", skills={"en": 1})
    # and they come into other queues afterwards, one after the other
    for contact_id in ("con_1", "con_2", "con_3"):
        pool.supervise(ChangeContact, contact_id, queue="billing")
    pool.drain("billing", "general")
    # then what was asked for at first does not come back
    assert needs_of(pool, "con_1") == ((("en", 1),),)
    assert needs_of(pool, "con_2") == ((("fr", 2),),)
    assert needs_of(pool, "con_3") == ((),)


def test_skills_that_are_asked_for_anew_are_relaxed_in_their_own_time() -> None:
    # given a contact of which its queue's skill is not asked any more, and which nobody can take for another reason
    queue = a_queue("orders", skills={"orders": 2}, relax=(Relaxation(after_ms=30_000, drop=("orders",)),))
    pool = a_pool(an_agent("anna", skills={"it": 3}), queue=queue)
    pool.receive(1, skills={"de": 5})
    pool.wait(30_000)
    assert needs_of(pool, "con_1") == ((("de", 5),),)
    # when a supervisor asks for something else, on top of the queue's
    pool.supervise(ChangeContact, "con_1", skills={"it": 3})
    assert needs_of(pool, "con_1") == ((("it", 3), ("orders", 2)),)
    # then that is relaxed, too, after as long; a change of priority alone has nothing to do with it
    pool.wait(29_999)
    pool.supervise(ChangeContact, "con_1", priority=2)
    assert offered_to(pool.wait(1)) == {"con_1": "anna"}


def test_who_passed_a_contact_on_is_barred_and_did_not_decline() -> None:
    # given an agent who passes a contact on, and one who declines it
    pool = a_pool("anna", "bruno", "carla")
    pool.active("anna", 1)
    offer = the_offer(pool.transfer("anna", "con_1", queue="orders"))
    assert offer.reason.left_out == {"anna": "barred"}
    offer = the_offer(pool.reject(offer.agent_id, offer.offer_id))
    # then each is left out for what he did
    assert offer.reason.left_out == {"anna": "barred", "bruno": "declined"}
    pool.reject(offer.agent_id, offer.offer_id)
    obstacles = explain_waiting(pool.state, "con_1", START_MS + pool.at_ms).standing.obstacles
    assert obstacles == {"barred": 1, "declined": 2}


def test_what_an_agent_had_who_vanished_waits_again_for_that_reason() -> None:
    # given two agents with a contact each
    pool = a_pool("anna", "bruno")
    pool.active("anna", 1)
    pool.active("bruno", 2)
    # when one signs out, and of the other nothing is heard for too long
    [_, left] = pool.presence("bruno", "offline")[:2]
    for _ in range(5):
        pool.at_ms += 30_000
        pool.give(AgentsSeen(pool=POOL, agents=()))
    # then it is said which of the two it was
    assert isinstance(left, ContactRequeued)
    assert left.cause == "sign-out"
    [vanished] = [fact for fact in pool.facts if isinstance(fact, ContactRequeued) and fact.agent_id == "anna"]
    assert vanished.cause == "vanished"
