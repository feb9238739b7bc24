"""The one tree of errors. A docstring is the message shown where no better one is given.

There are three kinds and no fourth: *refused* (the caller's fault, told to the caller), *poison* (a record that cannot be
decoded or handled, kept as a dead letter), and everything else, which is a bug or an outage and ends the work in hand.
"""

from __future__ import annotations


class CentralinoError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class RefusedError(CentralinoError):
    """The request cannot be carried out as it stands."""


class PoisonError(CentralinoError):
    """The record cannot be decoded or handled, now or later."""


class OutageError(CentralinoError):
    """A part that this process needs does not answer; trying again later may help."""


class LogUnavailableError(OutageError):
    """The event log does not answer. A write that was under way may or may not have happened."""


class LogMismatchError(CentralinoError):
    """The event log is there, but it is not the one that the settings describe; trying again does not help."""


class LogClosedError(CentralinoError):
    """The log, reader or writer was closed, or a writer was broken by an append that failed."""


class OffsetOutOfRangeError(CentralinoError):
    """The offset asked for is older than what the log still holds."""

    def __init__(self, stream: str, partition: int, offset: int, first_offset: int) -> None:
        super().__init__(f"{stream}/{partition}: offset {offset} is gone, the log begins at {first_offset}")
        self.stream = stream
        self.partition = partition
        self.offset = offset
        self.first_offset = first_offset


class BatchTooLargeError(RefusedError):
    """The batch does not fit into one append; nothing of it was written."""


class StoreUnavailableError(OutageError):
    """The database does not answer."""
