"""The fence: which records of `routing.events` count.

A router that takes a partition over appends `WriterStarted`; the offset where that record lands is its term, and every record
it writes carries that term. A record counts if its term is that of the newest `WriterStarted` before it. So what a deposed
writer writes late changes nothing for anyone, with no lease, no clock and no coordinator. Every reader of `routing.events` uses this.
"""

from __future__ import annotations

from typing import Final

from libs.common.events.codec import HEADER_TERM, type_of
from libs.common.events.routing import WriterStarted
from libs.common.log.port import Record

_WRITER_STARTED: Final = type_of(WriterStarted(writer_id="")).encode()


class Fence:
    """The rule for one partition. Feed it every record from some offset on, in order and once each.

    `term` is the term known at that offset: None at the partition's beginning, otherwise what `term` of an earlier fence was
    after the record before. Whoever goes back to an earlier offset makes a new fence with the term that it stored for it;
    feeding the same fence a record again is a bug, because it would judge by a term from the future (AssertionError).
    """

    def __init__(self, term: int | None) -> None:
        self.term: int | None = term
        self._newest_offset = -1 if term is None else term

    def admit(self, record: Record) -> bool:
        """Whether the record counts: True for a `WriterStarted` and for what the newest writer wrote."""
        assert record.offset > self._newest_offset, (
            f"{record.stream}/{record.partition}@{record.offset} comes again or out of order after {self._newest_offset}"
        )
        self._newest_offset = record.offset
        headers = dict(record.headers)  # Every record of `routing.events` comes through here, at every reader.
        if headers.get("ce_type") == _WRITER_STARTED:
            self.term = record.offset
            return True
        # A record without a readable term was written by no router: it can belong to no writer's history.
        return self.term is not None and headers.get(HEADER_TERM) == b"%d" % self.term
