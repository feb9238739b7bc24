"""Folding anything in any order: the view never fails, and how the records fall into batches makes no difference."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import inputs, outbound, routing
from libs.common.log.port import Record
from libs.common.log.streams import (
    DELIVERY_EVENTS,
    FOLLOWUP_EVENTS,
    OUTBOUND_MESSAGES,
    ROUTING_EVENTS,
    ROUTING_INPUTS,
)
from libs.common.store import open_engine
from libs.common.store_engine import StoreEngine
from libs.common.testing import builders as a
from services.agent_api.credentials import migrate
from services.agent_api.store import tables
from services.agent_api.view import Advance, Reading, apply_batch
from tests.integration.agent_api.test_recovery import rows_of

CONTACTS = [a.a_contact_queued(number).contact_id for number in (1, 2)]
REPLY = a.a_reply_requested(CONTACTS[0], command_id="cmd_reply")
PLACE: dict[str, Any] = {"pool": "care", "at_ms": a.START_MS}


def everything() -> list[tuple[str, Any]]:
    """One of each thing that can stand on the streams, about two contacts."""
    one, two = CONTACTS
    again = a.a_message(1, provider_id="again", handles=("mailto:luca@example.com", "tel:+39", ""))
    said: dict[str, Any] = {"message_id": REPLY.message_id, "at_ms": 1}
    known: dict[str, Any] = {"provider_id": "SM1", "account": REPLY.account, "at_ms": 2}
    return [
        *((ROUTING_INPUTS, a.a_contact_received(number)) for number in (1, 2)),
        (ROUTING_INPUTS, a.a_contact_received(message=again)),
        (ROUTING_INPUTS, a.an_add_note(one)),
        (ROUTING_INPUTS, a.an_accept("off_1")),
        (ROUTING_INPUTS, a.a_set_presence()),
        (ROUTING_INPUTS, a.a_configure_pool()),
        (ROUTING_INPUTS, a.a_time_advanced(1)),
        (ROUTING_INPUTS, inputs.AgentsSeen(pool="care", agents=("anna",))),
        (ROUTING_INPUTS, inputs.ExtendCalendars(pool="care", calendars=())),
        (ROUTING_EVENTS, routing.CalendarsExtended(**PLACE, calendars=())),
        (ROUTING_EVENTS, routing.CalendarTurned(**PLACE, calendar="shop", open=True, since_ms=1)),
        (ROUTING_EVENTS, routing.ContactRelaxed(**PLACE, contact_id=one, step=1, skills={"orders": 1})),
        (
            ROUTING_EVENTS,
            routing.ContactMoved(
                **PLACE, contact_id=two, queue="general", cause="overflow", skills={}, offer_timeout_ms=1, when="closed"
            ),
        ),
        (ROUTING_EVENTS, routing.CustomerNotice(**PLACE, contact_id=two, cause="overflow", texts={"en": "Busy."})),
        (
            ROUTING_EVENTS,
            routing.CallbackScheduled(
                **PLACE,
                contact_id=one,
                handle="tel:+39333",
                not_before_ms=7,
                channel="voice",
                offer_timeout_ms=1,
                cause="customer",
            ),
        ),
        *(
            (ROUTING_EVENTS, routing.CallbackDue(**PLACE, contact_id=contact_id, cause="time"))
            for contact_id in CONTACTS
        ),
        (ROUTING_EVENTS, routing.ContactMerged(**PLACE, contact_id=one, into_contact_id=two, due_ms=9)),
        *(
            (
                ROUTING_EVENTS,
                routing.CallbackWithdrawn(**PLACE, contact_id=contact_id, channel="email", offer_timeout_ms=1),
            )
            for contact_id in CONTACTS
        ),
        *(
            (
                ROUTING_EVENTS,
                routing.CallbackMissed(
                    **PLACE, contact_id=contact_id, agent_id="anna", attempts=1, not_before_ms=a.START_MS
                ),
            )
            for contact_id in CONTACTS
        ),
        (
            ROUTING_INPUTS,
            inputs.RequestCallback(pool="care", command_id="cmd_c", agent_id="anna", contact_id=one),
        ),
        (
            ROUTING_INPUTS,
            inputs.ReportNotReached(pool="care", command_id="cmd_n", agent_id="anna", contact_id=one),
        ),
        (ROUTING_EVENTS, routing.QueueDrained(**PLACE, queue="orders", by="sara", to_queue="billing")),
        (ROUTING_EVENTS, routing.QueueDrained(**PLACE, queue="never", by="sara")),
        (ROUTING_EVENTS, routing.DrainLifted(**PLACE, queue="orders", by="sara")),
        (ROUTING_INPUTS, inputs.DrainQueue(pool="care", command_id="cmd_d", agent_id="sara", queue="orders")),
        (ROUTING_EVENTS, routing.PresenceConfirmed(**PLACE, agents=("anna",))),
        *((ROUTING_EVENTS, a.a_contact_queued(number)) for number in (1, 2)),
        (ROUTING_EVENTS, routing.MessageJoined(**PLACE, contact_id=one, message_id=again.id)),
        (ROUTING_EVENTS, routing.MessageJoined(**PLACE, contact_id=two, message_id="msg_never")),
        *((ROUTING_EVENTS, a.an_offer_made(contact_id)) for contact_id in CONTACTS),
        (ROUTING_EVENTS, a.a_contact_assigned(one, command_id=a.an_accept("off_1").command_id)),
        (ROUTING_EVENTS, a.a_contact_assigned(two, offer_id=None)),
        (ROUTING_EVENTS, routing.OfferRejected(**PLACE, offer_id=f"off_{two}", contact_id=two, agent_id="anna")),
        (ROUTING_EVENTS, routing.OfferExpired(**PLACE, offer_id=f"off_{one}", contact_id=one, agent_id="anna")),
        (ROUTING_EVENTS, routing.OfferWithdrawn(**PLACE, offer_id="off_x", contact_id=one, agent_id="b", cause="c")),
        (ROUTING_EVENTS, routing.ContactRequeued(**PLACE, contact_id=one, agent_id="anna", cause="sign-out")),
        (ROUTING_EVENTS, routing.WrapUpStarted(**PLACE, contact_id=one, agent_id="anna", until_ms=5)),
        *((ROUTING_EVENTS, a.a_contact_resolved(contact_id)) for contact_id in CONTACTS),
        (ROUTING_EVENTS, routing.PresenceChanged(**PLACE, agent_id="anna", status="busy")),
        (
            ROUTING_EVENTS,
            routing.PresenceChanged(**PLACE, agent_id="anna", status="not_responding", cause="not-responding"),
        ),
        (ROUTING_EVENTS, routing.ContactFlagged(**PLACE, contact_id=one, reason="declined", agents=3)),
        (ROUTING_EVENTS, routing.CalendarTurned(**PLACE, calendar="shop", open=False, since_ms=a.START_MS)),
        (ROUTING_EVENTS, routing.NoteAdded(**PLACE, contact_id=one, note_id="note_1", agent_id="anna")),
        (ROUTING_EVENTS, routing.WriterStarted(writer_id="w")),
        (
            ROUTING_EVENTS,
            routing.InputRefused(
                **PLACE, command_id=a.an_accept("off_1").command_id, input_type="t", reason="offer-expired", detail="d"
            ),
        ),
        (
            ROUTING_EVENTS,
            routing.PoolConfigured(**PLACE, version="1", queues=(a.a_queue(),), agents=(a.an_agent(), a.an_agent("b"))),
        ),
        (ROUTING_EVENTS, routing.PoolConfigured(**PLACE, version="2", queues=(a.a_queue("q"),), agents=())),
        (OUTBOUND_MESSAGES, REPLY),
        (DELIVERY_EVENTS, outbound.MessageSent(**said, contact_id=one, thread_id="t", provider_id="SM1")),
        (DELIVERY_EVENTS, outbound.MessageDelivered(message_id="", **known)),
        (DELIVERY_EVENTS, outbound.MessageRead(message_id="", **known)),
        (DELIVERY_EVENTS, outbound.MessageFailed(**said, reason="r", contact_id=one)),
        (DELIVERY_EVENTS, outbound.MessageFailed(message_id="", reason="r", **known)),
        (DELIVERY_EVENTS, outbound.MessageFailed(message_id="msg_other", at_ms=1, reason="r")),
        (DELIVERY_EVENTS, a.a_bounce(message_id=REPLY.message_id)),
        (DELIVERY_EVENTS, a.a_bounce("")),
        (FOLLOWUP_EVENTS, a.a_follow_up_sent(two)),
    ]


def readings(order: list[int]) -> list[Reading]:
    """The things in this order, each at its stream's next offset."""
    things = everything()
    offsets: dict[str, int] = {}
    made = []
    for index in order:
        stream, event = things[index]
        offset = offsets.get(stream, 0)
        offsets[stream] = offset + 1
        record = Record(
            stream=stream, partition=0, offset=offset, timestamp_ms=a.START_MS, key="care", value=b"", headers=()
        )
        made.append(Reading(record=record, event=event))
    return made


