"""Which adapter serves which account."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.ingest.channels.email_mailgun import MailgunChannel
from services.ingest.channels.email_postmark import PostmarkChannel
from services.ingest.channels.email_reply import MailSender
from services.ingest.channels.port import AccountContext
from services.ingest.channels.registry import find_channel, find_sender
from services.ingest.channels.telegram import TelegramChannel
from services.ingest.channels.twilio import TwilioChannel
from tests.unit.ingest.channels.samples import MAILGUN, POSTMARK, SMS, TELEGRAM, WHATSAPP


@pytest.mark.parametrize(
    ("account", "adapter"),
    [
        (POSTMARK, PostmarkChannel),
        (MAILGUN, MailgunChannel),
        (SMS, TwilioChannel),
        (WHATSAPP, TwilioChannel),
        (TELEGRAM, TelegramChannel),
        (replace(TELEGRAM, provider=None), TelegramChannel),
    ],
)
def test_an_account_has_its_providers_adapter(account: AccountContext, adapter: type) -> None:
    assert isinstance(find_channel(account), adapter)
    assert isinstance(find_sender(account, "tel:+39"), adapter)


def test_an_account_without_webhooks_answers_by_mail_where_it_can() -> None:
    form = AccountContext(name="form", channel="webform", pool="care", address="support@shop.example")
    assert find_channel(form) is None
    assert isinstance(find_sender(form, "mailto:luca@example.com"), MailSender)
    assert find_sender(form, "tel:+393331234567") is None


def test_secrets_do_not_show() -> None:
    shown = repr(SMS) + repr(TELEGRAM) + repr(POSTMARK)
    for account in (TELEGRAM, POSTMARK):
        assert account.secret is not None
        assert account.secret not in shown
    assert TELEGRAM.token is not None
    assert TELEGRAM.token not in shown
