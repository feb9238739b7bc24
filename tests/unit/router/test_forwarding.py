"""Overflow to other pools: a contact is forwarded once, whatever is delivered twice, and what follows it finds it."""

from __future__ import annotations

from typing import Any

from libs.common.events.inputs import (
    AcceptOffer,
    AnyInput,
    CallbackWish,
    ConfigurePool,
    ContactHandedOver,
    ContactReceived,
    CustomerLeft,
    ForwardedContactEnded,
    HandoversAppended,
    MessageHandedOver,
    ResolveContact,
    SetPresence,
    TimeAdvanced,
)
from libs.common.events.message import Letter
from libs.common.events.pool import Overflow
from libs.common.events.routing import (
    ContactForwarded,
    ContactQueued,
    ContactResolved,
    MessageForwarded,
    OfferMade,
    PoolFact,
)
from libs.common.testing.builders import START_MS, a_message, a_queue, an_agent
from services.router.core.entities import Callback
from services.router.core.invariants import check
from services.router.core.model import PoolState, new_state
from services.router.core.snapshot import freeze, restore, snapshot_chunks, state_equal
from services.router.core.step import apply, step
from tests.unit.router.pool import kinds

MINUTE_MS = 60_000


def to_pool(pool: str, when: str = "waited", at_least: int = MINUTE_MS) -> Overflow:
    return Overflow(when=when, at_least=at_least, to="pool", target=pool, queue=f"{pool}-first")


class Pools:
    """Pools that hand contacts over to one another. `hand_over` carries what is in the outboxes, as often as a test wants."""

    def __init__(self, **rules: tuple[Overflow, ...]) -> None:
        self.states: dict[str, PoolState] = {name: new_state(name) for name in rules}
        self.folded: dict[str, PoolState] = {name: new_state(name) for name in rules}
        self.at_ms = 0
        self.facts: list[PoolFact] = []
        self.number = 0
        for name, overflow in rules.items():
            queues = (a_queue(f"{name}-first", overflow=overflow), a_queue(f"{name}-second"))
            self.give(ConfigurePool(pool=name, version="1", queues=queues, agents=(an_agent(f"{name}-agent"),)))

    def give(self, event: AnyInput) -> list[PoolFact]:
        state = self.states[event.pool]
        facts = step(state, event, START_MS + self.at_ms)
        for fact in facts:
            apply(self.folded[event.pool], fact)
        assert state_equal(state, self.folded[event.pool])
        check(state, settled_at_ms=START_MS + self.at_ms)
        restored = restore(event.pool, list(snapshot_chunks(freeze(state), 300)))
        assert state_equal(restored, state)
        self.facts += facts
        return facts

    def hand_over(self, pool: str, *, times: int = 1, confirm: bool = True) -> list[PoolFact]:
        """What the pool has for others comes to them, and it hears so."""
        waiting = dict(self.states[pool].outbox)
        facts = [fact for _ in range(times) for handover in waiting.values() for fact in self.give(handover)]
        if confirm and waiting:
            self.give(HandoversAppended(pool=pool, ids=tuple(waiting)))
            assert self.give(HandoversAppended(pool=pool, ids=tuple(waiting))) == []
            assert not self.states[pool].outbox
        return facts

    def receive(self, pool: str, number: int = 1, *, thread: str | None = None, **fields: Any) -> list[PoolFact]:
        message = a_message(number, received_ms=START_MS + self.at_ms)
        if thread is not None:
            message = a_message(number, received_ms=START_MS + self.at_ms, thread_id=thread)
        plain = {"contact_id": f"con_{number}", "queue": f"{pool}-first"}
        return self.give(ContactReceived(pool=pool, message=message, **{**plain, **fields}))

    def wait(self, duration_ms: int) -> list[PoolFact]:
        self.at_ms += duration_ms
        now_ms = START_MS + self.at_ms
        return [fact for pool in self.states for fact in self.give(TimeAdvanced(pool=pool, now_ms=now_ms))]

    def work_off(self, pool: str) -> list[PoolFact]:
        """The pool's agent comes, takes the one contact that he is offered, and resolves it."""
        agent = f"{pool}-agent"
        facts = self.command(SetPresence, pool, target_agent_id=agent, status="available")
        offers = [*facts, *self.facts]
        offer = next(fact for fact in offers if isinstance(fact, OfferMade) and fact.agent_id == agent)
        facts = self.command(AcceptOffer, pool, offer_id=offer.offer_id)
        return facts + self.command(ResolveContact, pool, contact_id=offer.contact_id)

    def command(self, kind: Any, pool: str, **fields: Any) -> list[PoolFact]:
        self.number += 1
        return self.give(kind(pool=pool, command_id=f"cmd_{self.number}", agent_id=f"{pool}-agent", **fields))


