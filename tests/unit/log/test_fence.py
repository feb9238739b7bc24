"""The fence on its own; with real logs it is part of the contract suite."""

import pytest

from libs.common.events.codec import HEADER_TERM
from libs.common.log.fence import Fence
from libs.common.log.port import Headers, Record


def a_record(offset: int, headers: Headers) -> Record:
    return Record(
        stream="routing.events", partition=0, offset=offset, timestamp_ms=0, key="", value=b"", headers=headers
    )


def started(offset: int) -> Record:
    return a_record(offset, (("ce_type", b"centralino.writer.started.v1"),))


def fact(offset: int, term: bytes | None) -> Record:
    headers: Headers = (("ce_type", b"centralino.offer.made.v1"),)
    return a_record(offset, headers if term is None else (*headers, (HEADER_TERM, term)))


def test_admits_the_newest_term_alone() -> None:
    fence = Fence(None)
    records = [started(0), fact(1, b"0"), started(5), fact(6, b"0"), fact(7, b"5"), fact(9, b"0"), fact(10, b"5")]
    assert [record.offset for record in records if fence.admit(record)] == [0, 1, 5, 7, 10]
    assert fence.term == 5


def test_admits_nothing_before_the_first_writer() -> None:
    fence = Fence(None)
    assert not fence.admit(fact(0, None))
    assert not fence.admit(fact(1, b"0"))
    assert fence.term is None


@pytest.mark.parametrize("term", [None, b"", b"three", b"03", b"3.0", b"\xff"])
def test_admits_no_record_without_a_readable_term(term: bytes | None) -> None:
    assert not Fence(3).admit(fact(8, term))


def test_goes_on_with_the_term_that_was_stored() -> None:
    fence = Fence(3)
    assert fence.admit(fact(8, b"3"))
    assert not fence.admit(fact(9, b"1"))


def test_refuses_to_judge_the_past_by_a_later_term() -> None:
    """A reader that went back and kept its fence would skip what it must read again; that is a crash, not a loss."""
    fence = Fence(None)
    fence.admit(started(4))
    with pytest.raises(AssertionError, match="comes again or out of order"):
        fence.admit(fact(4, b"0"))
