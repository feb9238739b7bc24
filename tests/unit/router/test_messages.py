"""What a customer's message does."""

from __future__ import annotations

import pytest

from libs.common.events.routing import ContactQueued, InputRefused, MessageJoined, PoolFact
from libs.common.testing.builders import POOL, START_MS, a_message, a_queue, an_agent
from services.router.core import limits
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer, the_refusal

DAY_MS = 86_400_000


def queued(facts: list[PoolFact]) -> ContactQueued:
    [fact] = [fact for fact in facts if isinstance(fact, ContactQueued)]
    return fact


def test_a_message_opens_a_contact_that_waits() -> None:
    # given a pool that nobody works in
    pool = a_pool(queue=a_queue("orders", skills={"orders": 2}, target_ms=60_000, offer_timeout_ms=15_000))
    # when a customer writes
    facts = pool.receive(1, message_language="it", message_handles=("mailto:luca@example.com", "tel:+39021234"))
    # then a contact waits, with all that readers need
    message = a_message(1)
    assert facts == [
        ContactQueued(
            pool=POOL,
            at_ms=START_MS,
            contact_id="con_1",
            message_id=message.id,
            thread_id=message.thread_id,
            account=message.account,
            channel="email",
            handle=message.handle,
            queue="orders",
            skills={"orders": 2},
            priority=0,
            received_ms=START_MS,
            due_ms=START_MS + 60_000,
            offer_timeout_ms=15_000,
            handles=("mailto:luca@example.com", "tel:+39021234"),
            name=message.name,
            subject=message.subject,
            language="it",
        )
    ]


def test_theme_19_the_same_message_a_second_time_makes_nothing_new() -> None:
    # given a message that opened a contact and one that joined it
    pool = a_pool()
    pool.receive(1)
    pool.receive(1, message_provider_id="provider-1b")
    # when both are delivered again, a week later
    pool.at_ms += 7 * DAY_MS
    # then nothing happens
    assert pool.receive(1) == []
    assert pool.receive(1, message_provider_id="provider-1b") == []


def test_the_same_message_after_its_contact_was_resolved_makes_nothing_new() -> None:
    pool = a_pool("anna")
    contact_id = pool.active("anna")
    pool.resolve("anna", contact_id)
    assert pool.receive(1) == []


def test_message_ids_are_forgotten_by_the_facts_own_time() -> None:
    # given a message and, more than eight days later, another one
    pool = a_pool()
    pool.receive(1)
    pool.at_ms += 8 * DAY_MS + 2 * limits.BUCKET_MS
    pool.receive(2)
    # then the first is no longer known: it joins its still open contact
    assert kinds(pool.receive(1)) == ["MessageJoined"]
    assert len(pool.state.messages.buckets) == 1


@pytest.mark.parametrize("state", ["queued", "offered", "active"])
def test_a_further_message_joins_the_open_contact_of_its_thread(state: str) -> None:
    # given a contact in that state
    pool = a_pool("anna", come=state != "queued")
    facts = pool.receive(1)
    if state == "active":
        pool.accept("anna", the_offer(facts).offer_id)
    assert pool.state.contacts["con_1"].state == state
    # when the customer writes again, for another queue even
    facts = pool.receive(1, message_provider_id="second", contact_id="con_other", message_email_message_id="<2@x>")
    # then the message belongs to the contact, which stays as it is
    [joined] = facts
    assert isinstance(joined, MessageJoined)
    assert (joined.contact_id, joined.email_message_id) == ("con_1", "<2@x>")
    assert pool.state.contacts["con_1"].state == state


