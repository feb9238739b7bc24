"""The sorted list of short lists."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.router.core import sorting
from services.router.core.sorting import SortedKeys


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=200), st.sampled_from([2, 3, 8, 1024]))
def test_it_behaves_like_a_sorted_list(changes: list[tuple[bool, int]], chunk: int) -> None:
    # given small pieces, so that they are split and emptied often
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "_CHUNK_MAX", chunk)
        keys: SortedKeys[int] = SortedKeys()
        plain: list[int] = []
        for add, key in changes:
            # when a key is added or taken out
            if add and key not in plain:
                keys.add(key)
                plain = sorted([*plain, key])
            elif not add and key in plain:
                keys.remove(key)
                plain.remove(key)
            # then it is as if it were one list
            assert list(keys) == plain
            assert (len(keys), bool(keys)) == (len(plain), bool(plain))
            if plain:
                assert keys.first() == plain[0]


def test_it_can_be_made_of_many() -> None:
    keys = SortedKeys(range(5000, 0, -1))
    assert list(keys) == list(range(1, 5001))
    keys.remove(2500)
    keys.add(0)
    assert keys.first() == 0
    assert len(keys) == 5000


def test_adding_twice_and_removing_what_is_not_there_are_errors() -> None:
    keys = SortedKeys([1, 3])
    with pytest.raises(AssertionError):
        keys.add(1)
    with pytest.raises(AssertionError):
        keys.remove(2)
