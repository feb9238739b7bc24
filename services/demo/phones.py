"""Stands in for the send APIs of Twilio and Telegram and shows what customers' phones received.

Answers as the providers do, so that the real adapters talk to it; where Twilio is given a status callback, the delivery is reported,
signed. Kept in memory, the newest only. The routes hang under `/twilio` and `/telegram` of the demo's page.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from libs.common.clock import Clock
from services.demo.customers import Target
from services.demo.posts import twilio_post

TEXTS_MAX: Final = 500
BODY_BYTES_MAX: Final = 1024 * 1024
REPORT_AFTER_MS: Final = 700


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedText:
    """A message on a customer's phone."""

    number: int
    received_ms: int
    network: str
    recipient: str
    text: str


class Phones:
    """Every phone of every customer."""

    def __init__(self, target: Target, clock: Clock, client: httpx.AsyncClient) -> None:
        self._target = target
        self._clock = clock
        self._client = client
        self._texts: deque[ReceivedText] = deque(maxlen=TEXTS_MAX)
        self._count = 0
        self._reports: set[asyncio.Task[None]] = set()

    def texts(self) -> Iterator[ReceivedText]:
        """What is kept, the newest first."""
        return reversed(self._texts)

    def router(self) -> APIRouter:
        """The providers' routes."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/twilio/2010-04-01/Accounts/{sid}/Messages.json", self.send_twilio, methods=["POST"])
        router.add_api_route("/telegram/bot{token}/{method}", self.send_telegram, methods=["POST"])
        return router

    async def send_twilio(self, sid: str, request: Request) -> Response:
        """Twilio's `Messages` resource: https://www.twilio.com/docs/messaging/api/message-resource."""
        secrets = self._target.secrets
        if not _same(_basic(request), f"{secrets.twilio_account_sid}:{secrets.twilio_auth_token}"):
            return JSONResponse({"code": 20003, "message": "Authenticate", "status": 401}, 401)
        fields = dict(parse_qsl((await _body(request)).decode("utf-8", "replace"), keep_blank_values=True))
        if not fields.get("To") or not (fields.get("Body") or fields.get("MediaUrl")):
            return JSONResponse({"code": 21604, "message": "A 'To' and a 'Body' are required", "status": 400}, 400)
        network = "WhatsApp" if fields["To"].startswith("whatsapp:") else "SMS"
        self._keep(network, fields["To"].removeprefix("whatsapp:"), fields.get("Body", ""))
        message_sid = f"SM{uuid.uuid4().hex}"
        if callback := fields.get("StatusCallback"):
            report = asyncio.create_task(self._report(callback, message_sid, fields), name="report a delivery")
            self._reports.add(report)
            report.add_done_callback(self._reports.discard)
        answer = {
            "sid": message_sid,
            "account_sid": sid,
            "status": "queued",
            "to": fields["To"],
            "from": fields.get("From"),
        }
        return JSONResponse({**answer, "body": fields.get("Body"), "error_code": None, "error_message": None}, 201)

    async def send_telegram(self, token: str, method: str, request: Request) -> Response:
        """The Bot API's `sendMessage`: https://core.telegram.org/bots/api#sendmessage."""
        if not _same(token, self._target.secrets.telegram_bot_token):
            return JSONResponse({"ok": False, "error_code": 401, "description": "Unauthorized"}, 401)
        fields = await _fields(request)
        text = fields.get("text") or fields.get("caption") or ""
        if not fields.get("chat_id") or (method == "sendMessage" and not text):
            error = {"ok": False, "error_code": 400, "description": "Bad Request: chat_id or text is empty"}
            return JSONResponse(error, 400)
        kept = self._keep("Telegram", str(fields["chat_id"]), str(text))
        chat = {"id": fields["chat_id"], "type": "private"}
        result = {"message_id": kept.number, "date": kept.received_ms // 1000, "chat": chat, "text": text}
        return JSONResponse({"ok": True, "result": result})

    async def close(self) -> None:
        """Leave reports that are under way."""
        for report in self._reports:
            report.cancel()
        await asyncio.gather(*self._reports, return_exceptions=True)

    def _keep(self, network: str, recipient: str, text: str) -> ReceivedText:
        self._count += 1
        kept = ReceivedText(
            number=self._count,
            received_ms=self._clock.now_ms(),
            network=network,
            recipient=recipient,
            text=text,
        )
        self._texts.append(kept)
        return kept

    async def _report(self, callback: str, message_sid: str, sent: dict[str, str]) -> None:
        """Tell ingest that the phone has it, as Twilio does. Only ingest's own address is ever called."""
        if not callback.startswith(f"{self._target.public_url}/"):
            return
        parts = urlsplit(callback)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        await self._clock.sleep_ms(REPORT_AFTER_MS)
        fields = [
            ("MessageSid", message_sid),
            ("SmsSid", message_sid),
            ("MessageStatus", "delivered"),
            ("SmsStatus", "delivered"),
            ("AccountSid", self._target.secrets.twilio_account_sid),
            ("From", sent.get("From", "")),
            ("To", sent["To"]),
            ("ApiVersion", "2010-04-01"),
        ]
        post = twilio_post(path, fields, self._target.secrets.twilio_auth_token, self._target.public_url)
        try:
            await self._client.post(f"{self._target.url}{post.path}", headers=dict(post.headers), content=post.body)
        except httpx.TransportError:
            return  # Twilio reports a status once, whatever becomes of it.


async def _body(request: Request) -> bytes:
    body = await request.body()
    return body if len(body) <= BODY_BYTES_MAX else b""


async def _fields(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            document = await request.json()
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}
    return dict(parse_qsl((await _body(request)).decode("utf-8", "replace")))


def _basic(request: Request) -> str:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        return base64.b64decode(given, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
