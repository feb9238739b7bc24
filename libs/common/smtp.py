"""Handing mail to a mail server. Says exactly what became of it: taken, refused (for whom, for ever or for now), or unknown.

It must not decide whether to try again; its callers (the senders of ingest, the follow-up service) have the outbox for that. The parts of a
message that customers wrote are never logged or put into an error.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from email.generator import BytesGenerator
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from io import BytesIO
from time import monotonic
from typing import Final, Literal, cast
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from pydantic import SecretStr

from libs.common.errors import CentralinoError, OutageError, RefusedError
from libs.common.smtp_session import Reply, SessionLostError, SmtpSession, is_yes

CONNECT_TIMEOUT_S: Final = 10.0
COMMAND_TIMEOUT_S: Final = 30.0
KEPT_IDLE_S: Final = 15.0
KEPT_MAILS: Final = 100
# The large providers allow three at once and refuse the fourth.
CONNECTIONS: Final = 3
CONNECTIONS_MAX: Final = 50
_RESET_TIMEOUT_S: Final = 5.0
_QUIT_TIMEOUT_S: Final = 2.0
_SERVICE_CLOSING: Final = 421
_GO_ON: Final = 354

# One that is not rendered yet, or the bytes that go over the wire.
Mail = EmailMessage | bytes

StartTls = Literal["offered", "required", "never"]
Scope = Literal["sender", "recipient", "message"]
_START_TLS: Final[dict[str, StartTls]] = {"offered": "offered", "required": "required", "never": "never"}


class SmtpUrlInvalidError(CentralinoError):
    """A mail server is `smtp[s]://[user:password@]host[:port][?starttls=required|never][&connections=3]`."""


class SmtpRefusedError(RefusedError):
    """The mail server said no to the sender, to every recipient, or to the message; nothing was sent.

    `permanent`: trying again is of no use (5xx for all); else it may be later (4xx). `reason` is the server's text: it may hold addresses.
    """

    def __init__(self, scope: Scope, code: int, reason: str, *, permanent: bool) -> None:
        super().__init__(f"the mail server refused the {scope} with {code}")
        self.scope = scope
        self.code = code
        self.reason = reason
        self.permanent = permanent


class SmtpUnavailableError(OutageError):
    """The mail server cannot be reached or used. `outcome_unknown`: the mail was handed over, but the answer did not come, so it
    may or may not have been taken.
    """

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """Where the mail server is and how it is spoken to."""

    host: str
    port: int
    implicit_tls: bool = False
    starttls: StartTls = "offered"
    user: str | None = None
    password: str | None = None
    connections: int = CONNECTIONS

    @staticmethod
    def parse(url: str) -> SmtpSettings:
        """From `smtp[s]://[user:password@]host[:port][?starttls=offered|required|never][&connections=3]`; user and password
        percent-encoded. `connections`: how many at once, 1 to 50.

        Default ports: 465 for smtps, 587 with a user (RFC 6409), else 25. Raises SmtpUrlInvalidError, which never shows the URL.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        except ValueError:
            raise SmtpUrlInvalidError from None
        starttls = _START_TLS.get(options.pop("starttls", ["offered"])[-1])
        connections = options.pop("connections", [str(CONNECTIONS)])[-1]
        if not (connections.isascii() and connections.isdigit() and 1 <= int(connections[:4]) <= CONNECTIONS_MAX):
            raise SmtpUrlInvalidError
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or starttls is None or options:
            raise SmtpUrlInvalidError
        if parts.path not in ("", "/") or (parts.username is None) != (parts.password is None):
            raise SmtpUrlInvalidError
        implicit_tls = parts.scheme == "smtps"
        return SmtpSettings(
            host=parts.hostname,
            port=port or (465 if implicit_tls else 587 if parts.username else 25),
            implicit_tls=implicit_tls,
            starttls=starttls,
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            connections=int(connections),
        )

    def __repr__(self) -> str:
        return f"SmtpSettings(host={self.host!r}, port={self.port}, user={self.user is not None})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecipient:
    """One of several recipients that the server did not take."""

    address: str
    code: int
    reason: str
    permanent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpResult:
    """The mail was taken over for `accepted` (at least one). `reply` is the server's last word, with its queue id as a rule."""

    accepted: tuple[str, ...]
    refused: tuple[RefusedRecipient, ...]
    reply: str


