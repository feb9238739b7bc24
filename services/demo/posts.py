"""A customer's request as each provider posts it: real payloads, really signed. Pure: ids and the time are handed in.

`unique` (32 hexadecimal digits) is what the provider's ids are made of, so that the same post twice is the same message twice.
Called by `customers`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final
from urllib.parse import urlencode

from services.demo.script import Person, Request
from services.demo.signatures import basic_credentials, mailgun_signature, twilio_signature

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What the demo's providers sign with, and the token of its integration."""

    postmark_webhook: str = field(repr=False)
    mailgun_signing_key: str = field(repr=False)
    twilio_auth_token: str = field(repr=False)
    twilio_account_sid: str
    telegram_webhook_secret: str = field(repr=False)
    telegram_bot_token: str = field(repr=False)
    integration_token: str = field(repr=False)

    def environment(self) -> dict[str, str]:
        """The variables that demo.yaml names."""
        return {
            "DEMO_POSTMARK_WEBHOOK": self.postmark_webhook,
            "DEMO_MAILGUN_SIGNING_KEY": self.mailgun_signing_key,
            "DEMO_TWILIO_AUTH_TOKEN": self.twilio_auth_token,
            "DEMO_TWILIO_ACCOUNT_SID": self.twilio_account_sid,
            "DEMO_TELEGRAM_WEBHOOK_SECRET": self.telegram_webhook_secret,
            "DEMO_TELEGRAM_BOT_TOKEN": self.telegram_bot_token,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """An HTTP POST to ingest: the path, and what goes with it."""

    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a post's content depends on besides the request. `public_url` is ingest's; Twilio signs over it."""

    secrets: Secrets
    public_url: str
    addresses: Mapping[str, str]
    unique: str
    now_ms: int

    @property
    def now_s(self) -> int:
        """The time in seconds."""
        return self.now_ms // 1000

    @property
    def number(self) -> int:
        """A number of 31 bits for providers whose ids are numbers."""
        return int(self.unique[:8], 16) & 0x7FFF_FFFF


def make_post(request: Request, around: Surroundings) -> Post:
    """The post that brings this request in."""
    return _MAKERS[request.account](request, around)


def _postmark(request: Request, around: Surroundings) -> Post:
    person, address = request.person, around.addresses[request.account]
    document = {
        "FromName": person.name,
        "From": person.email,
        "FromFull": {"Email": person.email, "Name": person.name, "MailboxHash": ""},
        "To": address,
        "ToFull": [{"Email": address, "Name": "", "MailboxHash": ""}],
        "CcFull": [],
        "BccFull": [],
        "OriginalRecipient": address,
        "ReplyTo": "",
        "Subject": request.subject,
        "MessageID": _uuid(around.unique),
        "Date": _mail_date(around.now_s),
        "MessageStream": "inbound",
        "TextBody": _signed_off(request.text, person),
        "HtmlBody": "",
        "StrippedTextReply": "",
        "Tag": "",
        "Headers": [{"Name": name, "Value": value} for name, value in _mail_headers(person, around)],
        "Attachments": [],
    }
    headers = {"content-type": _JSON, "authorization": basic_credentials(around.secrets.postmark_webhook)}
    return Post(path=_hook(request), headers=headers, body=json.dumps(document, ensure_ascii=False).encode())


def _mailgun(request: Request, around: Surroundings) -> Post:
    person, address = request.person, around.addresses[request.account]
    timestamp, token = str(around.now_s), (around.unique * 2)[:50]
    headers = [
        ("From", f"{person.name} <{person.email}>"),
        ("To", address),
        ("Subject", request.subject),
        ("Date", _mail_date(around.now_s)),
        *_mail_headers(person, around),
    ]
    text = _signed_off(request.text, person)
    fields = [
        ("recipient", address),
        ("sender", person.email),
        ("from", f"{person.name} <{person.email}>"),
        ("subject", request.subject),
        ("body-plain", text),
        ("stripped-text", request.text),
        ("stripped-signature", person.name),
        ("Message-Id", _mail_id(around.unique)),
        ("message-headers", json.dumps(headers, ensure_ascii=False)),
        ("timestamp", timestamp),
        ("token", token),
        ("signature", mailgun_signature(around.secrets.mailgun_signing_key, timestamp, token)),
    ]
    return Post(path=_hook(request), headers={"content-type": _FORM}, body=urlencode(fields).encode())


def _twilio(request: Request, around: Surroundings) -> Post:
    person, address = request.person, around.addresses[request.account]
    fields = [
        ("ToCountry", "IT"),
        ("MessageSid", f"SM{around.unique}"),
        ("SmsSid", f"SM{around.unique}"),
        ("SmsMessageSid", f"SM{around.unique}"),
        ("AccountSid", around.secrets.twilio_account_sid),
        ("SmsStatus", "received"),
        ("NumSegments", "1"),
        ("NumMedia", "0"),
        ("Body", request.text),
        ("ApiVersion", "2010-04-01"),
    ]
    if request.account == "whatsapp-main":
        fields += [("From", f"whatsapp:{person.phone}"), ("To", f"whatsapp:{address}")]
        fields += [("ProfileName", person.name), ("WaId", person.phone.removeprefix("+"))]
    else:
        fields += [("From", person.phone), ("To", address), ("FromCountry", "IT")]
    return twilio_post(_hook(request), fields, around.secrets.twilio_auth_token, around.public_url)


def twilio_post(path: str, fields: list[tuple[str, str]], auth_token: str, public_url: str) -> Post:
    """A form that Twilio posts, with its signature over the public URL."""
    signature = twilio_signature(auth_token, f"{public_url}{path}", fields)
    headers = {"content-type": _FORM, "x-twilio-signature": signature, "i-twilio-idempotency-token": signature}
    return Post(path=path, headers=headers, body=urlencode(fields).encode())


def _telegram(request: Request, around: Surroundings) -> Post:
    person = request.person
    first_name, _, last_name = person.name.partition(" ")
    who = {"id": person.telegram_id, "first_name": first_name, "last_name": last_name}
    document = {
        "update_id": around.number,
        "message": {
            "message_id": around.number % 1_000_000,
            "from": {**who, "is_bot": False, "language_code": person.language},
            "chat": {**who, "type": "private"},
            "date": around.now_s,
            "text": request.text,
        },
    }
    headers = {
        "content-type": _JSON,
        "x-telegram-bot-api-secret-token": around.secrets.telegram_webhook_secret,
    }
    return Post(path=_hook(request), headers=headers, body=json.dumps(document, ensure_ascii=False).encode())


def _form(request: Request, around: Surroundings) -> Post:
    person = request.person
    fields = [
        ("name", person.name),
        ("email", person.email),
        ("phone", person.phone),
        ("subject", request.subject),
        ("message", request.text),
        ("language", person.language),
        ("submission_id", around.unique),
    ]
    if person.vip:
        fields.append(("vip", "true"))
    return Post(path=f"/v1/forms/{request.account}", headers={"content-type": _FORM}, body=urlencode(fields).encode())


def _api(request: Request, around: Surroundings) -> Post:
    person = request.person
    document = {
        "account": request.account,
        "external_id": f"shop-{around.unique}",
        "customer": {"handle": f"mailto:{person.email}", "name": person.name},
        "subject": request.subject,
        "text": request.text,
        "occurred_at": datetime.fromtimestamp(around.now_s, UTC).isoformat().replace("+00:00", "Z"),
        "language": person.language,
        "attributes": {"vip": "true"} if person.vip else {},
    }
    headers = {
        "content-type": _JSON,
        "authorization": f"Bearer {around.secrets.integration_token}",
        "idempotency-key": around.unique,
    }
    return Post(path="/v1/contacts", headers=headers, body=json.dumps(document, ensure_ascii=False).encode())


_MAKERS: Final[Mapping[str, Callable[[Request, Surroundings], Post]]] = {
    "support-mail": _postmark,
    "shop-mail": _mailgun,
    "sms-main": _twilio,
    "whatsapp-main": _twilio,
    "telegram-bot": _telegram,
    "contact-form": _form,
    "api": _api,
}


def _hook(request: Request) -> str:
    return f"/v1/webhooks/{request.account}"


def _mail_headers(person: Person, around: Surroundings) -> list[tuple[str, str]]:
    return [("Message-ID", _mail_id(around.unique)), ("Content-Language", person.language), ("MIME-Version", "1.0")]


def _mail_id(unique: str) -> str:
    return f"<{unique}@mail.example.com>"


def _mail_date(now_s: int) -> str:
    return format_datetime(datetime.fromtimestamp(now_s, UTC))


def _signed_off(text: str, person: Person) -> str:
    return f"{text}\n\n{person.name}\n"


def _uuid(unique: str) -> str:
    return f"{unique[:8]}-{unique[8:12]}-{unique[12:16]}-{unique[16:20]}-{unique[20:]}"
