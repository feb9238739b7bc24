"""Which provider connects which channel, and what an account at it must name. Called by `checks` and by the models' users."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from libs.common.events.message import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A way into a channel. `required` fields must be named; a missing `advised` one is a warning with what it costs."""

    name: str | None
    required: tuple[str, ...] = ()
    advised: dict[str, str] = field(default_factory=dict)


_TWILIO: Final = Provider(
    name="twilio",
    required=("secret_env", "address"),
    advised={"account_sid_env": "replies cannot be sent without Twilio's account SID"},
)

_MAILED: Final = Provider(
    name=None, advised={"address": "replies go out by mail, and cannot without the address that they are from"}
)

# The first provider of a channel is the one of an account that names none, where `PROVIDER_REQUIRED` does not ask for it.
PROVIDERS: Final[dict[str, tuple[Provider, ...]]] = {
    Channel.EMAIL.value: (
        Provider(
            name="postmark",
            required=("address",),
            advised={"secret_env": "every mail is refused until it names the `user:password` of the webhook's URL"},
        ),
        Provider(name="mailgun", required=("secret_env", "address")),
    ),
    Channel.SMS.value: (_TWILIO,),
    Channel.WHATSAPP.value: (_TWILIO,),
    Channel.TELEGRAM.value: (
        Provider(
            name="telegram",
            required=("secret_env",),
            advised={"token_env": "replies cannot be sent without the bot's token"},
        ),
    ),
    Channel.WEBFORM.value: (_MAILED,),
    Channel.API.value: (_MAILED,),
}

PROVIDER_REQUIRED: Final = frozenset({Channel.EMAIL.value, Channel.SMS.value, Channel.WHATSAPP.value})


def provider_of(channel: str, name: str | None) -> Provider | None:
    """The provider that an account of this channel means by `name` (None: the channel's only one); None where there is none."""
    known = PROVIDERS.get(channel, ())
    if name is None:
        return None if channel in PROVIDER_REQUIRED or not known else known[0]
    return next((provider for provider in known if provider.name == name), None)
