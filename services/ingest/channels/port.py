"""What a channel adapter is: it checks a webhook's origin, makes it into our messages, answers as the provider expects, and sends.

An adapter decides nothing about routing and keeps nothing. `verify`, `normalise`, `answer`, `refusal_status` and `replay_key` are
plain functions of what they are handed: no clock, no I/O. `send` alone talks to somebody. The ingest routes and the senders call it;
`registry` finds the adapter of an account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from libs.common.errors import OutageError, RefusedError

if TYPE_CHECKING:
    import httpx

    from libs.common.blobs import BlobStore
    from libs.common.events.message import Message
    from libs.common.events.outbound import AnyDelivery, ReplyRequested


class SignatureInvalidError(RefusedError):
    """The request does not prove that it comes from the account's provider."""


class MalformedError(RefusedError):
    """The request's body cannot be read at all."""

    def __init__(self, place: str, detail: str) -> None:
        super().__init__(f"{place}: {detail}")
        self.place = place
        self.detail = detail


class SendRefusedError(RefusedError):
    """The provider will not take this reply. `permanent`: not later either. `reason` is for the agent, in plain words.

    `sent` as in `ProviderUnavailableError`.
    """

    def __init__(self, reason: str, *, permanent: bool, sent: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.sent = sent


class ProviderUnavailableError(OutageError):
    """The provider does not answer or asks to wait.

    `retry_after_ms`: how long it asks to wait, where it says so. `sent`: provider ids of the parts of the reply that went out before
    this; the next attempt hands them over in `Means.already_sent`, so that a long reply's first part is not sent twice.
    """

    def __init__(self, message: str, *, retry_after_ms: int | None = None, sent: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms
        self.sent = sent


class RefusalKind(StrEnum):
    """Why a webhook is refused, as far as the provider's retries are concerned."""

    SIGNATURE = "signature"
    MALFORMED = "malformed"
    TOO_LARGE = "too-large"
    REPLAYED = "replayed"


# What the contract says; an adapter departs from it only where another code is the provider's word for "do not try again".
REFUSAL_STATUS: Mapping[RefusalKind, int] = {
    RefusalKind.SIGNATURE: 403,
    RefusalKind.MALFORMED: 400,
    RefusalKind.TOO_LARGE: 413,
    RefusalKind.REPLAYED: 403,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRequest:
    """A webhook call. `url` is the public URL, query included, exactly as the provider called it (rebuilt behind a proxy).

    `query`: decoded pairs in their order. `headers`: names in lower case. `body`: the raw bytes, as they came. `remote`: the
    caller's address, where known. `memo`: what was read out of it once, for who asks again.
    """

    method: str
    url: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    remote: str | None = None
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountContext:
    """An account as its adapter needs it: the configuration's values with the secrets that it names, already looked up.

    `secret` checks webhooks (Twilio: the auth token; Mailgun: the signing key; Postmark: `user:password`; Telegram: the secret token
    given to setWebhook). `token` is the credential for the provider's API and is the same as `secret` where the configuration names
    no other. `api_url` is the base of the provider's API without a trailing slash. `webhook_url` is this account's own public webhook
    URL. None of them ever appears in a log: `repr` leaves the secrets out.
    """

    name: str
    channel: str
    pool: str
    provider: str | None = None
    address: str | None = None
    from_name: str | None = None
    language: str | None = None
    account_sid: str | None = None
    api_url: str = ""
    webhook_url: str = ""
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentContent:
    """The bytes of an attachment that came inside the request, to be kept in the blob store under `id` before the append."""

    id: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemProblem:
    """One item of a request that could not be made into a message; the others go on.

    `place`: where in the body (`Attachments[1].Content`). `detail`: a sentence without customer text. `raw`: the item's bytes, for the
    dead letter.
    """

    place: str
    detail: str
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """What a request holds. `ignored`: short words for what is rightly left out (`status:queued`, `loop`), for counting.

    A request of nothing but problems is refused after they are kept; one with something in `ignored` is answered as taken.
    Attributes of messages that all adapters use alike: `to` (addresses it was sent to, separated by `, `), `content` (what a message
    without text is: `image`, `audio`, `video`, `document`, `sticker`, `location`, `contact` ...), `latitude`, `longitude`, `place`, `spam`.
    """

    messages: tuple[Message, ...] = ()
    deliveries: tuple[AnyDelivery, ...] = ()
    attachments: tuple[AttachmentContent, ...] = ()
    problems: tuple[ItemProblem, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswer:
    """The HTTP answer that the provider expects once everything is on the log."""

    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayKey:
    """What makes a signed request unique, where the signature does not cover the body.

    The ingest app keeps `token` with `digest` until `expires_ms`. The same token with the same digest is the provider's retry and goes
    on as usual; with another digest it is a replay and is refused (`RefusalKind.REPLAYED`).
    """

    token: str
    digest: str
    expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOutcome:
    """The provider took the reply. `provider_ids`: one per part, where a long text went out in several."""

    provider_ids: tuple[str, ...]

    @property
    def provider_id(self) -> str | None:
        """The id of the last part: the one whose delivery means that all of it is there."""
        return self.provider_ids[-1] if self.provider_ids else None


class MailTransport(Protocol):
    """The mail server; `libs.common.smtp.SmtpTransport` is one."""

    async def send(self, message: bytes, sender: str, recipients: Sequence[str]) -> object:
        """Hand one mail over, as `libs.common.mail_writer` writes it; raises SmtpRefusedError or SmtpUnavailableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a sender works with. `already_sent`: provider ids of the parts that an earlier attempt got out."""

    client: httpx.AsyncClient
    mail: MailTransport | None = None
    blobs: BlobStore | None = None
    already_sent: tuple[str, ...] = ()


class Sender(Protocol):
    """Takes replies to customers."""

    async def send(self, reply: ReplyRequested, account: AccountContext, means: Means) -> SendOutcome:
        """Send a reply; returns once the provider has taken it. Each adapter's docstring states its guarantee.

        Raises SendRefusedError, ProviderUnavailableError (or another OutageError); both carry the parts that did go out.
        """
        ...


class Channel(Sender, Protocol):
    """An adapter of one provider."""

    def verify(self, request: InboundRequest, account: AccountContext, now_ms: int) -> None:
        """Check that the request comes from the provider, on the raw bytes. Raises SignatureInvalidError.

        An account without a secret has no valid request: there is no open door by default.
        """
        ...

    def replay_key(self, request: InboundRequest) -> ReplayKey | None:
        """What to remember of a verified request against replays; None where the signature covers the body or there is none."""
        ...

    def normalise(self, request: InboundRequest, account: AccountContext, now_ms: int) -> Normalised:
        """Make a verified request into messages and deliveries; `now_ms` becomes `received_ms`.

        Raises MalformedError with its place when nothing in it can be read, and nothing else.
        """
        ...

    def answer(self) -> ProviderAnswer:
        """The answer that tells the provider that it can forget the request."""
        ...

    def refusal_status(self, kind: RefusalKind) -> int:
        """The HTTP status that refuses a request of this provider. Own overload is always 503 and not asked here."""
        ...
