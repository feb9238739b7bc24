"""The deadline that other tests lean on."""

from asyncio import Event
from collections.abc import Iterator

import pytest

from tests.support.waiting import eventually, wait_until


def answers(*values: object) -> Iterator[object]:
    yield from values


async def test_the_first_truthy_answer_is_given() -> None:
    values = answers(None, 0, "", "there", "too late")

    assert await eventually(lambda: next(values), every_s=0) == "there"


async def test_an_async_check_is_awaited() -> None:
    values = answers(False, 7)

    async def check() -> object:
        return next(values)

    assert await eventually(check, every_s=0) == 7


async def test_the_failure_says_what_was_last_seen() -> None:
    with pytest.raises(AssertionError, match=r"last seen: \[\]"):
        await eventually(list, timeout_s=0)


async def test_an_assertion_counts_as_not_yet() -> None:
    values = answers(1, 2, 3)

    def check() -> bool:
        assert next(values) == 3, "not three"
        return True

    assert await eventually(check, every_s=0)


async def test_the_last_assertion_is_told() -> None:
    def check() -> bool:
        raise AssertionError("two agents hold it")

    with pytest.raises(AssertionError, match="last seen: AssertionError: two agents hold it"):
        await eventually(check, timeout_s=0)


async def test_any_other_error_is_a_bug_and_comes_at_once() -> None:
    def check() -> bool:
        raise KeyError("contact")

    with pytest.raises(KeyError, match="contact"):
        await eventually(check, timeout_s=60)


async def test_a_check_that_hangs_is_cut_off() -> None:
    with pytest.raises(AssertionError, match="did not return"):
        await eventually(Event().wait, timeout_s=0.01)


def test_the_plain_one_gives_the_first_truthy_answer_or_fails() -> None:
    values = answers(None, "there")

    assert wait_until(lambda: next(values), every_s=0) == "there"
    with pytest.raises(AssertionError, match="last seen: None"):
        wait_until(lambda: None, timeout_s=0)
