"""Between events and records: JSON in the value, CloudEvents 1.0 (Kafka binary mode) in the headers.

The value of a large event, which is a pool's configuration, is packed by gzip: thousands of agents would not fit into one append.
Unknown fields are ignored, so that an older reader goes on after a newer writer; an unknown type is poison.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import msgspec

from libs.common.clock import rfc3339
from libs.common.errors import PoisonError
from libs.common.events import followup, inputs, outbound, routing
from libs.common.log import streams
from libs.common.log.port import Headers, NewRecord, Record

HEADER_TERM: Final = "ce_term"
HEADER_INPUT_OFFSET: Final = "ce_inputoffset"

# A value above this is packed. No message and nothing that happens to a contact is as large.
_PLAIN_BYTES_MAX: Final = 256 * 1024
_PACKED_HEADER: Final = ("content-encoding", b"gzip")

_PACKED_MAGIC: Final = b"\x1f\x8b"  # No JSON begins like this.
# With 100,000 agents 0.2 s and 1.1 MB; the best level takes more than three times as long for 1.0 MB.
_PACKING_LEVEL: Final = 6
_UNPACKED_BYTES_MAX: Final = 64 * 1024 * 1024

_encoder: Final = msgspec.json.Encoder()

STREAM_TYPES: Final[dict[str, Any]] = {
    streams.ROUTING_INPUTS: inputs.AnyInput,
    streams.ROUTING_EVENTS: routing.AnyFact,
    streams.OUTBOUND_MESSAGES: outbound.AnyOutbound,
    streams.DELIVERY_EVENTS: outbound.AnyDelivery,
    streams.FOLLOWUP_EVENTS: followup.AnyFollowUp,
}


@cache
def _decoder(stream: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(STREAM_TYPES[stream])


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What is in a record's headers. `correlation_id` runs from the webhook to the e-mail, `causation_id` is the id of the record
    (or request) that caused this one. `term` and `input_offset` are on `routing.events` alone.
    """

    id: str
    type: str
    source: str
    subject: str | None
    time_ms: int
    correlation_id: str
    causation_id: str | None = None
    term: int | None = None
    input_offset: int | None = None


def type_of(event: msgspec.Struct) -> str:
    """The CloudEvents type of an event: its tag."""
    return cast("str", type(event).__struct_config__.tag)


def encode_value(event: msgspec.Struct) -> bytes:
    """The JSON value of an event, however large."""
    return _encoder.encode(event)


def encode_packed(event: msgspec.Struct) -> tuple[bytes, Headers]:
    """The value of an event as it stands on the log, packed where it is large, and the header that says so. The same bytes for the same
    event.
    """
    value = _encoder.encode(event)
    if len(value) <= _PLAIN_BYTES_MAX:
        return value, ()
    return gzip.compress(value, _PACKING_LEVEL, mtime=0), (_PACKED_HEADER,)


def unpack(value: bytes) -> bytes:
    """The JSON of a record's value, whether it was packed or not. Raises ValueError where it cannot be unpacked."""
    if not value.startswith(_PACKED_MAGIC):
        return value
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = unpacking.decompress(value, _UNPACKED_BYTES_MAX)
    except zlib.error as error:
        raise ValueError(f"cannot be unpacked: {error}") from error
    if not unpacking.eof:
        raise ValueError(f"packed, and cut off or above {_UNPACKED_BYTES_MAX} bytes")
    return plain


@cache
def fixed_headers(event_type: str, source: str) -> Headers:
    """The headers that all records of a type and a source share."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", event_type.encode()),
        ("content-type", b"application/json"),
    )


@cache
def _time_prefix(seconds: int) -> bytes:
    # Many records fall into one second, and formatting a date costs more than encoding an event.
    if _time_prefix.cache_info().currsize > 10_000:
        _time_prefix.cache_clear()
    return rfc3339(seconds * 1000)[:-4].encode()


def encode_time(time_ms: int) -> bytes:
    """A time as it stands in `ce_time`."""
    seconds, ms = divmod(time_ms, 1000)
    return b"%b%03dZ" % (_time_prefix(seconds), ms)


def encode_record(
    event: msgspec.Struct,
    *,
    key: str,
    event_id: str,
    source: str,
    time_ms: int,
    correlation_id: str,
    subject: str | None = None,
    causation_id: str | None = None,
    term: int | None = None,
    input_offset: int | None = None,
) -> NewRecord:
    """The record of an event, ready to append. `time_ms` is the event's own time; `key` is the stream's key."""
    headers = [
        *fixed_headers(type_of(event), source),
        ("ce_id", event_id.encode()),
        ("ce_time", encode_time(time_ms)),
        ("correlationid", correlation_id.encode()),
    ]
    if subject is not None:
        headers.append(("ce_subject", subject.encode()))
    if causation_id is not None:
        headers.append(("causationid", causation_id.encode()))
    if term is not None:
        headers.append((HEADER_TERM, b"%d" % term))
    if input_offset is not None:
        headers.append((HEADER_INPUT_OFFSET, b"%d" % input_offset))
    value, packing = encode_packed(event)
    return NewRecord(key=key, value=value, headers=(*headers, *packing))


def decode_event(record: Record) -> Any:
    """The event in a record of one of the typed streams. Raises PoisonError with the place, without the content."""
    value = record.value
    if value.startswith(_PACKED_MAGIC):
        value = _unpack(record)
    try:
        return _decoder(record.stream).decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # The first words of msgspec's message name the field and the type; they never quote the value.
        raise PoisonError(f"{record.stream}/{record.partition}@{record.offset}: {error}") from error


def _unpack(record: Record) -> bytes:
    try:
        return unpack(record.value)
    except ValueError as error:
        raise PoisonError(f"{record.stream}/{record.partition}@{record.offset}: {error}") from error


def decode_envelope(record: Record) -> Envelope:
    """The headers of a record. Raises PoisonError where a mandatory one is missing."""
    found = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    try:
        return Envelope(
            id=found["ce_id"],
            type=found["ce_type"],
            source=found["ce_source"],
            subject=found.get("ce_subject"),
            time_ms=record.timestamp_ms,
            correlation_id=found.get("correlationid", ""),
            causation_id=found.get("causationid"),
            term=_integer(found.get(HEADER_TERM)),
            input_offset=_integer(found.get(HEADER_INPUT_OFFSET)),
        )
    except (KeyError, ValueError) as error:
        place = f"{record.stream}/{record.partition}@{record.offset}"
        raise PoisonError(f"{place}: header missing or malformed: {error}") from error


def _integer(text: str | None) -> int | None:
    return None if text is None else int(text)
