"""HTTP requests as bytes, made before the clock starts: real payloads of providers, each with ids and a signature of its own.

Pure. The load loops of the benchmarks send them as they are. The providers' parts are the demo's, written from the providers' documents.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from services.demo.posts import Post, Secrets, Surroundings, make_post
from services.demo.script import Person, Request

TWILIO: Final = "sms-main"
TELEGRAM: Final = "telegram-bot"
POSTMARK: Final = "support-mail"
ADDRESSES: Final[Mapping[str, str]] = {TWILIO: "+390294750001", POSTMARK: "assistenza@bottega.example"}

# The length of what people write to shops: three sentences.
TEXT: Final = (
    "Buongiorno, ho ordinato una lampada due settimane fa e non è ancora arrivata. Il corriere dice che il pacco è fermo da lunedì. "
    "Potete dirmi quando arriverà, per favore? Grazie mille."
)
SUBJECT: Final = "Il mio ordine non è arrivato"
_FIRST_PHONE: Final = 320_000_0000
_FIRST_TELEGRAM_ID: Final = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What posts are made of: the providers' secrets and the address that ingest is known by."""

    secrets: Secrets
    public_url: str

    def post(self, account: str, number: int, now_ms: int) -> Post:
        """Customer `number`'s one message to this account."""
        person = Person(
            name=f"Cliente {number}",
            language="it",
            email=f"cliente{number}@mail.example",
            phone=f"+39{_FIRST_PHONE + number}",
            telegram_id=_FIRST_TELEGRAM_ID + number,
        )
        request = Request(person=person, account=account, subject=SUBJECT, text=TEXT)
        around = Surroundings(
            secrets=self.secrets,
            public_url=self.public_url,
            addresses=ADDRESSES,
            unique=secrets.token_hex(16),
            now_ms=now_ms,
        )
        return make_post(request, around)

    def requests(self, account: str, first: int, count: int, now_ms: int) -> Iterator[bytes]:
        """Posts of `count` different customers, ready to be written to a socket."""
        for number in range(first, first + count):
            yield post_bytes(self.post(account, number, now_ms))


def make_secrets() -> Secrets:
    """Secrets of providers that exist for one run."""
    return Secrets(
        postmark_webhook=f"postmark:{secrets.token_hex(12)}",
        mailgun_signing_key=secrets.token_hex(16),
        twilio_auth_token=secrets.token_hex(16),
        twilio_account_sid=f"AC{secrets.token_hex(16)}",
        telegram_webhook_secret=secrets.token_hex(16),
        telegram_bot_token=f"7000000001:{secrets.token_hex(16)}",
        integration_token="",
    )


def post_bytes(post: Post) -> bytes:
    """A provider's post as it goes over the wire."""
    return request_bytes("POST", post.path, post.headers, post.body)


def request_bytes(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """An HTTP/1.1 request over a connection that stays open."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + body
