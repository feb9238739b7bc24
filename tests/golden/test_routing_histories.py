"""Recorded histories: the router still decides the same, and still reads what it wrote."""

from __future__ import annotations

import pytest

from libs.common.testing.builders import POOL
from services.router.core.snapshot import digest
from services.router.core.step import apply, new_state, step
from tests.golden.routing_histories import FOLDER, HISTORIES, play, read

RECORDED = sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def test_every_history_is_recorded() -> None:
    assert sorted(HISTORIES) == RECORDED


@pytest.mark.parametrize("name", RECORDED)
def test_the_same_inputs_give_the_same_facts(name: str) -> None:
    # given what was recorded
    recorded = read(name)
    state = new_state(POOL)
    # when the inputs are decided again
    for number, one in enumerate(recorded, 1):
        facts = step(state, one.input, one.at_ms)
        # then every fact and the state after it are the same
        assert tuple(facts) == one.facts, f"step {number}"
        assert digest(state) == one.digest, f"step {number}"
    assert play(HISTORIES[name]()) == recorded


@pytest.mark.parametrize("name", RECORDED)
def test_the_recorded_facts_give_the_recorded_state(name: str) -> None:
    # given what was recorded; when the facts alone are folded
    state = new_state(POOL)
    for number, one in enumerate(read(name), 1):
        for fact in one.facts:
            apply(state, fact)
        # then the state is the same
        assert digest(state) == one.digest, f"step {number}"


def test_the_histories_have_facts_of_every_kind() -> None:
    kinds = {type(fact).__name__ for name in RECORDED for one in read(name) for fact in one.facts}
    assert kinds == {
        "PoolConfigured",
        "ContactQueued",
        "ContactMoved",
        "CallbackScheduled",
        "CallbackDue",
        "CallbackMissed",
        "CallbackWithdrawn",
        "ContactMerged",
        "CustomerNotice",
        "ContactForwarded",
        "MessageForwarded",
        "LeavingForwarded",
        "ForwardEnded",
        "HandoversDelivered",
        "MessageJoined",
        "OfferMade",
        "OfferRejected",
        "OfferExpired",
        "OfferWithdrawn",
        "ContactAssigned",
        "ContactRequeued",
        "ContactTransferred",
        "QueueDrained",
        "DrainLifted",
        "ContactHeld",
        "ContactUnheld",
        "ContactChanged",
        "ContactCancelled",
        "ConsultStarted",
        "ConsultEnded",
        "ContactAbandoned",
        "ContactReturned",
        "ContactLapsed",
        "WaitExpected",
        "WrapUpStarted",
        "WrapUpExtended",
        "ContactResolved",
        "PresenceChanged",
        "NoteAdded",
        "InputRefused",
    }
