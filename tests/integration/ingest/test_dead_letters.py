"""A reply that cannot be read is put aside and counted, and the next one is not held up."""

from libs.common.events.codec import encode_record
from libs.common.log.dlq import read_dead_letter
from libs.common.log.port import NewRecord
from libs.common.log.streams import OUTBOUND_MESSAGES
from libs.common.testing.builders import a_reply_requested
from tests.support.waiting import eventually


async def test_what_cannot_be_read_is_put_aside_and_counted(ingest) -> None:
    # given a record of a type that this version does not know, and a reply behind it
    unknown = NewRecord(key="thr_1", value=b'{"type": "centralino.reply.unknown.v9"}', headers=(("ce_id", b"r-1"),))
    # (for an account that is not there, so that its failure is told at once)
    requested = a_reply_requested("con_1", account="nowhere")
    reply = encode_record(requested, key="thr_1", event_id="r-2", source="test", time_ms=0, correlation_id="c")
    writer = await ingest.log.open_writer("test")

    # when they come in
    await writer.append(OUTBOUND_MESSAGES, 0, [unknown, reply])
    await writer.close()

    # then the one is a dead letter, and the metric says so; the other one was taken up
    labels = {"stream": OUTBOUND_MESSAGES, "service": "ingest"}
    metrics = ingest.service.metrics.registry
    await eventually(lambda: metrics.get_sample_value("centralino_dead_letters_total", labels) == 1)
    (letter,) = [read_dead_letter(record) for record in await ingest.dead_letters()]
    assert (letter.stream, letter.offset, letter.service) == (OUTBOUND_MESSAGES, 0, "ingest")

    async def failures() -> list[str]:
        return [delivery.message_id for delivery in await ingest.deliveries()]

    assert await eventually(failures) == [requested.message_id]
