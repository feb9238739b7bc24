"""What one append may hold: the same bound on every log, so that what fits into a test fits into production.

The measure is an upper bound of the bytes that the records take in one Kafka record batch before compression. It must never
be lower than what a client or a broker counts, or a batch that was let through would fail after the writer began.
Called by the adapters before anything is written, and by whoever must cut its records into batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from libs.common.errors import BatchTooLargeError
from libs.common.log.port import NewRecord

# Kafka's own default for the largest record batch of a topic is 1,048,588 bytes. Data that does not compress grows a little.
BATCH_BYTES_MAX: Final = 1_000_000

_BATCH_OVERHEAD_BYTES: Final = 61  # The header of a record batch of version 2.
_RECORD_OVERHEAD_BYTES: Final = (
    36  # Lengths, offset and time differences and the number of headers as varints, at their longest.
)
_HEADER_OVERHEAD_BYTES: Final = 10  # Two lengths as varints.
_CHARACTER_BYTES_MAX: Final = 4  # Of UTF-8; counting instead of encoding keeps this cheap.


def record_bytes(record: NewRecord) -> int:
    """The most that a record can take in a batch, in bytes. Raises UnicodeEncodeError for a header's name that is not Unicode."""
    # Every record of every append comes through here, so that nothing is called that need not be.
    if record.size_max:
        return record.size_max
    size = _RECORD_OVERHEAD_BYTES + _text_bytes(record.key) + len(record.value)
    headers = record.headers
    size += _HEADER_OVERHEAD_BYTES * len(headers)
    for name, value in headers:
        size += len(name) + len(value)
        if not name.isascii():
            size += len(name.encode()) * (_CHARACTER_BYTES_MAX - 1)  # Or a name that is no Unicode would fail later.
    return size


def batch_bytes(records: Sequence[NewRecord]) -> int:
    """The most that these records can take as one batch, in bytes."""
    return _BATCH_OVERHEAD_BYTES + sum(map(record_bytes, records))


def check_batch(records: Sequence[NewRecord]) -> int:
    """The bytes of a batch that may be appended. Raises BatchTooLargeError; an empty batch is a programming error."""
    assert records, "an append of nothing has no offsets to return"
    size = batch_bytes(records)
    if size > BATCH_BYTES_MAX:
        raise BatchTooLargeError(f"{len(records)} records of {size} bytes; one append holds at most {BATCH_BYTES_MAX}")
    return size


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text) * _CHARACTER_BYTES_MAX
