"""Accounts and providers' requests as the adapters' tests use them, written after the providers' documentation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from services.ingest.channels.port import AccountContext, InboundRequest
from services.ingest.channels.twilio_signature import sign_request

NOW_MS = 1_763_800_000_000
PUBLIC_URL = "https://desk.shop.example/v1/webhooks"

POSTMARK = AccountContext(
    name="support-mail",
    channel="email",
    provider="postmark",
    pool="care",
    address="support@shop.example",
    from_name="Shop",
    language="it",
    webhook_url=f"{PUBLIC_URL}/support-mail",
    secret="hook:s3cret",
)
MAILGUN = AccountContext(
    name="sales-mail",
    channel="email",
    provider="mailgun",
    pool="care",
    address="Sales <sales@shop.example>",
    webhook_url=f"{PUBLIC_URL}/sales-mail",
    secret="key-3ax6xnjp29jd6fds4gc373sgvjxteol0",
)
SMS = AccountContext(
    name="sms-main",
    channel="sms",
    provider="twilio",
    pool="care",
    address="+390212345678",
    language="it",
    account_sid="AC" + "0" * 32,
    api_url="https://api.twilio.com",
    webhook_url=f"{PUBLIC_URL}/sms-main",
    secret="12345",
    token="12345",
)
WHATSAPP = AccountContext(
    name="wa-main",
    channel="whatsapp",
    provider="twilio",
    pool="care",
    address="whatsapp:+390212345678",
    account_sid="AC" + "0" * 32,
    api_url="https://api.twilio.com",
    webhook_url=f"{PUBLIC_URL}/wa-main",
    secret="12345",
    token="12345",
)
TELEGRAM = AccountContext(
    name="bot",
    channel="telegram",
    provider="telegram",
    pool="care",
    language="it",
    api_url="https://api.telegram.org",
    webhook_url=f"{PUBLIC_URL}/bot",
    secret="hook-token_1",
    token="110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
)
MESSAGE_SID = "SM" + "a" * 32


def json_request(account: AccountContext, fields: Any, **headers: str) -> InboundRequest:
    """A JSON webhook without its authentication."""
    return InboundRequest(
        method="POST",
        url=account.webhook_url,
        headers={"content-type": "application/json", **headers},
        body=json.dumps(fields).encode(),
    )


def postmark_request(fields: Any, account: AccountContext = POSTMARK) -> InboundRequest:
    """A Postmark webhook with the credentials of its URL."""
    credentials = base64.b64encode((account.secret or "").encode()).decode()
    return json_request(account, fields, authorization=f"Basic {credentials}")


def postmark_mail(**changes: Any) -> dict[str, Any]:
    """An inbound mail as Postmark posts it."""
    fields: dict[str, Any] = {
        "FromName": "Luca Verdi",
        "MessageStream": "inbound",
        "From": "Luca.Verdi@Example.com",
        "FromFull": {"Email": "Luca.Verdi@Example.com", "Name": "Luca Verdi", "MailboxHash": ""},
        "To": '"Shop" <support@shop.example>',
        "ToFull": [{"Email": "support@shop.example", "Name": "Shop", "MailboxHash": ""}],
        "Cc": "",
        "CcFull": [],
        "Bcc": "",
        "BccFull": [],
        "OriginalRecipient": "support@shop.example",
        "Subject": "Il mio ordine 4711",
        "MessageID": "22c74902-a0c1-4511-804f-341342852c90",
        "ReplyTo": "",
        "MailboxHash": "",
        "Date": "Sat, 22 Nov 2025 09:10:11 +0100",
        "TextBody": "Dov'è il pacco?\n\n> Il 20 novembre ha scritto:\n> Spedito.",
        "HtmlBody": "<p>Dov'è il pacco?</p>",
        "StrippedTextReply": "Dov'è il pacco?",
        "Tag": "",
        "Headers": [
            {"Name": "Received", "Value": "by m.example.com with SMTP id 1"},
            {"Name": "Message-ID", "Value": "<CA+first@mail.example.com>"},
            {"Name": "In-Reply-To", "Value": "<msg_aaaaaaaaaaaaaaaaaaaaaaaa@shop.example>"},
            {"Name": "References", "Value": "<root@shop.example>\r\n <msg_aaaaaaaaaaaaaaaaaaaaaaaa@shop.example>"},
        ],
        "Attachments": [
            {
                "Name": "scontrino.png",
                "Content": base64.b64encode(b"\x89PNG...").decode(),
                "ContentType": "image/png",
                "ContentLength": 7,
                "ContentID": "part1@example.com",
            }
        ],
    }
    return {**fields, **changes}


def postmark_headers(*added: tuple[str, str]) -> list[dict[str, str]]:
    """The usual headers of a mail with these."""
    return [
        {"Name": "Message-ID", "Value": "<CA+first@mail.example.com>"},
        *({"Name": name, "Value": value} for name, value in added),
    ]


def mailgun_form(**changes: str) -> dict[str, str]:
    """The fields of an inbound mail as a Mailgun route forwards it, without the signature."""
    fields = {
        "recipient": "sales@shop.example",
        "sender": "luca.verdi@example.com",
        "from": "Luca Verdi <Luca.Verdi@Example.com>",
        "subject": "Il mio ordine 4711",
        "body-plain": "Dov'è il pacco?\r\n\r\n> Spedito.",
        "body-html": "<p>Dov'è il pacco?</p>",
        "stripped-text": "Dov'è il pacco?",
        "stripped-html": "<p>Dov'è il pacco?</p>",
        "stripped-signature": "",
        "message-headers": json.dumps(
            [
                ["Message-Id", "<CA+first@mail.example.com>"],
                ["Date", "Sat, 22 Nov 2025 09:10:11 +0100"],
                ["To", "Shop <sales@shop.example>, other@elsewhere.example"],
            ]
        ),
        "attachment-count": "0",
    }
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    return fields


def mailgun_signature(token: str, timestamp: int, key: str | None = MAILGUN.secret) -> dict[str, str]:
    """Timestamp, token and signature as Mailgun makes them."""
    signed = f"{timestamp}{token}".encode()
    signature = hmac.new((key or "").encode(), signed, hashlib.sha256).hexdigest()
    return {"timestamp": str(timestamp), "token": token, "signature": signature}


def mailgun_request(
    fields: dict[str, str], *, token: str = "a" * 50, timestamp: int = NOW_MS // 1000, account: AccountContext = MAILGUN
) -> InboundRequest:
    """A signed urlencoded Mailgun webhook."""
    signed = {**fields, **mailgun_signature(token, timestamp)}
    return InboundRequest(
        method="POST",
        url=account.webhook_url,
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(signed).encode(),
    )


def multipart_request(
    fields: dict[str, str | bytes],
    files: list[tuple[str, str, str, bytes]],
    boundary: str = "xYzZY",
    account: AccountContext = MAILGUN,
) -> InboundRequest:
    """A multipart form; each file is (field, file name, content type, bytes)."""
    lines: list[bytes] = []
    for name, value in fields.items():
        content = value if isinstance(value, bytes) else value.encode()
        lines += [f"--{boundary}".encode(), f'Content-Disposition: form-data; name="{name}"'.encode(), b"", content]
    for name, file_name, content_type, data in files:
        disposition = f'Content-Disposition: form-data; name="{name}"; filename="{file_name}"'
        lines += [f"--{boundary}".encode(), disposition.encode(), f"Content-Type: {content_type}".encode(), b"", data]
    lines += [f"--{boundary}--".encode(), b""]
    return InboundRequest(
        method="POST",
        url=account.webhook_url,
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        body=b"\r\n".join(lines),
    )


def sms_form(**changes: str) -> dict[str, str]:
    """An incoming text message as Twilio posts it."""
    fields = {
        "ToCountry": "IT",
        "ToState": "",
        "SmsMessageSid": MESSAGE_SID,
        "NumMedia": "0",
        "ToCity": "",
        "FromZip": "",
        "SmsSid": MESSAGE_SID,
        "FromState": "",
        "SmsStatus": "received",
        "FromCity": "",
        "Body": "Dov'è il pacco?",
        "FromCountry": "IT",
        "To": "+390212345678",
        "ToZip": "",
        "NumSegments": "1",
        "MessageSid": MESSAGE_SID,
        "AccountSid": "AC" + "0" * 32,
        "From": "+393331234567",
        "ApiVersion": "2010-04-01",
    }
    return {**fields, **changes}


def whatsapp_form(**changes: str) -> dict[str, str]:
    """An incoming WhatsApp message as Twilio posts it."""
    fields = {
        "SmsMessageSid": MESSAGE_SID,
        "NumMedia": "0",
        "ProfileName": "Luca",
        "MessageType": "text",
        "SmsSid": MESSAGE_SID,
        "WaId": "393331234567",
        "SmsStatus": "received",
        "Body": "Dov'è il pacco?",
        "To": "whatsapp:+390212345678",
        "NumSegments": "1",
        "MessageSid": MESSAGE_SID,
        "AccountSid": "AC" + "0" * 32,
        "From": "whatsapp:+393331234567",
        "ApiVersion": "2010-04-01",
    }
    return {**fields, **changes}


def twilio_request(fields: dict[str, str], account: AccountContext = SMS, url: str | None = None) -> InboundRequest:
    """A signed Twilio webhook."""
    called = url or account.webhook_url
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    return InboundRequest(
        method="POST",
        url=called,
        query=tuple(parse_qsl(urlsplit(called).query, keep_blank_values=True)),
        headers={
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "x-twilio-signature": sign_request(account.secret or "", called, pairs).decode(),
        },
        body=urlencode(fields).encode(),
    )


def telegram_update(**message: Any) -> dict[str, Any]:
    """An update with a message as Telegram posts it."""
    fields: dict[str, Any] = {
        "message_id": 1365,
        "from": {
            "id": 4711,
            "is_bot": False,
            "first_name": "Luca",
            "last_name": "Verdi",
            "username": "lucav",
            "language_code": "it",
        },
        "chat": {"id": 4711, "first_name": "Luca", "last_name": "Verdi", "username": "lucav", "type": "private"},
        "date": 1_763_799_000,
    }
    return {"update_id": 10000, "message": {**fields, **message}}


def telegram_request(update: Any, account: AccountContext = TELEGRAM) -> InboundRequest:
    """A Telegram webhook with its secret token."""
    return json_request(account, update, **{"x-telegram-bot-api-secret-token": account.secret or ""})