def test_a_message_during_wrap_up_opens_a_contact_of_its_own() -> None:
    # given a contact whose agent has called it done
    pool = a_pool(an_agent("anna", capacity={"email": 2}), queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna")
    pool.resolve("anna", "con_1")
    # when the customer writes again
    facts = pool.receive(1, message_provider_id="second", contact_id="con_2")
    # then it is new work, and is routed
    assert kinds(facts) == ["ContactQueued", "OfferMade"]
    assert pool.state.contacts["con_1"].state == "wrap_up"


def test_a_contact_id_that_is_taken_loses_no_message() -> None:
    # given a contact in wrap-up
    pool = a_pool("anna", queue=a_queue("orders", wrap_up_ms=30_000))
    pool.active("anna")
    pool.resolve("anna", "con_1")
    # when another message names the same contact id
    facts = pool.receive(1, message_provider_id="second", contact_id="con_1")
    # then a contact is opened under another one
    assert queued(facts).contact_id == "con_1_2"
    # and while it waits, a message of another thread that names it joins it
    assert kinds(pool.receive(7, contact_id="con_1_2")) == ["MessageJoined"]


@pytest.mark.parametrize(
    ("occurred_ms", "received_ms"),
    [
        (None, 0),
        (-5_000, -5_000),
        (3_600_000, 0),
        (-DAY_MS, -DAY_MS),
        (-DAY_MS - 1, -DAY_MS),
        (-(10**15), -DAY_MS),
    ],
)
def test_theme_22_arrival_is_the_providers_time_within_bounds(occurred_ms: int | None, received_ms: int) -> None:
    # given a pool; when a message comes whose provider states a time
    pool = a_pool()
    stated = None if occurred_ms is None else START_MS + occurred_ms
    fact = queued(pool.receive(1, message_occurred_ms=stated))
    # then that is its arrival, but never later than the log's time nor more than a day before
    assert fact.received_ms - START_MS == received_ms
    assert fact.due_ms == fact.received_ms + 60_000


@pytest.mark.parametrize(
    ("channel", "target_ms"),
    [
        ("webchat", 30_000),
        ("whatsapp", 30_000),
        ("voice", 180_000),
        ("sms", 900_000),
        ("email", 3_600_000),
        ("fax", 3_600_000),
    ],
)
def test_a_queue_without_a_target_takes_the_channels(channel: str, target_ms: int) -> None:
    pool = a_pool(queue=a_queue("orders", target_ms=None))
    assert queued(pool.receive(1, message_channel=channel)).due_ms == START_MS + target_ms


def test_the_pools_own_channel_targets_come_first() -> None:
    pool = a_pool()
    pool.configure(queues=(a_queue("orders", target_ms=None),), agents=(), channel_targets_ms={"email": 5_000})
    assert queued(pool.receive(1)).due_ms == START_MS + 5_000


@pytest.mark.parametrize(
    ("asked", "priority", "target_ms"),
    [
        (None, 1, 30_000),
        (0, 0, 60_000),
        (2, 2, 15_000),
        (-1, -1, 120_000),
        (99, 10, 58),
        (-99, -10, 61_440_000),
    ],
)
def test_a_higher_priority_is_due_earlier(asked: int | None, priority: int, target_ms: int) -> None:
    # given a queue with priority 1 and a target of a minute; when a message asks for another priority
    pool = a_pool(queue=a_queue("orders", priority=1))
    fact = queued(pool.receive(1, priority=asked))
    # then each step halves or doubles the target
    assert (fact.priority, fact.due_ms - START_MS) == (priority, target_ms)


def test_skills_are_the_queues_and_the_inputs_with_the_higher_level() -> None:
    pool = a_pool(queue=a_queue("orders", skills={"orders": 2, "it": 4}))
    fact = queued(pool.receive(1, skills={"it": 1, "orders": 3, "en": 9, "fr": -2}))
    assert fact.skills == {"en": 5, "fr": 1, "it": 4, "orders": 3}
    assert list(fact.skills) == sorted(fact.skills)


def test_too_many_skills_are_cut_and_the_queues_own_stay() -> None:
    pool = a_pool(queue=a_queue("orders", skills={"zulu": 1}))
    fact = queued(pool.receive(1, skills={f"skill{i:03d}": 1 for i in range(500)}))
    assert len(fact.skills) == limits.SKILLS_PER_CONTACT_MAX
    assert "zulu" in fact.skills


def test_too_many_handles_are_cut() -> None:
    pool = a_pool()
    fact = queued(pool.receive(1, message_handles=tuple(f"tel:+{n}" for n in range(100))))
    assert len(fact.handles) == limits.HANDLES_PER_CONTACT_MAX


def test_an_unknown_queue_loses_nothing() -> None:
    # given a pool with two queues; when a message names neither
    pool = Pool(queues=(a_queue("zeta", skills={"it": 1}), a_queue("alpha")))
    fact = queued(pool.receive(1, queue="gone"))
    # then it waits in the first by configuration, and the fact says so
    assert (fact.queue, fact.queue_asked, fact.skills) == ("zeta", "gone", {"it": 1})
    assert queued(pool.receive(2, queue="alpha")).queue_asked is None


def test_a_pool_without_any_queue_refuses_and_takes_the_message_later() -> None:
    # given a pool that is not configured yet
    pool = Pool()
    pool.configure(queues=(), agents=())
    # when a message comes
    facts = pool.receive(1)
    # then it is refused, by name
    assert the_refusal(facts) == "queue-unknown"
    assert isinstance(facts[0], InputRefused)
    assert facts[0].subject == a_message(1).id
    # and put in again once there is a queue, it is routed
    pool.configure(queues=(a_queue("orders"),), agents=())
    assert kinds(pool.receive(1)) == ["ContactQueued"]


def test_a_full_pool_refuses_new_contacts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a pool that holds all it may
    monkeypatch.setattr(limits, "CONTACTS_MAX", 1)
    pool = a_pool()
    pool.receive(1)
    # then a new contact is refused, and a message of the one that is there is not
    assert the_refusal(pool.receive(2)) == "limit-reached"
    assert kinds(pool.receive(1, message_provider_id="second")) == ["MessageJoined"]


def test_time_never_goes_back() -> None:
    # given a contact received at a time; when the log's time of the next input is earlier
    pool = a_pool("anna")
    pool.at_ms = 10_000
    pool.receive(1)
    pool.at_ms = 4_000
    facts = pool.receive(2)
    # then it is decided for the time that has been
    assert facts[0].at_ms == START_MS + 10_000
    assert offered_to(facts) == {}
