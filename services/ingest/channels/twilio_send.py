"""Replies by Twilio's Messages API.

Guarantee: at least once. Twilio has no idempotency key for messages, so that an attempt whose answer was lost may have gone out and
goes out again; a refusal or a busy answer is certain not to have. https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from libs.common.events.outbound import ReplyRequested
from services.ingest.channels.handles import handle_address
from services.ingest.channels.payload import text_of
from services.ingest.channels.port import (
    AccountContext,
    Means,
    ProviderUnavailableError,
    SendOutcome,
    SendRefusedError,
)
from services.ingest.channels.provider_calls import call_provider
from services.ingest.channels.text import clean_line, split_text

BODY_UNITS_MAX: Final = 1_600
# What an agent can understand and act upon. https://www.twilio.com/docs/api/errors
_EXPLANATIONS: Final = {
    "21211": "The number is not a valid one.",
    "21408": "The account may not send to this country.",
    "21610": "The customer has opted out of messages (STOP).",
    "21614": "The number cannot receive text messages.",
    "30003": "The customer's phone cannot be reached.",
    "30004": "The message was blocked.",
    "30005": "The number does not exist.",
    "30006": "The number is a landline or cannot be reached.",
    "30007": "The mobile operator filtered the message.",
    "30008": "The mobile operator did not deliver the message.",
    "63003": "The customer is not on WhatsApp.",
    "63016": "More than 24 hours have passed since the customer's last message; WhatsApp takes only templates now.",
    "63024": "The customer cannot receive this message on WhatsApp.",
}


def explain_error(code: str | None, message: str | None, otherwise: str) -> str:
    """Why it failed, in plain words; Twilio's own where the code is none of the common ones."""
    known = _EXPLANATIONS.get(code or "")
    if known is not None:
        return known
    words = clean_line(message or "", 300) or f"Twilio says: {clean_line(otherwise, 60)}"
    return f"{words} ({clean_line(code, 20)})" if code else words


async def send_reply(reply: ReplyRequested, account: AccountContext, means: Means) -> SendOutcome:
    """Send the text, in parts of 1600 characters where it is longer. Raises SendRefusedError, ProviderUnavailableError."""
    if not account.account_sid or not account.token or not account.address:
        raise SendRefusedError("The account is not set up for sending.", permanent=False)
    if reply.attachments:
        raise SendRefusedError("Files cannot be sent on this channel.", permanent=True)
    recipient = _recipient(reply.handle, account)
    parts = split_text(reply.text, BODY_UNITS_MAX)
    if not parts:
        raise SendRefusedError("The message is empty.", permanent=True)
    url = f"{account.api_url}/2010-04-01/Accounts/{account.account_sid}/Messages.json"
    sent = list(means.already_sent)
    for number in range(len(sent), len(parts)):
        data = {"To": recipient, "Body": parts[number], **_sender(account)}
        if account.webhook_url:
            data["StatusCallback"] = _callback_url(reply, account, number + 1, len(parts))
        try:
            answer = await call_provider(means.client, url, data=data, auth=(account.account_sid, account.token))
        except ProviderUnavailableError as error:
            raise ProviderUnavailableError(str(error), retry_after_ms=error.retry_after_ms, sent=tuple(sent)) from error
        sid = text_of(answer.fields, "sid")
        if not 200 <= answer.status < 300 or sid is None:
            reason = explain_error(
                text_of(answer.fields, "code"), text_of(answer.fields, "message"), f"status {answer.status}"
            )
            # A wrong token or a suspended account is not the reply's fault and can be put right.
            permanent = 400 <= answer.status < 500 and answer.status not in (401, 403)
            raise SendRefusedError(reason, permanent=permanent, sent=tuple(sent))
        sent.append(clean_line(sid, 100))
    return SendOutcome(provider_ids=tuple(sent))


def _recipient(handle: str, account: AccountContext) -> str:
    number = handle_address(handle, "tel")
    if account.channel == "whatsapp":
        user = number or handle_address(handle, "whatsapp")
        if user is not None:
            return f"whatsapp:{user}"
    elif number is not None:
        return number
    else:
        code = handle_address(handle, "sms")
        if code is not None and code.isascii() and code.isdigit():
            return code
    raise SendRefusedError("The customer has no number that can be answered here.", permanent=True)


def _sender(account: AccountContext) -> dict[str, str]:
    address = (account.address or "").replace(" ", "")
    if address.startswith("MG"):
        return {"MessagingServiceSid": address}
    if account.channel == "whatsapp" and not address.startswith("whatsapp:"):
        return {"From": f"whatsapp:{address}"}
    return {"From": address}


def _callback_url(reply: ReplyRequested, account: AccountContext, part: int, parts: int) -> str:
    ids = {"message": reply.message_id, "contact": reply.contact_id, "thread": reply.thread_id}
    return f"{account.webhook_url}?{urlencode({**ids, 'part': f'{part}.{parts}'})}"
