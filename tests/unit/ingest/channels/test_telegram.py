"""Telegram's updates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from libs.common import ids
from services.ingest.channels.port import InboundRequest, MalformedError, RefusalKind, SignatureInvalidError
from services.ingest.channels.telegram import TelegramChannel
from tests.unit.ingest.channels.samples import NOW_MS, TELEGRAM, telegram_request, telegram_update

channel = TelegramChannel()


def normalise(update: Any) -> Any:
    return channel.normalise(telegram_request(update), TELEGRAM, NOW_MS)


def test_only_the_secret_token_opens() -> None:
    channel.verify(telegram_request({}), TELEGRAM, NOW_MS)
    for wrong in ("", "hook-token_2", "hook-token_1 ", "\udc80"):
        request = InboundRequest(method="POST", url="", headers={"x-telegram-bot-api-secret-token": wrong})
        with pytest.raises(SignatureInvalidError):
            channel.verify(request, TELEGRAM, NOW_MS)
        with pytest.raises(SignatureInvalidError):
            channel.verify(request, replace(TELEGRAM, secret=None), NOW_MS)


def test_a_text_becomes_a_message_at_the_time_it_was_written() -> None:
    (message,) = normalise(telegram_update(text="Dov'è il pacco?")).messages
    assert message.id == ids.message_id("bot", "4711:1365")
    assert message.handle == "telegram:4711"
    assert message.handles == ("telegram:4711",)
    assert message.name == "Luca Verdi"
    assert message.text == "Dov'è il pacco?"
    assert message.language == "it"
    assert message.occurred_ms == 1_763_799_000_000
    assert message.received_ms == NOW_MS
    assert message.attributes == {}


def test_the_same_message_in_another_update_is_the_same() -> None:
    first = normalise(telegram_update(text="ciao")).messages[0]
    again = normalise({**telegram_update(text="ciao"), "update_id": 10001}).messages[0]
    assert first.id == again.id


def test_an_edited_text_is_a_message_that_names_the_first() -> None:
    update = telegram_update(text="Dov'è il MIO pacco?", edit_date=1_763_799_060)
    update["edited_message"] = update.pop("message")
    (message,) = normalise(update).messages
    original = ids.message_id("bot", "4711:1365")
    assert message.id != original
    assert message.attributes == {"edited": "yes", "edits": original}
    assert message.occurred_ms == 1_763_799_060_000


def test_a_photo_is_its_largest_size_with_the_caption_as_text() -> None:
    sizes = [
        {"file_id": "small", "file_unique_id": "u1", "width": 90, "height": 60, "file_size": 1000},
        {"file_id": "large", "file_unique_id": "u2", "width": 900, "height": 600, "file_size": 90000},
    ]
    (message,) = normalise(telegram_update(photo=sizes, caption="rotto", media_group_id="9")).messages
    (attachment,) = message.attachments
    assert (attachment.remote, attachment.content_type, attachment.size_bytes) == (
        "telegram-file:large",
        "image/jpeg",
        90000,
    )
    assert message.text == "rotto"
    assert message.attributes == {"album": "9"}


def test_the_attachments_id_does_not_change_with_the_files_id() -> None:
    def attachment(file_id: str) -> str:
        document = {"file_id": file_id, "file_unique_id": "u1", "file_name": "f.pdf", "mime_type": "application/pdf"}
        return str(normalise(telegram_update(document=document)).messages[0].attachments[0].id)

    assert attachment("one") == attachment("two")


@pytest.mark.parametrize(
    ("fields", "content", "attributes"),
    [
        ({"voice": {"file_id": "v", "duration": 3}}, "audio", {}),
        ({"sticker": {"file_id": "s", "emoji": "👍"}}, "sticker", {"sticker": "👍"}),
        ({"document": {"file_id": "d", "file_name": "f.pdf"}}, "document", {}),
        (
            {"location": {"latitude": 45.4642, "longitude": 9.19}},
            "location",
            {"latitude": "45.4642", "longitude": "9.19"},
        ),
        (
            {"venue": {"location": {"latitude": 1, "longitude": 2}, "title": "Duomo", "address": "Piazza"}},
            "location",
            {"latitude": "1.0", "longitude": "2.0", "place": "Duomo, Piazza"},
        ),
        ({"poll": {"question": "Chi?"}}, "poll", {"poll": "Chi?"}),
    ],
)
def test_a_message_without_text_says_what_it_is(
    fields: dict[str, Any], content: str, attributes: dict[str, str]
) -> None:
    (message,) = normalise(telegram_update(**fields)).messages
    assert message.text == ""
    assert message.attributes == {"content": content, **attributes}


def test_only_the_senders_own_contact_card_is_a_handle() -> None:
    card = {"phone_number": "393331234567", "first_name": "Luca"}
    (own,) = normalise(telegram_update(contact={**card, "user_id": 4711})).messages
    (other,) = normalise(telegram_update(contact={**card, "user_id": 9})).messages
    assert own.handles == ("telegram:4711", "tel:+393331234567")
    assert other.handles == ("telegram:4711",)
    assert other.attributes["contact_phone"] == "393331234567"


def test_a_group_is_one_customer_and_joins_nobodys_card() -> None:
    chat = {"id": -100123, "type": "supergroup", "title": "Famiglia"}
    (message,) = normalise(telegram_update(text="ciao", chat=chat)).messages
    assert message.handles == ("telegram:-100123",)
    assert message.name == "Famiglia"
    assert message.attributes["author"] == "Luca Verdi"


@pytest.mark.parametrize(
    ("update", "ignored"),
    [
        ({"update_id": 1, "channel_post": {}}, "update:channel_post"),
        ({"update_id": 1, "my_chat_member": {}}, "update:my_chat_member"),
        (telegram_update(text="x", **{"from": {"id": 1, "is_bot": True}}), "bot"),
        (telegram_update(new_chat_members=[]), "service"),
        (
            {"update_id": 1, "edited_message": telegram_update(location={"latitude": 1, "longitude": 2})["message"]},
            "live-location",
        ),
    ],
)
def test_other_updates_are_ignored(update: Any, ignored: str) -> None:
    normalised = normalise(update)
    assert (normalised.messages, normalised.problems, normalised.ignored) == ((), (), (ignored,))


def test_an_answer_names_the_message_that_it_answers() -> None:
    (message,) = normalise(telegram_update(text="sì", reply_to_message={"message_id": 1364})).messages
    assert message.attributes["replied_to"] == ids.message_id("bot", "4711:1364")


def test_a_message_without_a_chat_is_a_problem_with_its_place() -> None:
    assert normalise(telegram_update(text="x", chat={})).problems[0].place == "message.chat.id"


def test_a_file_without_an_id_does_not_lose_the_message() -> None:
    normalised = normalise(telegram_update(document={"file_name": "f.pdf"}, caption="ecco"))
    assert normalised.messages[0].text == "ecco"
    assert normalised.problems[0].place == "document.file_id"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"{}", b"\xff", b"[" * 100_000, b'{"update_id":' + b"9" * 5000 + b"}"]
)
def test_what_is_no_update_is_malformed(body: bytes) -> None:
    request = InboundRequest(method="POST", url="", body=body)
    with pytest.raises(MalformedError) as caught:
        channel.normalise(request, TELEGRAM, NOW_MS)
    assert caught.value.place in ("body", "update_id")


def test_lone_surrogates_and_nul_do_not_reach_the_message() -> None:
    (message,) = normalise(
        telegram_update(text="a\ud83d\x00b", **{"from": {"id": 1, "first_name": "\ud800L"}})
    ).messages
    assert message.text == "a�b"
    assert message.name == "�L"


def test_the_answer_is_an_empty_200() -> None:
    assert (channel.answer().status, channel.answer().body) == (200, b"")
    assert channel.refusal_status(RefusalKind.TOO_LARGE) == 413
