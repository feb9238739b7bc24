"""Words by which customers stop automatic texts."""

from __future__ import annotations

import pytest

from libs.common.events.outbound import TextsResumed, TextsStopped
from libs.common.testing.builders import a_message
from services.ingest.stop_words import stop_of


@pytest.mark.parametrize("text", ["STOP", "stop", " Stop! ", "/stop", "FERMA", "«Basta.»", "Unsubscribe\n"])
@pytest.mark.parametrize("channel", ["sms", "whatsapp", "telegram", "messenger", "instagram", "webchat"])
def test_a_stop_word_alone_stops_on_every_channel_for_short_texts(text: str, channel: str) -> None:
    message = a_message(1, channel=channel, text=text, handle="tel:+393331234567")
    assert stop_of(message) == TextsStopped(
        message_id=message.id, at_ms=message.received_ms, handle=message.handle, channel=channel
    )


@pytest.mark.parametrize("text", ["START", "/start", "Riprendi."])
def test_another_word_brings_them_back(text: str) -> None:
    assert isinstance(stop_of(a_message(1, channel="sms", text=text)), TextsResumed)


@pytest.mark.parametrize(
    "text", ["", "Please stop the order.", "stop stop", "Non fermarti", "nonstop", "Ferma tutto e richiamami", "!"]
)
def test_what_says_more_than_the_word_is_a_message_like_any_other(text: str) -> None:
    assert stop_of(a_message(1, channel="sms", text=text)) is None


def test_words_that_providers_take_for_a_stop_count_by_sms_alone() -> None:
    assert isinstance(stop_of(a_message(1, channel="sms", text="CANCEL")), TextsStopped)
    assert stop_of(a_message(1, channel="whatsapp", text="CANCEL")) is None


@pytest.mark.parametrize("channel", ["email", "webform", "api", "voice"])
def test_where_no_automatic_texts_go_out_nothing_is_stopped(channel: str) -> None:
    assert stop_of(a_message(1, channel=channel, text="STOP")) is None
