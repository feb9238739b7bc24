"""Where facts come from, and the envelope that says so on the log.

Pure: no I/O and no clock. Used by the partition worker for every batch that it appends; readers find the same names in the headers.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cache
from typing import Final

import msgspec

from libs.common.errors import PoisonError
from libs.common.events.codec import (
    HEADER_INPUT_OFFSET,
    HEADER_TERM,
    encode_packed,
    encode_record,
    encode_time,
    fixed_headers,
    type_of,
)
from libs.common.events.inputs import ConfigurePool, ExtendCalendars, HandoversAppended, TimeAdvanced
from libs.common.events.routing import PoolFact, WriterStarted
from libs.common.log.port import Headers, NewRecord, Record

SOURCE: Final = "centralino/router"

# Names and fixed values of the headers, numbers at their longest, an id of the pool and one of the contact.
_ENVELOPE_BYTES: Final = 640

_WRITER_STARTED_TYPE: Final = type_of(WriterStarted(writer_id=""))


class Origin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The input that facts come from: its offset, its id (their cause), and the correlation id that runs through."""

    input_offset: int
    causation_id: str
    correlation_id: str


def origin_of(record: Record) -> Origin:
    """The origin that an input's record is to its facts. Raises PoisonError where its envelope lacks an id."""
    causation: bytes | None = None
    correlation = b""
    for name, value in record.headers:
        if name == "ce_id":
            causation = value
        elif name == "correlationid":
            correlation = value
    if causation is None:
        raise PoisonError(f"{record.stream}/{record.partition}@{record.offset}: header missing: ce_id")
    return Origin(
        input_offset=record.offset,
        causation_id=causation.decode("utf-8", "replace"),
        correlation_id=correlation.decode("utf-8", "replace"),
    )


def envelope_bytes_max(origin: Origin) -> int:
    """The most that everything but the value takes in a record of this origin's facts; cheaper than to measure each.

    A character may take four bytes; the fact's subject and its pool are ids of at most 64 characters, and in ASCII.
    """
    return _ENVELOPE_BYTES + 4 * (len(origin.causation_id) + len(origin.correlation_id))


def fact_records(
    facts: Sequence[PoolFact], origin: Origin, *, partition: int, term: int, first_index: int = 0
) -> list[NewRecord]:
    """The records of one input's facts, in order; `first_index` counts those of the same input that went before in this term.

    The same as `encode_record` makes of each, with what they share made once.
    """
    envelope_bytes = envelope_bytes_max(origin)
    prefix = b"%d-%d-%d-" % (partition, term, origin.input_offset)
    shared = (
        ("correlationid", origin.correlation_id.encode()),
        ("causationid", origin.causation_id.encode()),
        (HEADER_TERM, b"%d" % term),
        (HEADER_INPUT_OFFSET, b"%d" % origin.input_offset),
    )
    records = []
    at_ms, index = -1, first_index
    for fact in facts:
        if fact.at_ms != at_ms:  # Nearly always the same for all.
            at_ms = fact.at_ms
            at = ("ce_time", encode_time(at_ms))
        identity = ("ce_id", b"%b%d" % (prefix, index))
        contact_id = getattr(fact, "contact_id", None)
        headers: Headers = (
            (*_type_headers(type(fact)), identity, at, *shared)
            if contact_id is None
            else (*_type_headers(type(fact)), identity, at, *shared, ("ce_subject", contact_id.encode()))
        )
        value, packing = encode_packed(fact)
        if packing:
            headers = (*headers, *packing)
        records.append(NewRecord(key=fact.pool, value=value, headers=headers, size_max=len(value) + envelope_bytes))
        index += 1
    return records


@cache
def _type_headers(fact: type[PoolFact]) -> Headers:
    return fixed_headers(str(fact.__struct_config__.tag), SOURCE)


def writer_started_record(partition: int, writer_id: str, now_ms: int) -> NewRecord:
    """The record that begins a term. It has no term in its headers: its offset is the term."""
    return encode_record(
        WriterStarted(writer_id=writer_id),
        key="",
        event_id=f"{partition}-{writer_id}",
        source=SOURCE,
        time_ms=now_ms,
        correlation_id="",
    )


def shell_input_record(
    event: ConfigurePool | ExtendCalendars | HandoversAppended | TimeAdvanced,
    *,
    writer_id: str,
    counter: int,
    now_ms: int,
) -> NewRecord:
    """An input that the router itself appends. `counter` tells a writer's own inputs apart."""
    return encode_record(
        event,
        key=event.pool,
        event_id=f"{writer_id}-{counter}",
        source=SOURCE,
        time_ms=now_ms,
        correlation_id="",
    )


def new_writer_id(partition: int) -> str:
    """A name for one incarnation of a writer, for logs; nothing is decided by it."""
    return f"router-{partition}-{secrets.token_hex(6)}"


def is_writer_started(record: Record) -> bool:
    """Whether a record of `routing.events` begins a term."""
    return record.header("ce_type") == _WRITER_STARTED_TYPE
