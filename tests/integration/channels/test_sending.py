"""Replies by Twilio's and Telegram's APIs and by mail: what goes over the wire, and what every answer means."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from libs.common.blobs import FolderBlobs
from libs.common.events.message import Attachment
from libs.common.events.outbound import MessageDelivered, ReplyRequested
from libs.common.http.server import bind_listener
from libs.common.smtp import SmtpRefusedError, SmtpUnavailableError
from services.ingest.channels.port import (
    AccountContext,
    InboundRequest,
    Means,
    ProviderUnavailableError,
    SendRefusedError,
)
from services.ingest.channels.registry import find_sender
from services.ingest.channels.twilio import TwilioChannel
from services.ingest.channels.twilio_signature import sign_request
from tests.integration.channels.provider_server import serve_provider
from tests.unit.ingest.channels.samples import NOW_MS, POSTMARK, SMS, TELEGRAM, WHATSAPP


def a_reply(**changes: Any) -> ReplyRequested:
    fields: dict[str, Any] = {
        "message_id": "msg_" + "a" * 24,
        "contact_id": "con_1",
        "thread_id": "thr_1",
        "pool": "care",
        "account": "sms-main",
        "channel": "sms",
        "handle": "tel:+393331234567",
        "agent_id": "anna",
        "requested_ms": NOW_MS,
        "text": "È spedito.",
    }
    return ReplyRequested(**{**fields, **changes})


def created(sid: str) -> Response:
    return JSONResponse({"sid": sid, "status": "queued", "error_code": None}, status_code=201)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened


async def send(account: AccountContext, reply: ReplyRequested, means: Means) -> Any:
    sender = find_sender(account, reply.handle)
    assert sender is not None
    return await sender.send(reply, account, means)


async def test_a_text_message_goes_out_with_a_callback_that_finds_its_way_back(client: httpx.AsyncClient) -> None:
    async with serve_provider(created("SM1")) as provider:
        account = replace(SMS, api_url=provider.url, token="api-token")
        outcome = await send(account, a_reply(), Means(client=client))
    assert outcome.provider_ids == ("SM1",)
    assert outcome.provider_id == "SM1"
    (call,) = provider.calls
    assert (call.method, call.path) == ("POST", f"/2010-04-01/Accounts/{SMS.account_sid}/Messages.json")
    user_and_password = base64.b64decode(call.headers["authorization"].removeprefix("Basic ")).decode()
    assert user_and_password == f"{SMS.account_sid}:api-token"
    assert (call.form["To"], call.form["From"], call.form["Body"]) == ("+393331234567", "+390212345678", "È spedito.")

    # When Twilio calls back, the delivery names our message.
    url = call.form["StatusCallback"]
    status = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    pairs = [(name.encode(), value.encode()) for name, value in status.items()]
    callback = InboundRequest(
        method="POST",
        url=url,
        query=tuple(parse_qsl(urlsplit(url).query)),
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": sign_request("12345", url, pairs).decode(),
        },
        body=b"MessageSid=SM1&MessageStatus=delivered",
    )
    TwilioChannel().verify(callback, SMS, NOW_MS)
    assert TwilioChannel().normalise(callback, SMS, NOW_MS).deliveries == (
        MessageDelivered(message_id="msg_" + "a" * 24, at_ms=NOW_MS, provider_id="SM1", account="sms-main"),
    )


@pytest.mark.parametrize(
    ("account", "handle", "to", "sender"),
    [
        (WHATSAPP, "tel:+393331234567", "whatsapp:+393331234567", {"From": "whatsapp:+390212345678"}),
        (
            replace(WHATSAPP, address="+390212345678"),
            "whatsapp:IT.2",
            "whatsapp:IT.2",
            {"From": "whatsapp:+390212345678"},
        ),
        (replace(SMS, address="MG" + "1" * 32), "tel:+39333", "+39333", {"MessagingServiceSid": "MG" + "1" * 32}),
        (SMS, "sms:45678", "45678", {"From": "+390212345678"}),
    ],
)
async def test_senders_and_recipients_as_twilio_writes_them(
    client: httpx.AsyncClient, account: AccountContext, handle: str, to: str, sender: dict[str, str]
) -> None:
    async with serve_provider(created("SM1")) as provider:
        await send(replace(account, api_url=provider.url), a_reply(handle=handle), Means(client=client))
    form = provider.calls[0].form
    assert form["To"] == to
    assert {name: form[name] for name in sender} == sender


async def test_a_long_text_goes_in_parts_and_only_the_missing_ones_again(client: httpx.AsyncClient) -> None:
    reply = a_reply(text=" ".join(["parola"] * 500))
    busy = JSONResponse({"code": 20429, "message": "Too Many Requests"}, status_code=429, headers={"Retry-After": "7"})
    async with serve_provider(created("SM1"), busy, created("SM2"), created("SM3")) as provider:
        account = replace(SMS, api_url=provider.url)
        with pytest.raises(ProviderUnavailableError) as caught:
            await send(account, reply, Means(client=client))
        assert caught.value.sent == ("SM1",)
        assert caught.value.retry_after_ms == 7000
        outcome = await send(account, reply, Means(client=client, already_sent=caught.value.sent))
    assert outcome.provider_ids == ("SM1", "SM2", "SM3")
    assert outcome.provider_id == "SM3"
    bodies = [call.form["Body"] for call in provider.calls]
    assert all(len(body) <= 1600 for body in bodies)
    # The refused part came again; the first one did not.
    assert bodies[1] == bodies[2]
    assert " ".join([bodies[0], *bodies[2:]]) == reply.text
    assert [call.form["StatusCallback"][-8:] for call in provider.calls] == [
        "part=1.3",
        "part=2.3",
        "part=2.3",
        "part=3.3",
    ]


@pytest.mark.parametrize(
    ("status", "body", "reason", "permanent"),
    [
        (400, {"code": 21610, "message": "Attempt to send to unsubscribed recipient"}, "opted out", True),
        (400, {"code": 21999, "message": "Something new"}, "Something new (21999)", True),
        (401, {"code": 20003, "message": "Authenticate"}, "Authenticate (20003)", False),
        (404, None, "status 404", True),
        (302, None, "status 302", False),
        (201, None, "status 201", False),
    ],
)
async def test_what_twilio_refuses(
    client: httpx.AsyncClient, status: int, body: Any, reason: str, permanent: bool
) -> None:
    answer = Response("<html>", status_code=status) if body is None else JSONResponse(body, status_code=status)
    async with serve_provider(answer) as provider:
        with pytest.raises(SendRefusedError) as caught:
            await send(replace(SMS, api_url=provider.url), a_reply(), Means(client=client))
    assert reason in caught.value.reason
    assert caught.value.permanent is permanent


@pytest.mark.parametrize("account", [SMS, TELEGRAM], ids=lambda account: str(account.name))
async def test_a_provider_that_fails_or_is_not_there_is_an_outage(
    client: httpx.AsyncClient, account: AccountContext
) -> None:
    reply = a_reply(handle="telegram:4711" if account is TELEGRAM else "tel:+39333")
    async with serve_provider(Response("oops", status_code=503)) as provider:
        with pytest.raises(ProviderUnavailableError) as failing:
            await send(replace(account, api_url=provider.url), reply, Means(client=client))
    assert failing.value.retry_after_ms is None
    # A port that was free a moment ago, where nobody listens.
    listener = bind_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(ProviderUnavailableError) as missing:
        await send(replace(account, api_url=f"http://127.0.0.1:{port}"), reply, Means(client=client))
    assert (account.token or "") not in str(missing.value) + str(failing.value)


@pytest.mark.parametrize(
    ("account", "changes", "permanent"),
    [
        (SMS, {"handle": "mailto:luca@example.com"}, True),
        (SMS, {"handle": "sms:infosms"}, True),
        (SMS, {"text": "  "}, True),
        (SMS, {"attachments": (Attachment(id="att_1", name="a", content_type="image/png"),)}, True),
        (replace(SMS, account_sid=None), {}, False),
        (replace(SMS, token=None), {}, False),
        (TELEGRAM, {"handle": "tel:+39333"}, True),
        (TELEGRAM, {"handle": "telegram:4711", "text": ""}, True),
        (replace(TELEGRAM, token=TELEGRAM.secret), {"handle": "telegram:4711"}, False),
        (
            TELEGRAM,
            {"handle": "telegram:4711", "attachments": (Attachment(id="att_1", name="a", content_type="image/png"),)},
            False,
        ),
        (POSTMARK, {"handle": "tel:+39333"}, True),
        (POSTMARK, {"handle": "mailto:not an address"}, True),
        (replace(POSTMARK, address=None), {"handle": "mailto:luca@example.com"}, True),
    ],
)
async def test_what_cannot_be_sent_is_refused_before_any_call(
    client: httpx.AsyncClient, account: AccountContext, changes: dict[str, Any], permanent: bool
) -> None:
    async with serve_provider(created("SM1")) as provider:
        means = Means(client=client, mail=MailServer())
        with pytest.raises(SendRefusedError) as caught:
            await send(replace(account, api_url=provider.url), a_reply(**changes), means)
    assert caught.value.permanent is permanent
    assert provider.calls == []


def telegram_sent(number: int) -> Response:
    return JSONResponse({"ok": True, "result": {"message_id": number, "chat": {"id": 4711}}})


async def test_a_telegram_reply_with_a_file(client: httpx.AsyncClient, tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    await blobs.put("att_1234", b"%PDF", "application/pdf")
    files = (Attachment(id="att_1234", name="così.pdf", content_type="application/pdf"),)
    reply = a_reply(handle="telegram:-4711", attachments=files)
    async with serve_provider(telegram_sent(1), telegram_sent(2)) as provider:
        outcome = await send(replace(TELEGRAM, api_url=provider.url), reply, Means(client=client, blobs=blobs))
    assert outcome.provider_ids == ("-4711:1", "-4711:2")
    text, document = provider.calls
    assert text.path == f"/bot{TELEGRAM.token}/sendMessage"
    assert json.loads(text.body) == {"chat_id": -4711, "text": "È spedito."}
    assert document.path == f"/bot{TELEGRAM.token}/sendDocument"
    assert b"%PDF" in document.body
    assert b"-4711" in document.body


async def test_a_long_telegram_text_goes_in_parts_of_what_telegram_counts(client: httpx.AsyncClient) -> None:
    reply = a_reply(handle="telegram:4711", text="😀" * 3000)
    async with serve_provider(telegram_sent(1), telegram_sent(2)) as provider:
        await send(replace(TELEGRAM, api_url=provider.url), reply, Means(client=client))
    texts = [json.loads(call.body)["text"] for call in provider.calls]
    assert [len(text) for text in texts] == [2048, 952]


@pytest.mark.parametrize(
    ("status", "description", "permanent"),
    [
        (403, "Forbidden: bot was blocked by the user", True),
        (400, "Bad Request: chat not found", True),
        (401, "Unauthorized", False),
    ],
)
async def test_what_telegram_refuses(client: httpx.AsyncClient, status: int, description: str, permanent: bool) -> None:
    answer = JSONResponse({"ok": False, "error_code": status, "description": description}, status_code=status)
    async with serve_provider(answer) as provider:
        with pytest.raises(SendRefusedError) as caught:
            await send(replace(TELEGRAM, api_url=provider.url), a_reply(handle="telegram:4711"), Means(client=client))
    assert description in caught.value.reason
    assert caught.value.permanent is permanent
    assert (TELEGRAM.token or "") not in str(caught.value)


async def test_telegrams_wait_is_in_its_answer(client: httpx.AsyncClient) -> None:
    body = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 31}}
    async with serve_provider(JSONResponse(body, status_code=429)) as provider:
        with pytest.raises(ProviderUnavailableError) as caught:
            await send(replace(TELEGRAM, api_url=provider.url), a_reply(handle="telegram:4711"), Means(client=client))
    assert caught.value.retry_after_ms == 31_000


@dataclass
class MailServer:
    """A mail server that takes everything, or fails as it is told."""

    failure: Exception | None = None
    taken: list[tuple[bytes, str, tuple[str, ...]]] = field(default_factory=list)

    async def send(self, message: bytes, sender: str, recipients: Sequence[str]) -> object:
        if self.failure is not None:
            raise self.failure
        self.taken.append((message, sender, tuple(recipients)))
        return None


async def test_a_mail_goes_out_with_its_files(client: httpx.AsyncClient, tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    await blobs.put("att_1234", b"%PDF", "application/pdf")
    files = (Attachment(id="att_1234", name="f.pdf", content_type="application/pdf"),)
    server = MailServer()
    reply = a_reply(handle="mailto:luca@example.com", attachments=files)
    outcome = await send(POSTMARK, reply, Means(client=client, mail=server, blobs=blobs))
    assert outcome.provider_id == f"<msg_{'a' * 24}@shop.example>"
    ((message, sender, recipients),) = server.taken
    assert (sender, recipients) == ("support@shop.example", ("luca@example.com",))
    attached = message_from_bytes(message, policy=default).iter_attachments()
    assert [one.get_content() for one in attached] == [b"%PDF"]


async def test_a_mail_servers_no_and_its_silence(client: httpx.AsyncClient) -> None:
    reply = a_reply(handle="mailto:luca@example.com")
    for permanent in (True, False):
        server = MailServer(SmtpRefusedError("recipient", 550, "no such user", permanent=permanent))
        with pytest.raises(SendRefusedError) as caught:
            await send(POSTMARK, reply, Means(client=client, mail=server))
        assert (caught.value.permanent, "no such user" in caught.value.reason) == (permanent, True)
    with pytest.raises(SmtpUnavailableError):
        await send(POSTMARK, reply, Means(client=client, mail=MailServer(SmtpUnavailableError("down"))))
    with pytest.raises(ProviderUnavailableError):
        await send(POSTMARK, reply, Means(client=client))