class SmtpTransport:
    """Sends mails over a few connections, which are kept for a run of mails and opened again when they are lost."""

    def __init__(self, settings: SmtpSettings, *, tls_context: ssl.SSLContext | None = None) -> None:
        """`tls_context`: in place of the system's certificate authorities."""
        self._settings = settings
        self._tls_context = tls_context
        self._room = asyncio.Semaphore(settings.connections)
        self._kept: list[tuple[SmtpSession, float]] = []

    async def send(
        self,
        message: Mail,
        sender: str,
        recipients: Sequence[str],
        *,
        before_data: Callable[[], Awaitable[None]] | None = None,
    ) -> SmtpResult:
        """Hand over one mail. `sender` and `recipients` are the envelope's plain addresses; a Bcc header is left out.

        `before_data` is awaited once the server has taken the addresses, right before the content: until then nothing can have
        been sent. What it raises ends the transaction and passes.
        Raises SmtpRefusedError when nobody gets it, SmtpUnavailableError. A cancelled send may have been taken.
        """
        assert recipients, "a mail has a recipient"
        international = _is_international(sender, recipients)
        content = message if isinstance(message, bytes) else render_message(message, international=international)
        async with self._room:
            session, begun = await self._begin(sender, recipients, international=international)
            clean = False
            try:
                result = await _finish(session, begun, content, before_data)
                clean = True
            except SmtpRefusedError:
                # Whatever part of the transaction the server still holds must not become part of the next one. One that waits for
                # the content cannot be told that there is none.
                clean = not begun.waiting and await session.reset(_RESET_TIMEOUT_S)
                raise
            finally:
                # Also after a cancellation: an answer that is still to come would be taken for that to the next command.
                self._give_back(session, clean=clean)
            return result

    async def check(self) -> None:
        """Reach the server and log in. Raises SmtpUnavailableError."""
        async with self._room:
            session = self._take_kept()
            if session is not None and not await session.reset(_RESET_TIMEOUT_S):
                session.drop()
                session = None
            self._give_back(session or await self._connect(), clean=True)

    async def close(self) -> None:
        """Say good-bye to the server."""
        kept, self._kept = self._kept, []
        await asyncio.gather(*(session.leave(_QUIT_TIMEOUT_S) for session, _ in kept))

    async def _begin(
        self, sender: str, recipients: Sequence[str], *, international: bool
    ) -> tuple[SmtpSession, _Begun]:
        session = self._take_kept()
        if session is not None:
            try:
                return session, await _begin(session, sender, recipients, international=international)
            except SmtpUnavailableError:
                # The server has closed it since it was used. Nothing can have been sent.
                session.drop()
            except BaseException:
                self._give_back(session, clean=False)
                raise
        session = await self._connect()
        try:
            return session, await _begin(session, sender, recipients, international=international)
        except BaseException:
            self._give_back(session, clean=False)
            raise

    def _take_kept(self) -> SmtpSession | None:
        now_s = monotonic()
        while self._kept:
            session, used_s = self._kept.pop()
            if session.usable and now_s - used_s < KEPT_IDLE_S and session.mails < KEPT_MAILS:
                return session
            session.drop()
        return None

    def _give_back(self, session: SmtpSession, *, clean: bool) -> None:
        if clean and session.usable:
            self._kept.append((session, monotonic()))
        else:
            session.drop()

    async def _connect(self) -> SmtpSession:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=settings.implicit_tls,
            start_tls=False,
            tls_context=self._trust() if settings.implicit_tls else None,
            timeout=CONNECT_TIMEOUT_S,
        )
        try:
            async with _outages("connect"):
                await client.connect()
                await client.ehlo()
                if not settings.implicit_tls and settings.starttls != "never":
                    if client.supports_extension("starttls"):
                        await client.starttls(tls_context=self._trust())
                        await client.ehlo()
                    elif settings.starttls == "required":
                        raise SmtpUnavailableError("the mail server does not offer STARTTLS, which is required")
                if settings.user is not None and settings.password is not None:
                    await client.login(settings.user, settings.password)
        except BaseException:
            client.close()
            raise
        return SmtpSession(
            cast("asyncio.Transport", client.transport),  # uvloop's is one in all but name.
            pipelining=client.supports_extension("pipelining"),
            international=client.supports_extension("smtputf8"),
        )

    def _trust(self) -> ssl.SSLContext:
        # Reading the system's authorities takes longer than sending many mails.
        if self._tls_context is None:
            self._tls_context = ssl.create_default_context()
        return self._tls_context


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A transaction whose addresses were answered. `data`: the answer to DATA, where it was sent with them."""

    recipients: Sequence[str]
    mail: Reply
    rcpt: Sequence[Reply]
    data: Reply | None

    @property
    def waiting(self) -> bool:
        """Whether the server waits for the content."""
        return self.data is not None and self.data.code == _GO_ON


async def _begin(session: SmtpSession, sender: str, recipients: Sequence[str], *, international: bool) -> _Begun:
    if international and not session.international:
        refused = Reply(553, "the mail server takes no international addresses")
        return _Begun(recipients=recipients, mail=Reply(250, ""), rcpt=[refused] * len(recipients), data=None)
    try:
        mail, rcpt, data = await session.begin(
            sender, recipients, international=international, timeout_s=COMMAND_TIMEOUT_S
        )
    except SessionLostError as error:
        raise SmtpUnavailableError(f"{error} during MAIL and RCPT") from error
    except ValueError as error:
        raise SmtpRefusedError("recipient", 553, str(error), permanent=True) from error
    return _Begun(recipients=recipients, mail=mail, rcpt=rcpt, data=data)


async def _finish(
    session: SmtpSession, begun: _Begun, content: bytes, before_data: Callable[[], Awaitable[None]] | None
) -> SmtpResult:
    if not is_yes(begun.mail):
        raise _refusal("sender", begun.mail)
    answers = list(zip(begun.recipients, begun.rcpt, strict=True))
    accepted = tuple(address for address, reply in answers if is_yes(reply))
    refused = []
    for address, reply in answers:
        if not is_yes(reply):
            refusal = _refusal("recipient", reply)
            refused.append(
                RefusedRecipient(address=address, code=refusal.code, reason=refusal.reason, permanent=refusal.permanent)
            )
    if not accepted:
        worst = next((one for one in refused if not one.permanent), refused[0])
        raise SmtpRefusedError("recipient", worst.code, worst.reason, permanent=worst.permanent)
    if begun.data is not None and begun.data.code != _GO_ON:
        raise _refusal("message", begun.data)
    if before_data is not None:
        await before_data()
    try:
        data = begun.data or await session.go_on(COMMAND_TIMEOUT_S)
    except SessionLostError as error:
        raise SmtpUnavailableError(f"{error} during DATA") from error
    if data.code != _GO_ON:
        raise _refusal("message", data)
    try:
        reply = await session.hand_over(content, COMMAND_TIMEOUT_S)
    except SessionLostError as error:
        raise SmtpUnavailableError(f"{error} during the mail itself", outcome_unknown=True) from error
    if not is_yes(reply):
        raise _refusal("message", reply)
    return SmtpResult(accepted=accepted, refused=tuple(refused), reply=f"{reply.code} {reply.text}")


def open_transport(url: SecretStr | None) -> SmtpTransport | None:
    """The transport for `CENTRALINO_SMTP_URL`, not connected yet; None where no mail server is configured. Raises SmtpUrlInvalidError."""
    return None if url is None else SmtpTransport(SmtpSettings.parse(url.get_secret_value()))


def render_message(message: EmailMessage, *, international: bool = False) -> bytes:
    """The message's bytes for the wire: CRLF, without Bcc, and nothing but ASCII, so that any server takes it.

    `international`: headers in UTF-8 (RFC 6532), because an address cannot be written otherwise.
    """
    # A shallow copy has a list of headers of its own as soon as one is deleted; bodies and attachments are shared.
    kept = copy(message)
    del kept["Bcc"]
    buffer = BytesIO()
    BytesGenerator(buffer, policy=SMTP_POLICY.clone(cte_type="7bit", utf8=international)).flatten(kept)
    return buffer.getvalue()


@asynccontextmanager
async def _outages(during: str) -> AsyncIterator[None]:
    """Whatever is no answer about this mail becomes SmtpUnavailableError."""
    try:
        yield
    except aiosmtplib.SMTPAuthenticationError as error:
        raise SmtpUnavailableError(f"the mail server refused the login with {error.code}") from error
    except aiosmtplib.SMTPResponseException as error:
        raise SmtpUnavailableError(f"the mail server answered {error.code} to {during}") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise SmtpUnavailableError(f"{type(error).__name__} during {during}") from error


def _is_international(sender: str, recipients: Sequence[str]) -> bool:
    return not all(address.isascii() for address in (sender, *recipients))


def _refusal(scope: Scope, reply: Reply) -> SmtpRefusedError:
    """The server's no. Raises SmtpUnavailableError where it only says that it is going down (421)."""
    if reply.code == _SERVICE_CLOSING or not 400 <= reply.code < 600:
        raise SmtpUnavailableError(f"the mail server answered {reply.code} to the {scope}")
    return SmtpRefusedError(scope, reply.code, reply.text, permanent=reply.code >= 500)
