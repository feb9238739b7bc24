"""Batches and envelopes: what one append holds."""

from __future__ import annotations

import pytest

from libs.common.events.codec import decode_envelope, encode_record
from libs.common.events.routing import PoolFact
from libs.common.log.batch import record_bytes
from libs.common.log.port import NewRecord, Record
from libs.common.testing.builders import a_contact_queued, an_offer_made
from services.router.batch import OWN_FACTS_MAX, FactBatch
from services.router.origin import Origin, envelope_bytes_max, fact_records, origin_of
from tests.support.routing import a_settings

ORIGIN = Origin(input_offset=2**40, causation_id="è" * 60, correlation_id="a" * 128)


def as_read(record: NewRecord, offset: int = 0) -> Record:
    return Record(
        stream="routing.events",
        partition=0,
        offset=offset,
        timestamp_ms=1,
        key=record.key,
        value=record.value,
        headers=record.headers,
    )


def test_the_cheap_bound_is_never_below_the_measured_size() -> None:
    facts: list[PoolFact] = [
        a_contact_queued(contact_id="c" * 64, pool="p" * 64),
        an_offer_made("c" * 64, pool="p" * 64),
    ]
    for record in fact_records(facts, ORIGIN, partition=999, term=2**40):
        assert len(record.value) + envelope_bytes_max(ORIGIN) >= record_bytes(record)


def test_an_origin_is_read_from_an_inputs_headers() -> None:
    record = NewRecord(key="care", value=b"{}", headers=(("ce_id", b"in-1"), ("correlationid", b"corr-1")))
    assert origin_of(as_read(record, 7)) == Origin(input_offset=7, causation_id="in-1", correlation_id="corr-1")


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 35])
def test_facts_are_cut_into_parts_that_fit_and_numbered_through(count: int) -> None:
    # given
    batch = FactBatch(a_settings(router_batch_records_max=10), partition=0, term=3)
    facts: list[PoolFact] = [an_offer_made("con_1", offer_id=f"off-{number}") for number in range(count)]
    # when
    parts = list(batch.parts(facts, ORIGIN))
    # then
    assert [fact for part in parts for fact in part.facts] == facts
    assert all(len(part.records) == len(part.facts) <= 10 for part in parts)
    found = [decode_envelope(as_read(record)).id for part in parts for record in part.records]
    assert found == [f"0-3-{ORIGIN.input_offset}-{index}" for index in range(count)]


def test_what_an_input_causes_by_itself_is_never_cut() -> None:
    """A large first fact and its companions stand together, even where they would go over the limit."""
    batch = FactBatch(a_settings(router_batch_bytes_max=64 * 1024), partition=0, term=3)
    facts: list[PoolFact] = [
        a_contact_queued(subject="s" * 60_000),
        an_offer_made("con_1"),
        *(an_offer_made("con_1") for _ in range(30)),
    ]
    first, *_ = batch.parts(facts, ORIGIN)
    assert len(first.facts) >= OWN_FACTS_MAX


def test_the_facts_of_one_input_go_on_being_numbered_in_a_second_call() -> None:
    batch = FactBatch(a_settings(), partition=0, term=3)
    (one,) = batch.parts([an_offer_made("con_1")], ORIGIN)
    (two,) = batch.parts([an_offer_made("con_1")], ORIGIN)
    assert decode_envelope(as_read(one.records[0])).id != decode_envelope(as_read(two.records[0])).id


def test_the_envelope_is_that_of_every_other_event() -> None:
    queued, offered = a_contact_queued(), an_offer_made("con_1")
    made = fact_records([queued, offered], ORIGIN, partition=2, term=5)
    for index, (fact, record) in enumerate(zip((queued, offered), made, strict=True)):
        plain = encode_record(
            fact,
            key=fact.pool,
            event_id=f"2-5-{ORIGIN.input_offset}-{index}",
            source="centralino/router",
            time_ms=fact.at_ms,
            correlation_id=ORIGIN.correlation_id,
            subject=getattr(fact, "contact_id", None),
            causation_id=ORIGIN.causation_id,
            term=5,
            input_offset=ORIGIN.input_offset,
        )
        assert (record.key, record.value) == (plain.key, plain.value)
        assert sorted(record.headers) == sorted(plain.headers)