def the_forwarded(facts: list[PoolFact]) -> ContactForwarded:
    [forwarded] = [fact for fact in facts if isinstance(fact, ContactForwarded)]
    return forwarded


THREAD = a_message(1).thread_id


def test_who_has_waited_goes_to_another_pool_with_all_that_is_known_of_him() -> None:
    # given
    pools = Pools(care=(to_pool("night"),), night=())
    [queued] = [
        f
        for f in pools.receive("care", skills={"vip": 2}, any_of=({"it": 3}, {"en": 3}))
        if isinstance(f, ContactQueued)
    ]
    # when
    forwarded = the_forwarded(pools.wait(MINUTE_MS))
    # then it is not in the pool any more
    message = a_message(1)
    letter = Letter(
        message_id=message.id,
        account=message.account,
        handles=message.handles,
        name=message.name,
        subject=message.subject,
    )
    assert forwarded == ContactForwarded(
        pool="care",
        at_ms=START_MS + MINUTE_MS,
        contact_id="con_1",
        to_pool="night",
        passed=("care",),
        thread_id=THREAD,
        channel="email",
        handle=message.handle,
        priority=0,
        received_ms=START_MS,
        due_ms=queued.due_ms,
        queue="night-first",
        skills={"vip": 2},
        any_of=({"it": 3}, {"en": 3}),
        letter=letter,
        when="waited",
        at_least=MINUTE_MS,
    )
    assert not pools.states["care"].contacts
    # when it comes to the other pool
    [there] = [fact for fact in pools.hand_over("night") + pools.hand_over("care") if isinstance(fact, ContactQueued)]
    # then it waits there under its id, in its place, and asks for what was asked for
    assert (there.contact_id, there.queue, there.due_ms, there.received_ms) == (
        "con_1",
        "night-first",
        queued.due_ms,
        START_MS,
    )
    assert (there.account, there.message_id, there.subject, there.passed) == (
        message.account,
        message.id,
        message.subject,
        ("care",),
    )
    assert there.alternatives == ({"en": 3, "vip": 2}, {"it": 3, "vip": 2})


def test_a_contact_may_go_on_as_soon_as_it_comes() -> None:
    pools = Pools(care=(to_pool("night", "waiting", 1),), night=())
    pools.receive("care", 1)
    assert "ContactForwarded" in kinds(pools.receive("care", 2))
    assert "ContactQueued" in kinds(pools.hand_over("care"))


def test_what_is_handed_over_twice_is_taken_once() -> None:
    # given
    pools = Pools(care=(to_pool("night"),), night=())
    pools.receive("care")
    pools.wait(MINUTE_MS)
    # when it is handed over three times, and again when it is over
    facts = pools.hand_over("care", times=3, confirm=False)
    assert [type(fact) for fact in facts].count(ContactQueued) == 1
    pools.work_off("night")
    assert pools.hand_over("care") == []
    # and again when the pool that sent it knows that it is over
    assert kinds(pools.hand_over("night")) == ["ForwardEnded"]


def test_what_is_for_others_waits_until_they_have_it() -> None:
    pools = Pools(care=(to_pool("night"),), night=())
    pools.receive("care")
    pools.wait(MINUTE_MS)
    assert list(pools.states["care"].outbox) == ["con_1"]
    # when it is said of something else, nothing happens
    assert pools.give(HandoversAppended(pool="care", ids=("con_9",))) == []
    # when it is said of it
    facts = pools.give(HandoversAppended(pool="care", ids=("con_9", "con_1", "con_1")))
    assert kinds(facts) == ["HandoversDelivered"]
    assert not pools.states["care"].outbox


def test_further_messages_follow_the_contact() -> None:
    # given
    pools = Pools(care=(to_pool("night"),), night=())
    pools.receive("care")
    pools.wait(MINUTE_MS)
    pools.hand_over("care")
    # when its customer writes again, to where he always wrote
    facts = pools.receive("care", 2, thread=THREAD)
    # then the message goes there, once
    assert kinds(facts) == ["MessageForwarded"]
    assert pools.receive("care", 2, thread=THREAD) == []
    joined = pools.hand_over("care", times=2)
    assert kinds(joined) == ["MessageJoined"]
    assert [fact.contact_id for fact in joined] == ["con_1"]  # type: ignore[union-attr]  # a message joins a contact


