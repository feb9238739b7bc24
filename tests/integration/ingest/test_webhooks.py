"""What a provider meets: real payloads, really signed, over HTTP, and what then stands on the log."""

import json
from urllib.parse import urlencode

import pytest
from openapi_spec_validator import validate

from libs.common.clock import VirtualClock
from libs.common.events.outbound import AddressBounced, TextsStopped
from libs.common.log.streams import DEAD_LETTERS, ROUTING_INPUTS
from services.demo.signatures import basic_credentials, mailgun_signature, twilio_signature
from tests.integration.ingest.conftest import ENVIRONMENT, PUBLIC_URL, Ingest
from tests.support.waiting import eventually

SENT = "Sun, 22 Nov 2026 09:30:00 +0100"
FORM = {"content-type": "application/x-www-form-urlencoded"}
SMS = [
    ("MessageSid", "SM" + "1" * 32),
    ("AccountSid", ENVIRONMENT["SID"]),
    ("From", "+393331234567"),
    ("To", "+390212345678"),
    ("Body", "Dov'è il mio ordine? è tardi"),
    ("NumMedia", "0"),
]


def postmark_mail(**changes) -> dict:
    mail = {
        "FromFull": {"Email": "luca@example.com", "Name": "Luca Bianchi", "MailboxHash": ""},
        "ToFull": [{"Email": "support@shop.example", "Name": "", "MailboxHash": ""}],
        "Subject": "Il mio ordine 4711",
        "MessageID": "73e6d360-66eb-11e1-8e72-a8904824019b",
        "Date": SENT,
        "TextBody": "Dov'è?",
        "Headers": [{"Name": "Message-ID", "Value": "<a1@example.com>"}],
        "Attachments": [],
    }
    return {**mail, **changes}


async def post_postmark(ingest: Ingest, body: bytes | dict, password: str = ENVIRONMENT["POSTMARK"]):
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    headers = {"content-type": "application/json", "authorization": basic_credentials(password)}
    return await ingest.client.post("/v1/webhooks/support-mail", content=content, headers=headers)


async def post_sms(ingest: Ingest, fields: list[tuple[str, str]] | None = None, signed: list | None = None):
    fields = SMS if fields is None else fields
    url = f"{PUBLIC_URL}/v1/webhooks/sms-main"
    signature = twilio_signature(ENVIRONMENT["TWILIO"], url, signed or fields)
    headers = {**FORM, "x-twilio-signature": signature}
    return await ingest.client.post("/v1/webhooks/sms-main", content=urlencode(fields), headers=headers)


def mailgun_mail(timestamp_s: int, token: str, text: str = "Ciao") -> list[tuple[str, str]]:
    return [
        ("recipient", "orders@shop.example"),
        ("sender", "luca@example.com"),
        ("from", "Luca <luca@example.com>"),
        ("subject", "ordine"),
        ("body-plain", text),
        ("stripped-text", text),
        ("message-headers", json.dumps([["Message-Id", "<m1@example.com>"], ["Date", SENT]])),
        ("timestamp", str(timestamp_s)),
        ("token", token),
        ("signature", mailgun_signature(ENVIRONMENT["MAILGUN"], str(timestamp_s), token)),
    ]


async def post_mailgun(ingest: Ingest, fields: list[tuple[str, str]]):
    return await ingest.client.post("/v1/webhooks/orders-mail", content=urlencode(fields), headers=FORM)


async def test_a_mail_becomes_a_contact_on_the_log_before_the_answer(ingest: Ingest) -> None:
    answer = await post_postmark(ingest, postmark_mail())
    assert answer.status_code == 200
    (received,) = await ingest.received()
    assert received.pool == "care"
    assert received.queue == "orders"
    assert received.skills == {"lang.it": 3}
    assert received.message.handle == "mailto:luca@example.com"
    assert received.message.email_message_id == "<a1@example.com>"
    (record,) = await ingest.read(ROUTING_INPUTS)
    assert record.key == "care"
    assert record.header("correlationid") == answer.headers["x-correlation-id"]


async def test_a_text_message_is_answered_with_twiml(ingest: Ingest) -> None:
    answer = await post_sms(ingest)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/xml")
    (received,) = await ingest.received()
    assert received.message.handle == "tel:+393331234567"
    assert received.message.text == "Dov'è il mio ordine? è tardi"


