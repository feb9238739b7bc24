"""The builders give events that go through the codec, so that a test built on them is about real records."""

import inspect

import msgspec
import pytest

from libs.common.events.codec import STREAM_TYPES, decode_event, encode_record
from libs.common.log import streams
from libs.common.log.port import Record
from libs.common.testing import builders

BUILT: dict[str, list[msgspec.Struct]] = {
    streams.ROUTING_INPUTS: [
        builders.a_contact_received(),
        builders.a_set_presence(),
        builders.an_accept("off_1"),
        builders.a_reject("off_1"),
        builders.a_resolve("con_1"),
        builders.a_finish_wrap_up("con_1"),
        builders.an_add_note("con_1"),
        builders.a_time_advanced(builders.START_MS),
        builders.a_configure_pool(),
    ],
    streams.ROUTING_EVENTS: [
        builders.a_contact_queued(),
        builders.an_offer_made("con_1"),
        builders.a_contact_assigned("con_1"),
        builders.a_contact_resolved("con_1"),
    ],
    streams.OUTBOUND_MESSAGES: [builders.a_reply_requested("con_1")],
    streams.DELIVERY_EVENTS: [builders.a_bounce()],
    streams.FOLLOWUP_EVENTS: [builders.a_follow_up_sent("con_1")],
}


@pytest.mark.parametrize(("stream", "event"), [(stream, event) for stream, events in BUILT.items() for event in events])
def test_what_a_builder_gives_survives_the_log(stream: str, event: msgspec.Struct) -> None:
    record = encode_record(event, key="k", event_id="e", source="s", time_ms=0, correlation_id="c")
    read = Record(
        stream=stream, partition=0, offset=0, timestamp_ms=0, key="k", value=record.value, headers=record.headers
    )

    assert decode_event(read) == event


def test_numbers_make_different_customers_and_the_same_number_the_same_message() -> None:
    assert builders.a_contact_received(1) == builders.a_contact_received(1)
    assert builders.a_contact_received(1).contact_id != builders.a_contact_received(2).contact_id
    assert builders.a_message(1).thread_id != builders.a_message(2).thread_id


def test_the_queued_contact_is_that_of_the_received_message() -> None:
    received, queued = builders.a_contact_received(3), builders.a_contact_queued(3)

    assert (queued.contact_id, queued.message_id) == (received.contact_id, received.message.id)


def test_every_stream_has_built_events() -> None:
    assert set(BUILT) == set(STREAM_TYPES)
    assert inspect.getdoc(builders)
