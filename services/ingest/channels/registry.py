"""Which adapter serves an account. The one list of what can be configured as `channel` and `provider`.

Called by the ingest service's composition and by its senders.
"""

from __future__ import annotations

from typing import Final

from services.ingest.channels.email_mailgun import MailgunChannel
from services.ingest.channels.email_postmark import PostmarkChannel
from services.ingest.channels.email_reply import MailSender
from services.ingest.channels.port import AccountContext, Channel, Sender
from services.ingest.channels.telegram import TelegramChannel
from services.ingest.channels.twilio import TwilioChannel

CHANNELS: Final[dict[tuple[str, str], type[Channel]]] = {
    ("email", "postmark"): PostmarkChannel,
    ("email", "mailgun"): MailgunChannel,
    ("sms", "twilio"): TwilioChannel,
    ("whatsapp", "twilio"): TwilioChannel,
    ("telegram", "telegram"): TelegramChannel,
}
# Where a channel has one provider only, the configuration may leave it out.
_ONLY_PROVIDER: Final = {"telegram": "telegram"}


def find_channel(account: AccountContext) -> Channel | None:
    """The adapter of the account's webhooks; None where it has none (web forms, web chat, the API)."""
    provider = account.provider or _ONLY_PROVIDER.get(account.channel, "")
    adapter = CHANNELS.get((account.channel, provider))
    return None if adapter is None else adapter()


def find_sender(account: AccountContext, handle: str) -> Sender | None:
    """Who sends a reply to this handle; None where nothing can reach it.

    A customer who wrote by a form or through an integration is answered by mail, where there is a mail address; the account's
    `address` is what it is sent from.
    """
    channel = find_channel(account)
    if channel is not None:
        return channel
    return MailSender() if handle.startswith("mailto:") else None