def test_a_message_that_comes_before_its_contact_is_over_there_opens_another_there() -> None:
    # given a contact that is in wrap-up, or over, which the first pool does not know yet
    pools = Pools(care=(to_pool("night"),), night=())
    pools.receive("care")
    pools.wait(MINUTE_MS)
    pools.hand_over("care")
    pools.work_off("night")
    assert kinds(pools.receive("care", 2, thread=THREAD)) == ["MessageForwarded"]
    # when
    facts = pools.hand_over("care")
    # then
    [queued] = [fact for fact in facts if isinstance(fact, ContactQueued)]
    assert (queued.contact_id, queued.queue) == ("con_2", "night-first")


def test_when_it_is_over_the_thread_is_the_first_pools_again() -> None:
    # given
    pools = Pools(care=(to_pool("night"),), night=())
    pools.receive("care")
    pools.wait(MINUTE_MS)
    pools.hand_over("care")
    # when it is resolved there
    assert any(isinstance(fact, ContactResolved) for fact in pools.work_off("night"))
    assert kinds(pools.hand_over("night", times=2)) == ["ForwardEnded"]
    # then a further message opens a contact here
    facts = pools.receive("care", 2, thread=THREAD)
    assert "ContactQueued" in kinds(facts)
    # and nothing ends by an old word
    assert pools.give(ForwardedContactEnded(pool="care", contact_id="con_1", thread_id=THREAD)) == []


def test_it_never_goes_back_to_a_pool_that_forwarded_it() -> None:
    # given two pools, each of which sends on to the other who has waited; and a third
    pools = Pools(
        care=(to_pool("night"),),
        night=(to_pool("care"), to_pool("late", at_least=2 * MINUTE_MS)),
        late=(to_pool("care"),),
    )
    pools.receive("care")
    pools.wait(MINUTE_MS)
    pools.hand_over("care")
    # when it has waited there
    assert kinds(pools.wait(MINUTE_MS)) == []
    # then it goes on to the third, and stays
    forwarded = the_forwarded(pools.wait(MINUTE_MS))
    assert (forwarded.to_pool, forwarded.passed) == ("late", ("care", "night"))
    pools.hand_over("night")
    assert pools.wait(100 * MINUTE_MS) == []
    # and messages find it through both pools
    assert kinds(pools.receive("care", 2, thread=THREAD)) == ["MessageForwarded"]
    assert [fact.to_pool for fact in pools.hand_over("care") if isinstance(fact, MessageForwarded)] == ["late"]
    assert kinds(pools.hand_over("night")) == ["MessageJoined"]
    # and both hear of its end
    pools.work_off("late")
    assert kinds(pools.hand_over("late")) == ["ForwardEnded", "ForwardEnded"]


def test_that_its_customer_left_follows_it() -> None:
    pools = Pools(care=(to_pool("night"),), night=())
    pools.receive("care")
    pools.wait(MINUTE_MS)
    pools.hand_over("care")
    assert kinds(pools.give(CustomerLeft(pool="care", contact_id="con_1"))) == ["LeavingForwarded"]
    assert kinds(pools.hand_over("care", times=2)) == ["ContactAbandoned"]
    # and when he comes back in time
    pools.receive("care", 2, thread=THREAD)
    assert "ContactReturned" in kinds(pools.hand_over("care"))


def test_one_that_nothing_is_known_of_goes_too() -> None:
    # given a contact that waited before the pool was to forward any
    pools = Pools(care=(), night=())
    pools.receive("care")
    rule = to_pool("night")
    pools.at_ms = 2 * MINUTE_MS
    facts = pools.give(
        ConfigurePool(pool="care", version="2", queues=(a_queue("care-first", overflow=(rule,)),), agents=())
    )
    # then it goes with what the pool needs to know
    assert the_forwarded(facts).letter is None
    [queued] = [fact for fact in pools.hand_over("care") if isinstance(fact, ContactQueued)]
    assert (queued.contact_id, queued.message_id, queued.account) == ("con_1", "", "")


def test_a_pool_without_queues_says_no() -> None:
    pools = Pools(care=(to_pool("night"),), night=())
    pools.give(ConfigurePool(pool="night", version="2", queues=(), agents=()))
    pools.receive("care")
    pools.wait(MINUTE_MS)
    assert kinds(pools.hand_over("care")) == ["InputRefused"]


