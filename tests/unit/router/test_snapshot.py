"""A state as bytes, and back."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from libs.common.testing.builders import POOL, a_queue, an_agent
from services.router.core import limits
from services.router.core.invariants import check
from services.router.core.snapshot import (
    SnapshotUnreadableError,
    digest,
    freeze,
    restore,
    snapshot_chunks,
    state_equal,
)
from services.router.core.window import Window
from tests.unit.router.pool import Pool, a_pool, offered_to


def a_busy_pool() -> Pool:
    """Contacts in every state, offers that ended in every way, agents in every presence."""
    pool = a_pool(
        an_agent("anna", capacity={"email": 3}, skills={"it": 5}),
        an_agent("bruno"),
        an_agent("carla"),
        queue=a_queue("orders", wrap_up_ms=60_000),
    )
    pool.active("anna", 1, skills={"it": 2})
    pool.active("anna", 2, skills={"it": 2})
    pool.resolve("anna", "con_2", disposition="answered", summary="Fatto", follow_up=False)
    pool.active("bruno", 3)
    pool.resolve("bruno", "con_3")
    pool.finish_wrap_up("bruno", "con_3")
    pool.receive(4)
    pool.reject("carla", "off_4_4")
    pool.presence("carla", "break")
    pool.at_ms += limits.BUCKET_MS
    for number in range(5, 9):
        pool.receive(number, skills={"it": 1} if number % 2 else {"klingon": 5})
    pool.presence("dario")
    return pool


@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
def test_a_restored_state_is_the_same_whatever_the_size_of_the_chunks(size: int) -> None:
    # given a state
    pool = a_busy_pool()
    # when it is written in chunks and read
    chunks = list(snapshot_chunks(freeze(pool.state), size))
    restored = restore(POOL, iter(chunks))
    # then it is the same, and goes on in the same way
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert state_equal(restored, pool.state)
    assert digest(restored) == digest(pool.state)
    check(restored)
    twin = a_busy_pool()
    pool.state = restored
    pool.at_ms += 60_000
    twin.at_ms += 60_000
    facts = pool.presence("carla")
    assert facts == twin.presence("carla")
    assert len(offered_to(facts)) > 1


def test_an_empty_pool_has_a_snapshot_too() -> None:
    pool = Pool()
    assert state_equal(restore(POOL, snapshot_chunks(freeze(pool.state), 1000)), pool.state)


def test_a_frozen_state_stays_as_it_was() -> None:
    # given a frozen state
    pool = a_busy_pool()
    source = freeze(pool.state)
    before = b"".join(snapshot_chunks(source, 1000))
    # when the pool goes on
    pool.wait(60_000)
    pool.receive(20)
    pool.presence("anna", "offline")
    pool.configure(queues=(), agents=())
    # then it has not changed
    assert b"".join(snapshot_chunks(source, 1000)) == before
    assert digest(restore(POOL, [before])) != digest(pool.state)


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 50, -1, -2])
def test_a_torn_snapshot_is_refused(cut: int) -> None:
    whole = b"".join(snapshot_chunks(freeze(a_busy_pool().state), 1000))
    with pytest.raises(SnapshotUnreadableError):
        restore(POOL, [whole[:cut]])


def test_a_snapshot_with_a_chunk_missing_twice_or_changed_is_refused() -> None:
    # Chunks that are no whole frames leave a tear, and whole frames that are missing do not add up.
    chunks = list(snapshot_chunks(freeze(a_busy_pool().state), 64))
    for at in range(len(chunks)):
        with pytest.raises(SnapshotUnreadableError):
            restore(POOL, chunks[:at] + chunks[at + 1 :])
        with pytest.raises(SnapshotUnreadableError):
            restore(POOL, [*chunks[:at], chunks[at], *chunks[at:]])
        with pytest.raises(SnapshotUnreadableError):
            restore(POOL, [*chunks[:at], b"\xff" * len(chunks[at]), *chunks[at + 1 :]])


def test_whole_frames_that_are_missing_or_out_of_place_are_refused() -> None:
    # given the frames of a snapshot, one by one
    whole = b"".join(snapshot_chunks(freeze(a_busy_pool().state), 10**6))
    frames = []
    while whole:
        length = 4 + int.from_bytes(whole[:4], "big")
        frames.append(whole[:length])
        whole = whole[length:]
    # then none can be left out, and neither the first nor the last can stand elsewhere
    for at in range(len(frames)):
        with pytest.raises(SnapshotUnreadableError):
            restore(POOL, frames[:at] + frames[at + 1 :])
    for broken in (frames[::-1], [frames[0], *frames], [*frames, frames[-1]], [frames[1], frames[0], *frames[2:]]):
        with pytest.raises(SnapshotUnreadableError):
            restore(POOL, broken)


def test_a_snapshot_of_another_pool_or_format_is_refused() -> None:
    source = freeze(a_busy_pool().state)
    with pytest.raises(SnapshotUnreadableError, match="pool care, not sales"):
        restore("sales", snapshot_chunks(source, 1000))
    newer = type(source)(**{**_fields(source), "head": replace(source.head, format=99)})
    with pytest.raises(SnapshotUnreadableError, match="format 99"):
        restore(POOL, snapshot_chunks(newer, 1000))


def _fields(source: Any) -> dict[str, Any]:
    return {name: getattr(source, name) for name in type(source).__slots__}


def test_the_order_in_which_things_are_held_does_not_tell_states_apart() -> None:
    # given the same contacts and agents, held in another order
    pool = a_busy_pool()
    other = restore(POOL, snapshot_chunks(freeze(pool.state), 1000))
    other.contacts = dict(reversed(other.contacts.items()))
    other.agents = dict(reversed(other.agents.items()))
    # then the states are equal; with one contact more or less they are not
    assert state_equal(other, pool.state)
    assert digest(other) == digest(pool.state)
    other.contacts.popitem()
    assert not state_equal(other, pool.state)
    assert digest(other) != digest(pool.state)


def test_a_window_keeps_ids_for_its_time_and_shares_old_buckets() -> None:
    # given a window of an hour
    window = Window(3_600_000)
    for minute in range(0, 60, 5):
        window.add(f"id{minute}", minute * 60_000)
    window.add("id0", 3_599_999)
    assert len(window) == 12
    # when it is frozen and goes on
    frozen = window.frozen_buckets()
    window.add("late", 59 * 60_000)
    window.add("later", 75 * 60_000)
    # then what was frozen is as it was, old buckets are the same objects, and what is too old is gone by whole buckets
    assert [seen for bucket in frozen.values() for seen in bucket] == [f"id{minute}" for minute in range(0, 60, 5)]
    assert frozen[1] is window.buckets[1]
    assert "id0" not in window
    assert "id5" not in window
    assert "id10" in window
    assert "late" in window
