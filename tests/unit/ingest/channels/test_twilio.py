"""Twilio's signatures, messages and status callbacks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from libs.common import ids
from libs.common.events.outbound import MessageDelivered, MessageFailed, MessageRead, MessageSent
from services.ingest.channels.port import InboundRequest, MalformedError, RefusalKind, SignatureInvalidError
from services.ingest.channels.twilio import TwilioChannel
from services.ingest.channels.twilio_signature import sign_request
from tests.unit.ingest.channels.samples import (
    MESSAGE_SID,
    NOW_MS,
    SMS,
    WHATSAPP,
    sms_form,
    twilio_request,
    whatsapp_form,
)

channel = TwilioChannel()

VECTOR_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
VECTOR_BODY = b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&From=%2B14158675309&Digits=1234&To=%2B18005551212"


def vector_request(url: str, body: bytes, signature: str, content_type: str = "") -> InboundRequest:
    headers = {"x-twilio-signature": signature}
    if content_type:
        headers["content-type"] = content_type
    return InboundRequest(
        method="POST", url=url, query=tuple(parse_qsl(url.partition("?")[2])), headers=headers, body=body
    )


@pytest.mark.parametrize(
    ("url", "body", "signature"),
    [
        (VECTOR_URL, VECTOR_BODY, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (VECTOR_URL, b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234", "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        (
            VECTOR_URL.replace("https://mycompany.com", "http://mycompany.com:1234"),
            VECTOR_BODY,
            "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
        ),
        (VECTOR_URL.replace(".com/", ".com:443/"), VECTOR_BODY, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (VECTOR_URL.replace("https", "http").replace(".com/", ".com:80/"), VECTOR_BODY, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        # Signed with the default port, called without it, and the other way round.
        (VECTOR_URL, VECTOR_BODY, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (VECTOR_URL.replace("https", "http"), VECTOR_BODY, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        (VECTOR_URL.replace(".com/", ".com:443/"), VECTOR_BODY, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ],
)
def test_published_signatures_are_accepted(url: str, body: bytes, signature: str) -> None:
    channel.verify(vector_request(url, body, signature), SMS, NOW_MS)


def test_a_json_body_is_covered_by_its_digest_in_the_query() -> None:
    body = b'{"property": "value", "boolean": true}'
    url = f"{VECTOR_URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    signature = "a9nBmqA0ju/hNViExpshrM61xv4="
    channel.verify(vector_request(url, body, signature, "application/json"), SMS, NOW_MS)
    with pytest.raises(SignatureInvalidError):
        channel.verify(vector_request(url, body + b" ", signature, "application/json"), SMS, NOW_MS)


@pytest.mark.parametrize(
    "request_",
    [
        vector_request(VECTOR_URL, VECTOR_BODY.replace(b"1234&To", b"1235&To"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        vector_request(VECTOR_URL + "&more=1", VECTOR_BODY, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        vector_request(VECTOR_URL, VECTOR_BODY, ""),
        vector_request(VECTOR_URL, VECTOR_BODY, "é\udc80"),
        vector_request(VECTOR_URL, b"{}", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "application/json"),
        vector_request("https://[bad/path", VECTOR_BODY, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ],
)
def test_a_wrong_signature_is_refused(request_: InboundRequest) -> None:
    with pytest.raises(SignatureInvalidError):
        channel.verify(request_, SMS, NOW_MS)


def test_an_account_without_a_token_has_no_valid_request() -> None:
    unset = replace(SMS, secret=None)
    signed_with_nothing = twilio_request(sms_form(), replace(SMS, secret=""))
    with pytest.raises(SignatureInvalidError):
        channel.verify(signed_with_nothing, unset, NOW_MS)


def test_a_get_is_signed_by_its_url_alone() -> None:
    url = f"{SMS.webhook_url}?MessageSid={MESSAGE_SID}&From=%2B393331234567&Body=ciao"
    headers = {"x-twilio-signature": sign_request("12345", url, []).decode()}
    request = InboundRequest(method="GET", url=url, query=tuple(parse_qsl(urlsplit(url).query)), headers=headers)
    channel.verify(request, SMS, NOW_MS)
    assert channel.normalise(request, SMS, NOW_MS).messages[0].text == "ciao"


def test_a_text_message_becomes_a_message() -> None:
    request = twilio_request(sms_form())
    channel.verify(request, SMS, NOW_MS)
    (message,) = channel.normalise(request, SMS, NOW_MS).messages
    assert message.id == ids.message_id("sms-main", MESSAGE_SID)
    assert message.provider_id == MESSAGE_SID
    assert message.handle == "tel:+393331234567"
    assert message.handles == ("tel:+393331234567",)
    assert message.thread_id == ids.thread_id("sms-main", "tel:+393331234567")
    assert (message.channel, message.account) == ("sms", "sms-main")
    assert message.text == "Dov'è il pacco?"
    assert message.language == "it"
    assert (message.received_ms, message.occurred_ms) == (NOW_MS, None)
    assert message.attributes == {"to": "+390212345678"}


def test_the_same_message_twice_has_the_same_id() -> None:
    first = channel.normalise(twilio_request(sms_form()), SMS, NOW_MS).messages[0]
    again = channel.normalise(twilio_request(sms_form(ApiVersion="2026")), SMS, NOW_MS + 86_400_000).messages[0]
    assert first.id == again.id


def test_whatsapp_and_sms_of_one_number_have_one_handle() -> None:
    (message,) = channel.normalise(twilio_request(whatsapp_form(), WHATSAPP), WHATSAPP, NOW_MS).messages
    assert message.handle == "tel:+393331234567"
    assert message.channel == "whatsapp"
    assert message.name == "Luca"


def test_a_whatsapp_user_without_a_number_has_a_user_id() -> None:
    form = whatsapp_form(From="whatsapp:IT.2081978709342942", WaId="")
    (message,) = channel.normalise(twilio_request(form, WHATSAPP), WHATSAPP, NOW_MS).messages
    assert message.handle == "whatsapp:IT.2081978709342942"


def test_number_and_user_id_together_are_two_handles() -> None:
    form = whatsapp_form(ExternalUserId="IT.2081978709342942")
    (message,) = channel.normalise(twilio_request(form, WHATSAPP), WHATSAPP, NOW_MS).messages
    assert message.handles == ("tel:+393331234567", "whatsapp:IT.2081978709342942")


def test_media_are_left_to_be_fetched() -> None:
    url = "https://api.twilio.com/2010-04-01/Accounts/AC0/Messages/MM0/Media/ME0"
    form = sms_form(
        Body="", NumMedia="2", MediaUrl0=url, MediaContentType0="image/jpeg", MediaUrl1="file:///etc/passwd"
    )
    normalised = channel.normalise(twilio_request(form), SMS, NOW_MS)
    (message,) = normalised.messages
    (attachment,) = message.attachments
    assert (attachment.remote, attachment.content_type) == (url, "image/jpeg")
    assert message.text == ""
    assert message.attributes["content"] == "image"
    assert [problem.place for problem in normalised.problems] == ["MediaUrl1"]


def test_a_location_is_kept_as_attributes() -> None:
    form = whatsapp_form(
        Body="", MessageType="location", Latitude="45.4642", Longitude="9.19", Label="Duomo", Address="Piazza"
    )
    (message,) = channel.normalise(twilio_request(form, WHATSAPP), WHATSAPP, NOW_MS).messages
    assert message.attributes["content"] == "location"
    assert (message.attributes["latitude"], message.attributes["longitude"]) == ("45.4642", "9.19")
    assert message.attributes["place"] == "Duomo, Piazza"


def test_a_missing_body_and_nul_bytes_do_no_harm() -> None:
    form = sms_form()
    del form["Body"]
    assert channel.normalise(twilio_request(form), SMS, NOW_MS).messages[0].attributes["content"] == "empty"
    (message,) = channel.normalise(twilio_request(sms_form(Body="a\x00b")), SMS, NOW_MS).messages
    assert message.text == "ab"


def test_an_answer_names_the_message_that_it_answers() -> None:
    form = whatsapp_form(OriginalRepliedMessageSid="SM" + "b" * 32)
    (message,) = channel.normalise(twilio_request(form, WHATSAPP), WHATSAPP, NOW_MS).messages
    assert message.attributes["replied_to"] == ids.message_id("wa-main", "SM" + "b" * 32)


@pytest.mark.parametrize(("account", "sender"), [(SMS, "+390212345678"), (WHATSAPP, "whatsapp:+390212345678")])
def test_a_message_of_our_own_number_is_a_loop(account: object, sender: str) -> None:
    normalised = channel.normalise(twilio_request(sms_form(From=sender)), account, NOW_MS)  # type: ignore[arg-type] # parametrize
    assert not normalised.messages
    assert "loop" in normalised.problems[0].detail
    assert normalised.ignored == ("loop",)


def test_a_message_without_a_sender_is_a_problem_with_its_place() -> None:
    request = twilio_request(sms_form(From=""))
    normalised = channel.normalise(request, SMS, NOW_MS)
    assert not normalised.messages
    assert normalised.problems[0].place == "From"
    assert normalised.problems[0].raw == request.body


@pytest.mark.parametrize("body", [b"", b"Body=hello", b"\xff\xfe\x00"])
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    request = InboundRequest(method="POST", url=SMS.webhook_url, body=body)
    with pytest.raises(MalformedError) as caught:
        channel.normalise(request, SMS, NOW_MS)
    assert caught.value.place == "MessageSid"


CALLBACK = f"{SMS.webhook_url}?message=msg_1&contact=con_1&thread=thr_1&part=2.2"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            "sent",
            MessageSent(
                message_id="msg_1", at_ms=NOW_MS, contact_id="con_1", thread_id="thr_1", provider_id=MESSAGE_SID
            ),
        ),
        ("delivered", MessageDelivered(message_id="msg_1", at_ms=NOW_MS, provider_id=MESSAGE_SID, account="sms-main")),
        ("read", MessageRead(message_id="msg_1", at_ms=NOW_MS, provider_id=MESSAGE_SID, account="sms-main")),
        (
            "undelivered",
            MessageFailed(
                message_id="msg_1",
                at_ms=NOW_MS,
                reason="The customer's phone cannot be reached.",
                contact_id="con_1",
                thread_id="thr_1",
                provider_id=MESSAGE_SID,
                account="sms-main",
            ),
        ),
    ],
)
def test_a_status_becomes_a_delivery(status: str, expected: object) -> None:
    form = {"MessageSid": MESSAGE_SID, "MessageStatus": status, "To": "+393331234567", "From": "+390212345678"}
    if status == "undelivered":
        form["ErrorCode"] = "30003"
    request = twilio_request(form, url=CALLBACK)
    channel.verify(request, SMS, NOW_MS)
    normalised = channel.normalise(request, SMS, NOW_MS)
    assert normalised.deliveries == (expected,)
    assert not normalised.messages


def test_of_a_reply_in_parts_the_last_delivery_counts_but_any_failure() -> None:
    first = CALLBACK.replace("2.2", "1.2")
    delivered = twilio_request({"MessageSid": "SM1", "MessageStatus": "delivered"}, url=first)
    failed = twilio_request({"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "99999"}, url=first)
    assert channel.normalise(delivered, SMS, NOW_MS).ignored == ("status:delivered",)
    (failure,) = channel.normalise(failed, SMS, NOW_MS).deliveries
    assert isinstance(failure, MessageFailed)
    assert "99999" in failure.reason


@pytest.mark.parametrize("status", ["queued", "sending", "accepted", "anything"])
def test_other_statuses_are_ignored(status: str) -> None:
    request = twilio_request({"MessageSid": "SM1", "MessageStatus": status}, url=CALLBACK)
    assert channel.normalise(request, SMS, NOW_MS).ignored == (f"status:{status}",)


def test_the_answer_is_empty_twiml() -> None:
    answer = channel.answer()
    assert (answer.status, answer.body.endswith(b"<Response/>")) == (200, True)
    assert answer.content_type.startswith("text/xml")
    assert channel.refusal_status(RefusalKind.SIGNATURE) == 403
    assert channel.refusal_status(RefusalKind.MALFORMED) == 400


def test_a_json_digest_does_not_open_the_way_for_a_form() -> None:
    # A body that is no form cannot be read as a message, however well it is signed.
    body = json.dumps({"MessageSid": "SM1"}).encode()
    url = f"{SMS.webhook_url}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    request = vector_request(url, body, sign_request("12345", url, []).decode(), "application/json")
    channel.verify(request, SMS, NOW_MS)
    with pytest.raises(MalformedError):
        channel.normalise(request, SMS, NOW_MS)
