"""Records of large events: packed, read by whoever reads plain ones, and poison where they are damaged."""

from __future__ import annotations

import pytest

from libs.common.errors import PoisonError
from libs.common.events.codec import decode_event, encode_packed, encode_record, unpack
from libs.common.events.inputs import ConfigurePool
from libs.common.events.pool import AgentConfiguration
from libs.common.log.batch import BATCH_BYTES_MAX, record_bytes
from libs.common.log.port import NewRecord, Record
from libs.common.log.streams import ROUTING_INPUTS


def a_configuration(agents: int) -> ConfigurePool:
    named = tuple(
        AgentConfiguration(id=f"agent-{number:06}", name=f"Agente {number}", skills={f"s{number % 40}": 1 + number % 5})
        for number in range(agents)
    )
    return ConfigurePool(pool="care", version="v1", queues=(), agents=named)


def a_record(event: ConfigurePool) -> NewRecord:
    return encode_record(event, key="care", event_id="1", source="test", time_ms=0, correlation_id="")


def as_read(record: NewRecord, value: bytes | None = None) -> Record:
    return Record(
        stream=ROUTING_INPUTS,
        partition=3,
        offset=7,
        timestamp_ms=0,
        key=record.key,
        value=record.value if value is None else value,
        headers=record.headers,
    )


def test_what_is_small_stands_on_the_log_as_json() -> None:
    record = a_record(a_configuration(5))
    assert record.value.startswith(b"{")
    assert "content-encoding" not in dict(record.headers)


def test_a_configuration_of_thousands_of_agents_fits_into_one_append_and_is_read_like_any_other() -> None:
    event = a_configuration(30_000)
    record = a_record(event)
    assert dict(record.headers)["content-encoding"] == b"gzip"
    assert record_bytes(record) < BATCH_BYTES_MAX < len(unpack(record.value))
    assert decode_event(as_read(record)) == event


def test_the_same_event_is_packed_into_the_same_bytes_at_any_time() -> None:
    packed, _ = encode_packed(a_configuration(10_000))
    assert packed == encode_packed(a_configuration(10_000))[0]
    assert packed[4:8] == bytes(4)  # Where gzip has the time (RFC 1952).


@pytest.mark.parametrize("damage", [slice(0, 500), slice(0, 2)])
def test_what_was_cut_off_is_poison_with_its_place(damage: slice) -> None:
    record = a_record(a_configuration(10_000))
    with pytest.raises(PoisonError, match=r"^routing\.inputs/3@7: packed, and cut off"):
        decode_event(as_read(record, record.value[damage]))


def test_what_is_no_gzip_is_poison_with_its_place() -> None:
    record = a_record(a_configuration(10_000))
    with pytest.raises(PoisonError, match=r"^routing\.inputs/3@7: cannot be unpacked"):
        decode_event(as_read(record, record.value[:2] + b"not what follows"))


def test_what_would_unfold_without_end_is_poison() -> None:
    packed, _ = encode_packed(ConfigurePool(pool="care", version="v" * (65 * 1024 * 1024), queues=(), agents=()))
    with pytest.raises(PoisonError, match="above 67108864 bytes"):
        decode_event(as_read(a_record(a_configuration(1)), packed))


def test_damage_inside_is_told_without_the_content() -> None:
    packed, _ = encode_packed(a_configuration(10_000))
    assert packed.startswith(b"\x1f\x8b")
    with pytest.raises(PoisonError, match=r"^routing\.inputs/3@7: "):
        decode_event(as_read(a_record(a_configuration(1)), b"{" + packed))