async def fold_in_batches(engine: StoreEngine, given: list[Reading], size: int) -> None:
    for start in range(0, len(given), size):
        batch = given[start : start + size]
        advances = {
            (reading.record.stream, 0): Advance(from_offset=0, next_offset=reading.record.offset + 1)
            for reading in batch
        }
        async with engine.write_plain() as session:
            await apply_batch(session, batch, advances, now_ms=a.START_MS, seen_seq=0, awaited=())
            # What was applied is not applied again.
            again = await apply_batch(session, batch, advances, now_ms=a.START_MS, seen_seq=0, awaited=())
            assert again.applied == []


@settings(max_examples=25, deadline=None)
@given(
    order=st.lists(st.integers(0, len(everything()) - 1), max_size=60),
    size=st.integers(1, 10),
)
def test_any_order_and_any_batches_fold_to_the_same_rows(order: list[int], size: int) -> None:
    async def fold_both_ways() -> None:
        with tempfile.TemporaryDirectory() as folder:
            found = []
            for name, batch in (("whole", max(1, len(order))), ("parts", size)):
                engine = open_engine(f"sqlite:///{Path(folder) / name}.db")
                await migrate(engine)
                await fold_in_batches(engine, readings(order), batch)
                found.append(await rows_of(engine))
                await engine.dispose()
            assert found[0] == found[1]
            assert all(table.name in found[0] for table in (tables.contacts, tables.messages))

    asyncio.run(fold_both_ways())
