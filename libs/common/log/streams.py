"""The streams: names, keys, how many partitions, how long they are kept. The one list; adapters make what is here."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

ROUTING_INPUTS: Final = "routing.inputs"
ROUTING_EVENTS: Final = "routing.events"
ROUTING_SNAPSHOTS: Final = "routing.snapshots"
OUTBOUND_MESSAGES: Final = "outbound.messages"
DELIVERY_EVENTS: Final = "delivery.events"
FOLLOWUP_EVENTS: Final = "followup.events"
DEAD_LETTERS: Final = "dead.letters"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """One stream. `key` says what its records are keyed by; `compacted` keeps the newest record of each key for ever."""

    name: str
    key: str
    partitions: int
    compacted: bool = False


def stream_specs(*, partitions: int) -> dict[str, StreamSpec]:
    """Every stream by name. `routing.*` must have equal numbers: partition i of the inputs is decided into partition i of the events."""
    specs = (
        StreamSpec(name=ROUTING_INPUTS, key="pool", partitions=partitions),
        StreamSpec(name=ROUTING_EVENTS, key="pool", partitions=partitions),
        StreamSpec(
            name=ROUTING_SNAPSHOTS, key="partition, generation and chunk", partitions=partitions, compacted=True
        ),
        StreamSpec(name=OUTBOUND_MESSAGES, key="thread", partitions=partitions),
        StreamSpec(name=DELIVERY_EVENTS, key="thread", partitions=partitions),
        StreamSpec(name=FOLLOWUP_EVENTS, key="contact", partitions=partitions),
        StreamSpec(name=DEAD_LETTERS, key="origin", partitions=1),
    )
    return {spec.name: spec for spec in specs}


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: CRC-32 of its UTF-8 bytes, the same on every log and in every version."""
    return zlib.crc32(key.encode()) % partitions
