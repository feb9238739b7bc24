"""What stands on which stream, in words: who writes it, who reads it, what it is for.

The streams' technical side is in `libs.common.log.streams`, their types in `codec.STREAM_TYPES`; this adds what a reader of the documents
wants to know. Pure. Called by `document`; no service needs it to run.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Any, Final, cast

from libs.common.events.codec import STREAM_TYPES
from libs.common.log import streams


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamNote:
    """A stream in words. `writers` and `readers` are services."""

    what: str
    writers: str
    readers: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderNote:
    """A header of a record. `required`: on every record of the typed streams."""

    name: str
    what: str
    required: bool = False


STREAM_NOTES: Final[dict[str, StreamNote]] = {
    streams.ROUTING_INPUTS: StreamNote(
        what="Everything that can change routing, in one total order per pool.",
        writers="ingest (messages), agent API (commands), router (configuration, time)",
        readers="router; agent API and ingest (messages and notes; files to fetch)",
        key="pool",
    ),
    streams.ROUTING_EVENTS: StreamNote(
        what="Facts: what the router decided. Folding them gives its state.",
        writers="router, one writer for each partition",
        readers="agent API, follow-up, router (recovery)",
        key="pool (empty for `centralino.writer.started.v1`)",
    ),
    streams.OUTBOUND_MESSAGES: StreamNote(
        what="Replies that are to go out on a contact's own channel.",
        writers="agent API",
        readers="ingest (sends them), agent API",
        key="thread",
    ),
    streams.DELIVERY_EVENTS: StreamNote(
        what="What became of replies, and which mail came back.",
        writers="ingest",
        readers="agent API, follow-up (bounces)",
        key="thread for what the senders report; message or provider's id for what a provider reports",
    ),
    streams.FOLLOWUP_EVENTS: StreamNote(
        what="What became of acknowledgements and follow-up mails.",
        writers="follow-up",
        readers="agent API",
        key="contact",
    ),
}

UNTYPED_NOTES: Final[dict[str, StreamNote]] = {
    streams.ROUTING_SNAPSHOTS: StreamNote(
        what="The router's state at an offset, in chunks with a manifest; compacted. The format is the router's own.",
        writers="router",
        readers="router",
        key="partition/generation/chunk, or partition/generation/manifest",
    ),
    streams.DEAD_LETTERS: StreamNote(
        what="Records that could not be decoded or handled, whole, with headers that say where they come from and why; "
        "and items of webhooks that could not be made into a message.",
        writers="every reader, ingest",
        readers="operators (`centralino dead-letters`)",
        key="origin",
    ),
}

HEADER_NOTES: Final = (
    HeaderNote(name="ce_specversion", what="`1.0`", required=True),
    HeaderNote(name="ce_type", what="the event's type, as below; also the field `type` of the value", required=True),
    HeaderNote(name="ce_source", what="the service that wrote it, such as `centralino/ingest`", required=True),
    HeaderNote(
        name="ce_id",
        what="the event's id; a repetition of the same event has the same one where it has one of its own",
        required=True,
    ),
    HeaderNote(
        name="ce_time", what="the event's own time, RFC 3339; the log's time is the record's timestamp", required=True
    ),
    HeaderNote(name="correlationid", what="runs from the webhook or request to the mail", required=True),
    HeaderNote(name="content-type", what="`application/json`", required=True),
    HeaderNote(
        name="content-encoding",
        what="`gzip` where the value is packed: the configuration of a pool with thousands of agents",
    ),
    HeaderNote(name="ce_subject", what="the id that it is about"),
    HeaderNote(name="causationid", what="the id of the record that caused this one"),
    HeaderNote(name="ce_term", what="`routing.events` alone: the term of its writer"),
    HeaderNote(name="ce_inputoffset", what="`routing.events` alone: the offset of the input that it comes from"),
)


def event_types(stream: str) -> tuple[Any, ...]:
    """The types of events on a typed stream, in the order in which they are declared."""
    union = STREAM_TYPES[stream]
    return typing.get_args(union) or (union,)


def type_name(kind: Any) -> str:
    """The CloudEvents type of an event's class: its tag."""
    return cast("str", kind.__struct_config__.tag)
