"""Contacts that are kept for one agent for a while: the customer's last one, or one who is named."""

from __future__ import annotations

import pytest

from libs.common.events.inputs import TimeAdvanced
from libs.common.events.pool import AgentConfiguration
from libs.common.events.routing import ContactQueued
from libs.common.testing.builders import POOL, START_MS, a_queue, an_agent
from services.router.core import limits
from services.router.core.invariants import check
from services.router.core.last_agents import LastAgents
from services.router.core.snapshot import freeze, restore, snapshot_chunks, state_equal
from services.router.core.step import step
from tests.unit.router.pool import Pool, a_pool, kinds, offered_to, the_offer

STICKY = a_queue("orders", prefer_last_agent_ms=30_000)
HANDLE = "mailto:luca@example.com"


def a_sticky_pool(*agents: str | AgentConfiguration) -> Pool:
    """Luca was helped by Bruno; then Anna, who is idle for longer, comes first by the order."""
    pool = a_pool(*(agents or ("anna", "bruno")), queue=STICKY)
    pool.presence("anna", "break")
    pool.active("bruno", 1, message_handle=HANDLE)
    pool.at_ms += 100
    pool.presence("anna")
    return pool


def test_a_customer_comes_back_to_who_helped_him_last() -> None:
    # given a customer whom Bruno helped, and Anna, who is idle for longer
    pool = a_sticky_pool()
    pool.at_ms += 1_000
    pool.resolve("bruno", "con_1")
    # when he writes again, then Bruno is offered it, and the offer says why
    offer = the_offer(pool.receive(2, message_handle=HANDLE))
    assert offer.agent_id == "bruno"
    assert (offer.reason.strategy, offer.reason.candidates) == ("preferred_agent", 1)
    # and another customer goes by the order
    assert the_offer(pool.receive(3)).agent_id == "anna"


def test_while_the_last_agent_has_no_room_the_contact_waits_for_him_and_then_goes_to_anybody() -> None:
    # given Bruno, who has all he can
    pool = a_sticky_pool()
    [queued] = pool.receive(2, message_handle=HANDLE, message_account="other")
    assert isinstance(queued, ContactQueued)
    assert (queued.preferred_agent, queued.preferred_until_ms) == ("bruno", START_MS + pool.at_ms + 30_000)
    # then nobody is offered it for half a minute, and then whoever is free
    assert pool.wait(29_999) == []
    assert offered_to(pool.wait(1)) == {"con_2": "anna"}


def test_he_gets_it_as_soon_as_he_has_room() -> None:
    pool = a_sticky_pool()
    pool.receive(2, message_handle=HANDLE, message_account="other")
    pool.at_ms += 5_000
    assert offered_to(pool.resolve("bruno", "con_1")) == {"con_2": "bruno"}


@pytest.mark.parametrize("status", ["busy", "break", "offline"])
def test_theme_8_it_is_not_kept_for_who_is_away(status: str) -> None:
    pool = a_sticky_pool()
    pool.resolve("bruno", "con_1")
    pool.presence("bruno", status)
    queued, offer = pool.receive(2, message_handle=HANDLE)
    assert isinstance(queued, ContactQueued)
    assert queued.preferred_agent is None
    assert the_offer([offer]).agent_id == "anna"


@pytest.mark.parametrize("status", ["busy", "break", "offline"])
def test_theme_8_it_goes_to_others_at_once_when_he_leaves(status: str) -> None:
    # given a contact that is kept for Bruno, who has no room
    pool = a_sticky_pool()
    pool.receive(2, message_handle=HANDLE, message_account="other")
    # when he leaves, then it is offered in the same step
    facts = pool.presence("bruno", status)
    assert offered_to(facts)["con_2" if status != "offline" else "con_1"] == "anna"


def test_it_goes_to_others_at_once_when_he_is_removed() -> None:
    pool = a_sticky_pool()
    pool.receive(2, message_handle=HANDLE, message_account="other")
    pool.configure(queues=(STICKY,), agents=(an_agent("anna", capacity={"email": 2}),))
    assert {contact.agent_id for contact in pool.state.contacts.values()} == {"anna"}


def test_it_goes_to_others_at_once_when_he_declines() -> None:
    pool = a_sticky_pool()
    pool.resolve("bruno", "con_1")
    offer = the_offer(pool.receive(2, message_handle=HANDLE))
    assert offered_to(pool.reject("bruno", offer.offer_id)) == {"con_2": "anna"}