def test_a_queue_that_is_gone_is_replaced_by_the_first() -> None:
    pools = Pools(care=(Overflow(when="waited", at_least=1_000, to="pool", target="night", queue="gone"),), night=())
    pools.receive("care")
    pools.wait(1_000)
    [queued] = [fact for fact in pools.hand_over("care") if isinstance(fact, ContactQueued)]
    assert (queued.queue, queued.queue_asked) == ("night-first", "gone")


def test_the_other_pools_rules_hold_for_it() -> None:
    told = Overflow(when="waiting", at_least=1, to="end", text={"en": "Sorry."})
    pools = Pools(care=(to_pool("night", "waiting", 1),), night=(told,))
    pools.receive("night", 9)
    pools.receive("care", 1)
    pools.receive("care", 2)
    assert kinds(pools.hand_over("care"))[-2:] == ["CustomerNotice", "ContactCancelled"]
    # and the pool that sent it hears that it is over
    assert kinds(pools.hand_over("night")) == ["ForwardEnded"]


def test_a_thread_that_has_an_open_contact_there_takes_the_message_in() -> None:
    # given a contact of the same thread there, of which this pool knows nothing any more
    pools = Pools(care=(), night=())
    pools.receive("night", 1)
    letter = Letter(message_id="msg_new", account="a")
    handed = ContactHandedOver(
        pool="night",
        contact_id="con_5",
        passed=("care",),
        thread_id=THREAD,
        channel="email",
        handle="mailto:x@y.z",
        priority=0,
        received_ms=START_MS,
        due_ms=START_MS,
        letter=letter,
    )
    assert kinds(pools.give(handed)) == ["MessageJoined"]
    assert pools.give(handed) == []


def test_nothing_comes_back_to_where_it_was() -> None:
    pools = Pools(care=(), night=())
    common: dict[str, Any] = {
        "pool": "night",
        "contact_id": "con_5",
        "passed": ("night", "care"),
        "thread_id": THREAD,
        "channel": "email",
        "handle": "mailto:x@y.z",
        "received_ms": START_MS,
        "letter": Letter(message_id="m", account="a"),
    }
    assert pools.give(ContactHandedOver(**common, priority=0, due_ms=START_MS)) == []
    assert pools.give(MessageHandedOver(**common, opens="con_6")) == []


def test_a_wish_for_a_call_follows_the_contact_into_the_other_pool() -> None:
    # given a contact that is in another pool now, and waits there
    pools = Pools(care=(to_pool("night"),), night=())
    pools.receive("care")
    pools.wait(MINUTE_MS)
    pools.hand_over("care")
    # when its customer would rather be called, and that is delivered twice
    wish = CallbackWish(handle="tel:+390612345678", not_before_ms=START_MS + 10 * MINUTE_MS)
    pools.receive("care", 2, thread=THREAD, callback=wish)
    facts = pools.hand_over("care", times=2)
    # then the contact itself is called back, by the pool that has it
    assert kinds(facts) == ["MessageJoined", "CallbackScheduled"]
    assert pools.states["night"].contacts["con_1"].callback == Callback(wish.handle, START_MS + 10 * MINUTE_MS)


def test_a_wish_for_a_call_that_finds_its_contact_gone_opens_another() -> None:
    # given a contact that another pool had, and that ended there while a message was on its way
    pools = Pools(care=(to_pool("night"),), night=())
    pools.receive("care")
    pools.wait(MINUTE_MS)
    pools.hand_over("care")
    wish = CallbackWish(handle="tel:+390612345678")
    pools.receive("care", 2, thread=THREAD, callback=wish)
    pools.work_off("night")
    # when
    facts = pools.hand_over("care")
    # then
    assert kinds(facts) == ["ContactQueued", "CallbackScheduled", "CallbackDue", "OfferMade"]
    # and a number has one call: who asks for it again in another thread waits like anybody
    pools.receive("care", 3)
    pools.wait(MINUTE_MS)
    pools.hand_over("care")
    pools.receive("care", 4, thread=a_message(3).thread_id, callback=wish)
    assert kinds(pools.hand_over("care")) == ["MessageJoined"]
    # and so does who asks for it again when the contact is gone
    late = MessageHandedOver(
        pool="night",
        contact_id="con_8",
        opens="con_9",
        passed=("care",),
        thread_id="thr_9",
        channel="email",
        handle="luca@example.org",
        received_ms=START_MS,
        letter=Letter(message_id="msg_9", account="support-mail"),
        callback=wish,
    )
    assert "CallbackScheduled" not in kinds(pools.give(late))
    assert pools.states["night"].contacts["con_9"].callback is None
