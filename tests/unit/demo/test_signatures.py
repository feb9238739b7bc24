"""The demo signs as the providers do: their published vectors, and every post is taken by the adapter of its account."""

import dataclasses
from collections.abc import Mapping
from email.utils import formatdate
from urllib.parse import parse_qsl, urlencode

import pytest

from libs.common.configuration import load_configuration
from libs.common.events.message import Message
from services.demo.compose import CONFIGURATION_PATH, make_secrets
from services.demo.posts import Post, Surroundings, make_post
from services.demo.script import Person, Request
from services.demo.signatures import basic_credentials, mailgun_signature, twilio_signature
from services.ingest.accounts import build_accounts
from services.ingest.channels.port import InboundRequest, SignatureInvalidError
from services.ingest.channels.registry import find_channel

NOW_MS = 1_700_000_000_000
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FIRST = (
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
)
PUBLIC_URL = "https://contact.bottega.example"
CHIARA = Person(
    name="Chiara Gallo", language="it", email="chiara.gallo@example.com", phone="+393205550003", telegram_id=700_100_003
)
TEXT = "Vorrei fare il reso, però l'etichetta non si stampa: 100 % bianca & vuota."
WEBHOOK_ACCOUNTS = ("support-mail", "shop-mail", "sms-main", "whatsapp-main", "telegram-bot")


@pytest.mark.parametrize(
    ("url", "parameters", "expected"),
    [
        (URL, FIRST, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (
            URL,
            (("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234")),
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        (URL.replace("https://mycompany.com", "http://mycompany.com:1234"), FIRST, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        (URL.replace("mycompany.com", "mycompany.com:443"), FIRST, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (URL.replace("https://mycompany.com", "http://mycompany.com:80"), FIRST, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        (
            f"{URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
            (),
            "a9nBmqA0ju/hNViExpshrM61xv4=",
        ),
    ],
)
def test_twilios_published_signatures(url: str, parameters: tuple[tuple[str, str], ...], expected: str) -> None:
    assert twilio_signature("12345", url, parameters) == expected
    assert twilio_signature("12345", url, reversed(parameters)) == expected


def test_mailgun_signs_timestamp_and_token() -> None:
    # Computed with `printf '%s' 1700000000abc | openssl dgst -sha256 -hmac key-1`.
    assert (
        mailgun_signature("key-1", "1700000000", "abc")
        == "2cbd624d15a3877e6a11b18e048fc3b264fd22fc123855cc4e9b81f2a46c6da6"
    )


def test_basic_credentials_are_those_of_the_standard() -> None:
    # RFC 7617, section 2.
    assert basic_credentials("Aladdin:open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def a_post(account: str) -> tuple[Post, Mapping[str, str]]:
    """A post of Chiara's over this account, and the environment with the secrets it was made with."""
    configuration = load_configuration(CONFIGURATION_PATH)
    secrets = make_secrets("0123456789" * 4, NOW_MS)
    around = Surroundings(
        secrets=secrets,
        public_url=PUBLIC_URL,
        addresses={name: entry.address or "" for name, entry in configuration.accounts.items()},
        unique="5b9f3c0de1a24f6f8d7c6b5a49382716",
        now_ms=NOW_MS,
    )
    request = Request(person=CHIARA, account=account, subject="Etichetta per il reso", text=TEXT)
    return make_post(request, around), secrets.environment()


def taken(account: str, post: Post, environment: Mapping[str, str]) -> tuple[Message, ...]:
    """What the account's adapter makes of a post. Raises SignatureInvalidError."""
    context = build_accounts(load_configuration(CONFIGURATION_PATH), environment, PUBLIC_URL)[account]
    channel = find_channel(context)
    assert channel is not None
    inbound = InboundRequest(method="POST", url=f"{PUBLIC_URL}{post.path}", headers=post.headers, body=post.body)
    channel.verify(inbound, context, NOW_MS)
    return channel.normalise(inbound, context, NOW_MS).messages


@pytest.mark.parametrize(
    ("account", "handle"),
    [
        ("support-mail", "mailto:chiara.gallo@example.com"),
        ("shop-mail", "mailto:chiara.gallo@example.com"),
        ("sms-main", "tel:+393205550003"),
        ("whatsapp-main", "tel:+393205550003"),
        ("telegram-bot", "telegram:700100003"),
    ],
)
def test_every_webhook_is_taken_as_it_was_meant(account: str, handle: str) -> None:
    post, environment = a_post(account)

    (message,) = taken(account, post, environment)

    assert post.path == f"/v1/webhooks/{account}"
    assert (message.account, message.handle) == (account, handle)
    assert message.text.startswith(TEXT)
    assert not message.automatic
    if account != "sms-main":
        assert message.name == "Chiara Gallo"


@pytest.mark.parametrize("account", WEBHOOK_ACCOUNTS)
def test_another_installations_secrets_do_not_open_the_door(account: str) -> None:
    post, _ = a_post(account)
    _, other_environment = a_post(account)

    with pytest.raises(SignatureInvalidError):
        taken(account, post, other_environment)


def test_twilios_signature_covers_the_form() -> None:
    post, environment = a_post("sms-main")
    fields = dict(parse_qsl(post.body.decode())) | {"Body": "Another text"}

    with pytest.raises(SignatureInvalidError):
        taken("sms-main", dataclasses.replace(post, body=urlencode(fields).encode()), environment)


def test_the_same_ids_make_the_same_message() -> None:
    (first,), (second,) = (taken(account, *a_post(account)) for account in ("support-mail", "support-mail"))

    assert first.id == second.id


def test_a_mail_has_the_date_it_was_written_on() -> None:
    post, _ = a_post("support-mail")

    assert formatdate(NOW_MS / 1000).removesuffix("-0000") in post.body.decode()