def test_it_is_not_kept_for_who_lacks_the_skills() -> None:
    pool = a_sticky_pool(an_agent("anna", skills={"it": 3}), "bruno")
    assert offered_to(pool.receive(2, message_handle=HANDLE, message_account="other", skills={"it": 1})) == {
        "con_2": "anna"
    }


def test_a_queue_that_does_not_ask_does_not_keep() -> None:
    pool = a_sticky_pool()
    pool.configure(queues=(a_queue("orders"),), agents=(an_agent("anna"), an_agent("bruno")))
    assert offered_to(pool.receive(2, message_handle=HANDLE, message_account="other")) == {"con_2": "anna"}


def test_an_agent_can_be_named() -> None:
    # given an integration that names Carla, who comes last by the order
    pool = a_pool("anna", "bruno", "carla")
    offer = the_offer(pool.receive(1, preferred_agent="carla"))
    assert (offer.agent_id, offer.reason.strategy) == ("carla", "preferred_agent")
    # and while she has no room it waits for half a minute
    assert kinds(pool.receive(2, preferred_agent="carla")) == ["ContactQueued"]
    facts = pool.wait(
        limits.PREFERRED_AGENT_MS - 1
    )  # She has let her offer run out, and has room for what is kept for her.
    assert offered_to(facts) == {"con_1": "anna", "con_2": "carla"}
    # and nobody waits for who is not there
    assert the_offer(pool.receive(3, preferred_agent="nobody")).agent_id == "bruno"


def test_who_frees_up_does_not_meet_what_is_kept_for_others() -> None:
    # given many contacts kept for Bruno, who has no room, and one behind them for anybody
    pool = a_pool("anna", "bruno")
    pool.presence("anna", "break")
    pool.active("bruno", 1)
    for number in range(2, 30):
        assert kinds(pool.receive(number, preferred_agent="bruno")) == ["ContactQueued"]
    pool.receive(30, priority=-1)
    # when Anna comes, then she gets that one, and looks at it alone
    assert len(pool.state.index.waiting.heads["email"][("bruno",)]) == 1
    assert offered_to(pool.presence("anna")) == {"con_30": "anna"}


def test_a_time_that_goes_back_brings_back_whom_a_contact_is_for() -> None:
    # given a contact kept for Bruno, and the time told ahead of what the log says next
    pool = a_pool("bruno")
    pool.active("bruno", 1)
    pool.receive(2, preferred_agent="bruno")
    now_ms = START_MS + pool.at_ms
    assert step(pool.state, TimeAdvanced(pool=POOL, now_ms=now_ms + 31_000), now_ms) == []
    assert pool.state.index.named == {}
    # when an input of an earlier time comes, then it is as if the time had not been told
    pool.presence("bruno")
    assert list(pool.state.index.named) == ["bruno"]
    check(pool.state)


def test_who_helped_whom_is_in_the_snapshot() -> None:
    pool = a_sticky_pool()
    fresh = restore(POOL, snapshot_chunks(freeze(pool.state), 100))
    assert fresh.last_agents.get(HANDLE) == "bruno"
    assert state_equal(fresh, pool.state)


def test_nobody_is_remembered_where_no_queue_asks() -> None:
    pool = a_pool("anna")
    pool.active("anna", 1)
    assert pool.state.last_agents.buckets == {}


def test_what_is_remembered_is_the_newest_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LAST_AGENTS_PER_BUCKET_MAX", 2)
    found = LastAgents()
    half_day_ms = limits.LAST_AGENTS_BUCKET_MS
    found.add("luca", "anna", 0)
    found.add("sara", "anna", 1)
    found.add("pia", "anna", 2)  # The bucket is full.
    found.add("luca", "bruno", half_day_ms)
    assert [found.get(name) for name in ("luca", "sara", "pia")] == ["bruno", "anna", None]
    frozen = found.frozen_buckets()
    # when the first bucket is too old, then only what it alone had is forgotten
    found.add("pia", "carla", limits.LAST_AGENTS_KEPT_MS + half_day_ms)
    assert [found.get(name) for name in ("luca", "sara", "pia")] == ["bruno", None, "carla"]
    # and a picture of it stays as it was
    assert LastAgents(frozen.items()).get("sara") == "anna"