async def test_the_correlation_id_of_the_request_goes_on(ingest: Ingest) -> None:
    headers = {"x-telegram-bot-api-secret-token": ENVIRONMENT["TELEGRAM"], "x-correlation-id": "trace-1"}
    update = {
        "update_id": 1,
        "message": {
            "message_id": 5,
            "from": {"id": 99, "is_bot": False, "first_name": "Luca", "language_code": "it"},
            "chat": {"id": 99, "type": "private"},
            "date": 1_795_300_000,
            "text": "Ciao",
        },
    }
    answer = await ingest.client.post("/v1/webhooks/telegram-bot", json=update, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["x-correlation-id"] == "trace-1"
    (record,) = await ingest.read(ROUTING_INPUTS)
    assert record.header("correlationid") == "trace-1"


async def test_the_same_message_again_carries_the_same_ids(ingest: Ingest) -> None:
    await post_sms(ingest)
    await post_sms(ingest)
    first, second = await ingest.received()
    assert first.message.id == second.message.id
    assert first.contact_id == second.contact_id


async def test_the_same_mail_in_two_mailboxes_is_one_message(ingest: Ingest) -> None:
    headers = [{"Name": "Message-ID", "Value": "<m1@example.com>"}, {"Name": "Date", "Value": SENT}]
    await post_postmark(ingest, postmark_mail(Headers=headers))
    await post_mailgun(ingest, mailgun_mail(ingest.service._clock.now_ms() // 1000, "t" * 50))
    first, second = await ingest.received()
    assert first.message.id == second.message.id


async def test_a_bad_signature_is_403_and_writes_nothing(ingest: Ingest) -> None:
    assert (await post_postmark(ingest, postmark_mail(), password="hook:wrong")).status_code == 403
    answer = await post_sms(ingest, signed=[*SMS, ("Extra", "1")])
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith("signature")
    assert await ingest.received() == []


async def test_an_unknown_account_is_404(ingest: Ingest) -> None:
    for name in ("nobody", "api", "contact-form"):
        answer = await ingest.client.post(f"/v1/webhooks/{name}", content=b"{}")
        assert (answer.status_code, answer.json()["title"]) == (404, "Unknown account")


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff\xfe", b"", b'{"FromFull": {"Email": "\xff"}}', b"[" * 100_000])
async def test_malformed_json_is_400_with_its_place(ingest: Ingest, body: bytes) -> None:
    answer = await post_postmark(ingest, body)
    assert answer.status_code == 400
    assert answer.json()["errors"]
    assert await ingest.received() == []


async def test_a_body_over_the_limit_is_413_and_not_read(ingest: Ingest) -> None:
    headers = {"x-telegram-bot-api-secret-token": ENVIRONMENT["TELEGRAM"]}
    answer = await ingest.client.post("/v1/webhooks/telegram-bot", content=b"x" * 20_001, headers=headers)
    assert answer.status_code == 413

    async def pieces():
        for _ in range(100):
            yield b"x" * 1000

    answer = await ingest.client.post("/v1/webhooks/telegram-bot", content=pieces(), headers=headers)
    assert answer.status_code == 413


async def test_nul_bytes_are_taken_out(ingest: Ingest) -> None:
    answer = await post_postmark(ingest, postmark_mail(Subject="ord\0ine", TextBody="a\0b"))
    assert answer.status_code == 200
    (received,) = await ingest.received()
    assert received.message.subject is not None
    assert "\0" not in received.message.subject + received.message.text


async def test_a_message_without_text_is_a_message(ingest: Ingest) -> None:
    fields = [(name, "" if name == "Body" else value) for name, value in SMS if name != "NumMedia"]
    fields += [("NumMedia", "1"), ("MediaUrl0", "https://api.twilio.com/m/1"), ("MediaContentType0", "image/jpeg")]
    assert (await post_sms(ingest, fields)).status_code == 200
    (received,) = await ingest.received()
    assert received.message.text == ""
    assert received.message.attachments[0].remote == "https://api.twilio.com/m/1"


async def test_a_sender_without_an_address_is_refused_with_its_place_and_kept(ingest: Ingest) -> None:
    answer = await post_postmark(ingest, postmark_mail(FromFull={"Email": "", "Name": "Luca"}, From="Luca"))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["loc"]
    await post_postmark(ingest, postmark_mail(FromFull={"Email": "", "Name": "Luca"}, From="Luca"))
    letters = await ingest.dead_letters()
    assert len({letter.header("ce_id") for letter in letters}) == 1, "the provider's retry is the same letter"
    assert await ingest.received() == []


async def test_a_bad_attachment_does_not_cost_the_mail(ingest: Ingest) -> None:
    bad = {"Name": "x.png", "Content": "!!!", "ContentType": "image/png", "ContentLength": 3}
    good = {"Name": "y.txt", "Content": "Y2lhbw==", "ContentType": "text/plain", "ContentLength": 4}
    answer = await post_postmark(ingest, postmark_mail(Attachments=[bad, good]))
    assert answer.status_code == 200
    (received,) = await ingest.received()
    (attachment,) = [item for item in received.message.attachments if item.name == "y.txt"]
    blob = await ingest.service._blobs.get(attachment.id)
    assert blob is not None
    assert blob.content == b"ciao"


async def test_a_bounce_is_told_to_those_who_write(ingest: Ingest) -> None:
    bounce = {
        "RecordType": "Bounce",
        "Type": "HardBounce",
        "TypeCode": 1,
        "Email": "luca@example.com",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "BouncedAt": "2026-11-22T09:30:00Z",
        "Description": "The server was unable to deliver your message",
        "Inactive": True,
    }
    assert (await post_postmark(ingest, bounce)).status_code == 200
    (event,) = await ingest.deliveries()
    assert isinstance(event, AddressBounced)
    assert (event.handle, event.permanent) == ("mailto:luca@example.com", True)


async def test_a_stop_word_is_told_to_those_who_write_and_is_a_message_too(ingest: Ingest) -> None:
    stop = [(name, "Stop." if name == "Body" else value) for name, value in SMS]
    assert (await post_sms(ingest, stop)).status_code == 200
    assert (await post_sms(ingest, stop)).status_code == 200
    first, second = await ingest.deliveries()
    assert isinstance(first, TextsStopped)
    assert (first.handle, first.channel, first.message_id) == ("tel:+393331234567", "sms", second.message_id)
    # nothing automatic answers it
    received, _ = await ingest.received()
    assert (received.message.text, received.message.automatic) == ("Stop.", True)


class TestReplays:
    """Mailgun's signature does not cover the body."""

    async def test_a_token_again_with_another_body_is_refused(self, ingest: Ingest) -> None:
        now_s = ingest.service._clock.now_ms() // 1000
        assert (await post_mailgun(ingest, mailgun_mail(now_s, "a" * 50))).status_code == 200
        answer = await post_mailgun(ingest, mailgun_mail(now_s, "a" * 50, text="Send the money elsewhere"))
        assert answer.status_code in (403, 406)
        assert answer.json()["type"].endswith("replayed")
        assert len(await ingest.received()) == 1

    async def test_the_providers_own_retry_is_taken(self, ingest: Ingest) -> None:
        fields = mailgun_mail(ingest.service._clock.now_ms() // 1000, "b" * 50)
        assert (await post_mailgun(ingest, fields)).status_code == 200
        assert (await post_mailgun(ingest, fields)).status_code == 200

    async def test_a_restart_does_not_forget(self, make_ingest) -> None:
        first = await make_ingest()
        now_s = first.service._clock.now_ms() // 1000
        await post_mailgun(first, mailgun_mail(now_s, "c" * 50))
        second = await make_ingest()
        answer = await post_mailgun(second, mailgun_mail(now_s, "c" * 50, text="Other"))
        assert answer.status_code in (403, 406)

    async def test_an_old_timestamp_is_refused(self, ingest: Ingest) -> None:
        old_s = ingest.service._clock.now_ms() // 1000 - 3 * 86_400
        assert (await post_mailgun(ingest, mailgun_mail(old_s, "d" * 50))).status_code in (403, 406)


class TestOutages:
    """What is not on the log is not answered with 2xx."""

    @pytest.mark.parametrize("written", [False, True])
    async def test_a_failed_append_is_503_and_the_retry_brings_it_in_once(self, ingest: Ingest, written: bool) -> None:
        ingest.log.faults.fail_next_append(written=written, stream=ROUTING_INPUTS)
        answer = await post_sms(ingest)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0

        async def taken() -> bool:
            return (await post_sms(ingest)).status_code == 200

        await eventually(taken)
        assert len({received.message.id for received in await ingest.received()}) == 1

    async def test_readiness_follows_the_log_and_recovers_by_itself(self, ingest: Ingest) -> None:
        ingest.log.faults.take_away()
        assert (await post_sms(ingest)).status_code == 503

        async def ready(expected: int) -> bool:
            return (await ingest.client.get("/readyz")).status_code == expected

        await eventually(lambda: ready(503))
        ingest.log.faults.give_back()
        await eventually(lambda: ready(200))
        assert (await post_sms(ingest)).status_code == 200


async def test_metrics_count_messages_by_account_and_outcome_and_name_no_customer(ingest: Ingest) -> None:
    await post_sms(ingest)
    await post_sms(ingest, signed=[("a", "b")])
    text = (await ingest.client.get("/metrics")).text
    assert 'centralino_webhook_messages_total{account="sms-main",outcome="accepted"} 1.0' in text
    assert 'centralino_webhook_messages_total{account="sms-main",outcome="signature"} 1.0' in text
    assert "393331234567" not in text


async def test_the_openapi_document_is_valid(ingest: Ingest) -> None:
    document = (await ingest.client.get("/openapi.json")).json()
    validate(document)
    assert {"/v1/webhooks/{account}", "/v1/contacts", "/v1/forms/{account}"} <= set(document["paths"])


async def test_streams_that_the_router_does_not_trim_are_kept_for_their_retention_only(make_ingest) -> None:
    clock = VirtualClock()
    ingest = await make_ingest(clock)
    bad = postmark_mail(FromFull={"Email": "", "Name": "Luca"}, From="Luca")
    await post_postmark(ingest, bad)
    assert len(await ingest.dead_letters()) == 1

    async def gone() -> bool:
        clock.advance_ms(86_400_000)
        partitions = range(ingest.log.partitions(DEAD_LETTERS))
        begins = [await ingest.log.begin_offset(DEAD_LETTERS, partition) for partition in partitions]
        return sum(begins) == 1

    await eventually(gone)
    assert clock.now_ms() - VirtualClock().now_ms() >= 14 * 86_400_000
