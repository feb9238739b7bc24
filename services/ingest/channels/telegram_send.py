"""Replies by Telegram's Bot API: the text in parts of 4096, then each file as a document.

Guarantee: at least once. The Bot API has no idempotency key, so that an attempt whose answer was lost may have gone out and goes out
again; a refusal or a 429 is certain not to have. https://core.telegram.org/bots/api#making-requests
"""

from __future__ import annotations

from typing import Final

from libs.common.events.outbound import ReplyRequested
from services.ingest.channels.email_reply import ReplyFile, read_files
from services.ingest.channels.handles import handle_address
from services.ingest.channels.payload import integer_of, object_of, text_of
from services.ingest.channels.port import (
    AccountContext,
    Means,
    ProviderUnavailableError,
    SendOutcome,
    SendRefusedError,
)
from services.ingest.channels.provider_calls import ProviderReply, call_provider
from services.ingest.channels.text import clean_line, split_text

TEXT_UNITS_MAX: Final = 4_096
FILE_BYTES_MAX: Final = 50_000_000


async def send_reply(reply: ReplyRequested, account: AccountContext, means: Means) -> SendOutcome:
    """Send the text and the files. Raises SendRefusedError, ProviderUnavailableError, or an OutageError of the attachments' store."""
    chat_id = handle_address(reply.handle, "telegram")
    if not account.token or account.token == account.secret:
        # The webhook's secret is no bot token; without one of its own the account can only listen.
        raise SendRefusedError("The account is not set up for sending: token_env names no bot token.", permanent=False)
    if chat_id is None or not chat_id.lstrip("-").isdigit():
        raise SendRefusedError("The customer has no Telegram address.", permanent=True)
    parts: list[str | ReplyFile] = [*split_text(reply.text, TEXT_UNITS_MAX), *await read_files(reply, means)]
    if not parts:
        raise SendRefusedError("The message is empty.", permanent=True)
    sent = list(means.already_sent)
    for part in parts[len(sent) :]:
        try:
            answer = await _send_part(part, chat_id, account, means)
        except ProviderUnavailableError as error:
            raise ProviderUnavailableError(str(error), retry_after_ms=error.retry_after_ms, sent=tuple(sent)) from error
        except SendRefusedError as error:
            raise SendRefusedError(error.reason, permanent=error.permanent, sent=tuple(sent)) from error
        number = integer_of(object_of(answer.fields, "result") or {}, "message_id")
        sent.append(f"{chat_id}:{'' if number is None else number}")
    return SendOutcome(provider_ids=tuple(sent))


async def _send_part(part: str | ReplyFile, chat_id: str, account: AccountContext, means: Means) -> ProviderReply:
    base = f"{account.api_url}/bot{account.token}"
    if isinstance(part, str):
        answer = await call_provider(means.client, f"{base}/sendMessage", json={"chat_id": int(chat_id), "text": part})
    else:
        attachment, content = part
        if len(content) > FILE_BYTES_MAX:
            raise SendRefusedError(f"The file {attachment.name} is larger than Telegram's 50 MB.", permanent=True)
        file = (clean_line(attachment.name, 200) or "file", content, attachment.content_type)
        answer = await call_provider(
            means.client, f"{base}/sendDocument", data={"chat_id": chat_id}, files={"document": file}
        )
    if answer.status == 200 and answer.fields.get("ok") is True:
        return answer
    description = clean_line(text_of(answer.fields, "description") or f"Telegram answered {answer.status}.", 300)
    if answer.status in (401, 404):
        raise SendRefusedError(f"The bot's token is not valid: {description}", permanent=False)
    if answer.status == 403:
        raise SendRefusedError(f"The customer has blocked the bot or left: {description}", permanent=True)
    raise SendRefusedError(description, permanent=400 <= answer.status < 500)
