"""Where the next snapshot goes, so that nothing that arrives late spoils both that recovery needs."""

from __future__ import annotations

from itertools import product

from libs.common.testing.builders import START_MS
from services.router.generations import Generations
from services.router.snapshot import GENERATIONS, Manifest, StoredSnapshot, StoredSnapshots


def a_manifest(generation: int, position: int) -> Manifest:
    return Manifest(
        format=1,
        id=f"0-1-{position}-{position}",
        partition=0,
        generation=generation,
        term=1,
        next_output=position,
        next_input=position,
        taken_ms=START_MS,
        pools=(),
        size_bytes=0,
        digest="",
    )


def stored(*generations: int, torn: tuple[int, ...] = ()) -> StoredSnapshots:
    """Complete snapshots in these generations, the newest first."""
    snapshots = tuple(
        StoredSnapshot(manifest=a_manifest(generation, 100 - place), pools=())
        for place, generation in enumerate(generations)
    )
    return StoredSnapshots(snapshots=snapshots, end_offset=0, torn=torn)


def test_an_empty_stream_is_begun_at_the_first() -> None:
    assert Generations(stored()).next() == 0


def test_the_two_newest_stay_and_the_oldest_goes() -> None:
    assert Generations(stored(1, 0)).next() == 2
    assert Generations(stored(2, 1, 0)).next() == 3
    assert Generations(stored(3, 2, 1, 0)).next() == 0


def test_where_something_may_still_arrive_is_written_to_last() -> None:
    # given a write over the oldest that failed
    generations = Generations(stored(3, 2, 1, 0))
    generations.failed(0)
    # when / then
    assert generations.next() == 1
    generations.failed(1)
    assert generations.next() == 0, "of two in doubt, the one that has been so for longer"
    assert [manifest.generation for manifest in generations.kept] == [3, 2]


def test_what_is_found_torn_may_be_somebodys_who_still_writes() -> None:
    assert Generations(stored(1, 2, torn=(0,))).next() == 3


def test_the_two_newest_are_left_alone_whatever_fails() -> None:
    for course in product((True, False), repeat=8):
        generations = Generations(stored())
        for position, succeeds in enumerate(course, 1):
            target = generations.next()
            kept = [manifest.generation for manifest in generations.kept]
            assert target in set(GENERATIONS).difference(kept)
            if succeeds:
                generations.completed(a_manifest(target, position))
                assert generations.kept[0].generation == target
            else:
                generations.failed(target)
                assert [manifest.generation for manifest in generations.kept] == kept
