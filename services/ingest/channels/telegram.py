"""Telegram's Bot API: updates as JSON to the webhook.

A new text of an old message (`edited_message`) is a message of its own, marked `edited`: an agent who has read the first text must see
that it changed. A moving live location is left out. In a group the group is the customer, because the answer goes to all of it; who
wrote stands in the attribute `author`. What bots write, channel posts, messages of connected business accounts (they can only be
answered through that connection), service messages and all other kinds of update are ignored.
https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import hmac
import re
from typing import Final

from libs.common import ids
from libs.common.events.message import Attachment, Message
from libs.common.events.outbound import ReplyRequested
from services.ingest.channels.handles import identifier_handle, phone_handle, unique_handles
from services.ingest.channels.payload import (
    JsonObject,
    integer_of,
    number_of,
    object_of,
    objects_of,
    parse_object,
    text_of,
)
from services.ingest.channels.port import (
    REFUSAL_STATUS,
    AccountContext,
    InboundRequest,
    ItemProblem,
    MalformedError,
    Means,
    Normalised,
    ProviderAnswer,
    RefusalKind,
    ReplayKey,
    SendOutcome,
    SignatureInvalidError,
)
from services.ingest.channels.telegram_send import send_reply
from services.ingest.channels.text import clean_line, clean_line_or_none, clean_text

REMOTE_PREFIX: Final = "telegram-file:"
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
# The kinds of file, with the type that stands in where the update gives none.
_FILES: Final = {
    "document": "application/octet-stream",
    "audio": "audio/mpeg",
    "voice": "audio/ogg",
    "video": "video/mp4",
    "video_note": "video/mp4",
    "animation": "video/mp4",
    "sticker": "image/webp",
}
_OTHER_CONTENT: Final = ("venue", "location", "contact", "poll", "dice", "game", "story")


class TelegramChannel:
    """The adapter of Telegram bots. See `telegram_send` for the guarantee of replies."""

    def verify(self, request: InboundRequest, account: AccountContext, now_ms: int) -> None:
        """Compare the secret token that was given to setWebhook."""
        given = request.headers.get("x-telegram-bot-api-secret-token", "").encode("utf-8", "surrogatepass")
        if not account.secret or not hmac.compare_digest(given, account.secret.encode()):
            raise SignatureInvalidError("X-Telegram-Bot-Api-Secret-Token is missing or wrong")

    def replay_key(self, request: InboundRequest) -> ReplayKey | None:
        """None: who knows the token can write any update; a replayed one is a duplicate."""
        return None

    def normalise(self, request: InboundRequest, account: AccountContext, now_ms: int) -> Normalised:
        """The message of an update, or nothing where it has none for us."""
        update = parse_object(request.body)
        if "update_id" not in update:
            raise MalformedError("update_id", "missing")
        for kind in ("message", "edited_message"):
            fields = object_of(update, kind)
            if fields is not None:
                return _normalise(kind, fields, account, now_ms, request.body)
        kinds = sorted(name for name in update if name != "update_id")
        return Normalised(ignored=(f"update:{clean_line(kinds[0], 40) if kinds else 'none'}",))

    def answer(self) -> ProviderAnswer:
        """200 without a method call."""
        return ProviderAnswer()

    def refusal_status(self, kind: RefusalKind) -> int:
        """As the contract says: Telegram tries everything but a 2xx again, a reasonable number of times."""
        return REFUSAL_STATUS[kind]

    async def send(self, reply: ReplyRequested, account: AccountContext, means: Means) -> SendOutcome:
        """Send the reply by the Bot API."""
        return await send_reply(reply, account, means)


def _normalise(kind: str, fields: JsonObject, account: AccountContext, now_ms: int, raw: bytes) -> Normalised:
    chat = object_of(fields, "chat") or {}
    chat_id, number = integer_of(chat, "id"), integer_of(fields, "message_id")
    if chat_id is None or number is None:
        place = f"{kind}.chat.id" if chat_id is None else f"{kind}.message_id"
        return Normalised(problems=(ItemProblem(place=place, detail="missing", raw=raw),))
    sender = object_of(fields, "from") or {}
    if sender.get("is_bot") is True or "sender_business_bot" in fields:
        return Normalised(ignored=("bot",))
    content = _content(fields)
    text = clean_text(text_of(fields, "text") or text_of(fields, "caption") or "")
    if not text and content is None:
        return Normalised(ignored=("service",))
    edited = kind == "edited_message"
    if edited and "location" in fields:
        return Normalised(ignored=("live-location",))
    return _message(fields, account, now_ms, chat_id=chat_id, number=number, text=text, content=content, edited=edited)


def _message(
    fields: JsonObject,
    account: AccountContext,
    now_ms: int,
    *,
    chat_id: int,
    number: int,
    text: str,
    content: str | None,
    edited: bool,
) -> Normalised:
    sender = object_of(fields, "from") or {}
    chat = object_of(fields, "chat") or {}
    private = text_of(chat, "type") in ("private", None)
    # Not the update's id: the same message comes in two updates when a webhook is set anew.
    original = f"{chat_id}:{number}"
    seconds = integer_of(fields, "edit_date") if edited else integer_of(fields, "date")
    provider_id = f"{original}:{seconds or 0}" if edited else original
    message_id = ids.message_id(account.name, provider_id)
    handle = f"telegram:{chat_id}"
    attributes = _attributes(fields)
    if edited:
        attributes |= {"edited": "yes", "edits": ids.message_id(account.name, original)}
    replied = integer_of(object_of(fields, "reply_to_message") or {}, "message_id")
    if replied is not None:
        attributes["replied_to"] = ids.message_id(account.name, f"{chat_id}:{replied}")
    if not private and _full_name(sender):
        attributes["author"] = _full_name(sender)
    if not text and content is not None:
        attributes["content"] = content
    attachments, problems = _attachments(fields, message_id)
    code = text_of(sender, "language_code") or ""
    message = Message(
        id=message_id,
        thread_id=ids.thread_id(account.name, handle),
        account=account.name,
        channel=account.channel,
        provider_id=provider_id,
        handle=handle,
        handles=_handles(fields, handle, sender, private=private),
        received_ms=now_ms,
        occurred_ms=seconds * 1000 if seconds is not None and 0 < seconds < 2**40 else None,
        name=_full_name(sender if private else chat) or None,
        text=text,
        language=code if private and _LANGUAGE.fullmatch(code) else account.language,
        attachments=attachments,
        attributes=attributes,
    )
    return Normalised(messages=(message,), problems=problems)


def _handles(fields: JsonObject, handle: str, sender: JsonObject, *, private: bool) -> tuple[str, ...]:
    if not private:
        # The members of a group are many; joined to its card, they would all become one customer.
        return (handle,)
    contact = object_of(fields, "contact") or {}
    user_id = integer_of(sender, "id")
    # A contact card can be anybody's. Only the sender's own says what the sender's number is.
    own_number = None
    if user_id is not None and integer_of(contact, "user_id") == user_id:
        number = text_of(contact, "phone_number") or ""
        own_number = phone_handle(number if number.startswith("+") else f"+{number}")
    return unique_handles(handle, identifier_handle("telegram", user_id), own_number)


def _full_name(person: JsonObject) -> str:
    parts = [text_of(person, name) for name in ("first_name", "last_name")]
    name = " ".join(part for part in parts if part) or text_of(person, "title") or text_of(person, "username") or ""
    return clean_line(name, 200)


def _content(fields: JsonObject) -> str | None:
    """What the message holds beside text; None where it is nothing that a customer sends."""
    if "photo" in fields:
        return "image"
    for name in _FILES:
        if object_of(fields, name) is not None:
            return {"voice": "audio", "video_note": "video"}.get(name, name)
    for name in _OTHER_CONTENT:
        if object_of(fields, name) is not None:
            return "location" if name == "venue" else name
    return None


def _attributes(fields: JsonObject) -> dict[str, str]:
    venue = object_of(fields, "venue") or {}
    location = object_of(fields, "location") or object_of(venue, "location") or {}
    latitude, longitude = number_of(location, "latitude"), number_of(location, "longitude")
    contact = object_of(fields, "contact") or {}
    place = ", ".join(text for name in ("title", "address") if (text := text_of(venue, name)))
    named = {
        "latitude": None if latitude is None else str(latitude),
        "longitude": None if longitude is None else str(longitude),
        "place": place,
        "sticker": text_of(object_of(fields, "sticker") or {}, "emoji"),
        "contact_phone": text_of(contact, "phone_number"),
        "contact_name": _full_name(contact),
        "poll": text_of(object_of(fields, "poll") or {}, "question"),
        "album": text_of(fields, "media_group_id"),
    }
    return {name: cleaned for name, value in named.items() if (cleaned := clean_line_or_none(value)) is not None}


def _attachments(fields: JsonObject, message_id: str) -> tuple[tuple[Attachment, ...], tuple[ItemProblem, ...]]:
    files: list[tuple[str, JsonObject, str]] = []
    sizes = [size for _, size in objects_of(fields, "photo")]
    if sizes:
        # The same photo in several sizes; the largest is the photo.
        largest = max(sizes, key=lambda size: (integer_of(size, "width") or 0) * (integer_of(size, "height") or 0))
        files.append(("photo", largest, "image/jpeg"))
    for name, content_type in _FILES.items():
        found = object_of(fields, name)
        # An animation comes as a document too, for programs that know no animations.
        if found is not None and not (name == "document" and "animation" in fields):
            files.append((name, found, content_type))
    attachments, problems = [], []
    for name, file, content_type in files:
        file_id = clean_line(text_of(file, "file_id") or "", 500)
        if not file_id:
            problems.append(ItemProblem(place=f"{name}.file_id", detail="missing"))
            continue
        # The file's id changes from update to update; its unique id does not.
        key = text_of(file, "file_unique_id") or file_id
        attachments.append(
            Attachment(
                id=ids.attachment_id(message_id, key),
                name=clean_line(text_of(file, "file_name") or name, 255),
                content_type=clean_line(text_of(file, "mime_type") or content_type, 200).lower(),
                size_bytes=integer_of(file, "file_size"),
                remote=f"{REMOTE_PREFIX}{file_id}",
            )
        )
    return tuple(attachments), tuple(problems)
