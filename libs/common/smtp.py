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
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from pydantic import SecretStr

from libs.common.errors import CentralinoError, OutageError, RefusedError

CONNECT_TIMEOUT_S: Final = 10.0
COMMAND_TIMEOUT_S: Final = 30.0
KEPT_IDLE_S: Final = 15.0
KEPT_MAILS: Final = 50
_SERVICE_CLOSING: Final = 421

StartTls = Literal["offered", "required", "never"]
Scope = Literal["sender", "recipient", "message"]
_START_TLS: Final[dict[str, StartTls]] = {"offered": "offered", "required": "required", "never": "never"}


class SmtpUrlInvalidError(CentralinoError):
    """A mail server is `smtp[s]://[user:password@]host[:port][?starttls=required|never]`."""


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

    @staticmethod
    def parse(url: str) -> SmtpSettings:
        """From `smtp[s]://[user:password@]host[:port][?starttls=offered|required|never]`; user and password percent-encoded.

        Default ports: 465 for smtps, 587 with a user (RFC 6409), else 25. Raises SmtpUrlInvalidError, which never shows the URL.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        except ValueError:
            raise SmtpUrlInvalidError from None
        starttls = _START_TLS.get(options.pop("starttls", ["offered"])[-1])
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
    """Sends mails one at a time over one connection, which is kept for a run of mails and opened again when it is lost."""

    def __init__(self, settings: SmtpSettings, *, tls_context: ssl.SSLContext | None = None) -> None:
        """`tls_context`: in place of the system's certificate authorities."""
        self._settings = settings
        self._tls_context = tls_context
        self._lock = asyncio.Lock()
        self._client: aiosmtplib.SMTP | None = None
        self._mails = 0
        self._used_s = 0.0

    async def send(
        self,
        message: EmailMessage,
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
        content = render_message(message, international=_is_international(sender, recipients))
        async with self._lock:
            clean = False
            try:
                client = await self._ready_client()
                try:
                    result = await self._transact(client, content, sender, recipients, before_data)
                except SmtpRefusedError:
                    # Whatever part of the transaction the server still holds must not become part of the next one.
                    clean = await _answers(client)
                    raise
                clean = True
            finally:
                # Also after a cancellation: an answer that is still to come would be taken for that to the next command.
                if not clean:
                    self._drop()
            self._mails += 1
            self._used_s = monotonic()
            return result

    async def check(self) -> None:
        """Reach the server and log in. Raises SmtpUnavailableError."""
        async with self._lock:
            await self._ready_client()

    async def close(self) -> None:
        """Say good-bye to the server."""
        async with self._lock:
            client, self._client = self._client, None
            if client is not None and client.is_connected:
                try:
                    await client.quit(timeout=2)
                except aiosmtplib.SMTPException:
                    client.close()

    async def _transact(
        self,
        client: aiosmtplib.SMTP,
        content: bytes,
        sender: str,
        recipients: Sequence[str],
        before_data: Callable[[], Awaitable[None]] | None,
    ) -> SmtpResult:
        international = _is_international(sender, recipients)
        if international and not client.supports_extension("smtputf8"):
            raise SmtpRefusedError("recipient", 553, "the mail server takes no international addresses", permanent=True)
        encoding = "utf-8" if international else "ascii"
        async with _outages("MAIL"):
            try:
                await client.mail(sender, options=["SMTPUTF8"] if international else None, encoding=encoding)
            except aiosmtplib.SMTPResponseException as error:
                raise _refusal("sender", error) from error
        accepted: list[str] = []
        refused: list[RefusedRecipient] = []
        for address in recipients:
            async with _outages("RCPT"):
                try:
                    await client.rcpt(address, encoding=encoding)
                    accepted.append(address)
                except aiosmtplib.SMTPResponseException as error:
                    refusal = _refusal("recipient", error)
                    refused.append(
                        RefusedRecipient(
                            address=address, code=refusal.code, reason=refusal.reason, permanent=refusal.permanent
                        )
                    )
        if not accepted:
            worst = next((one for one in refused if not one.permanent), refused[0])
            raise SmtpRefusedError("recipient", worst.code, worst.reason, permanent=worst.permanent)
        if before_data is not None:
            await before_data()
        async with _outages("DATA", outcome_unknown=True):
            try:
                reply = await client.data(content)
            except aiosmtplib.SMTPResponseException as error:
                raise _refusal("message", error) from error
        return SmtpResult(accepted=tuple(accepted), refused=tuple(refused), reply=f"{reply.code} {reply.message}")

    async def _ready_client(self) -> aiosmtplib.SMTP:
        client = self._client
        if client is not None:
            fresh = monotonic() - self._used_s < KEPT_IDLE_S and self._mails < KEPT_MAILS
            if fresh and await _answers(client):
                return client
            self._drop()
        self._client = await self._connect()
        self._mails = 0
        self._used_s = monotonic()
        return self._client

    async def _connect(self) -> aiosmtplib.SMTP:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=settings.implicit_tls,
            start_tls=False,
            tls_context=self._tls_context,
            timeout=CONNECT_TIMEOUT_S,
        )
        try:
            async with _outages("connect"):
                await client.connect()
                await client.ehlo()
                if not settings.implicit_tls and settings.starttls != "never":
                    if client.supports_extension("starttls"):
                        await client.starttls()
                        await client.ehlo()
                    elif settings.starttls == "required":
                        raise SmtpUnavailableError("the mail server does not offer STARTTLS, which is required")
                if settings.user is not None and settings.password is not None:
                    await client.login(settings.user, settings.password)
        except BaseException:
            client.close()
            raise
        client.timeout = COMMAND_TIMEOUT_S
        return client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


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
async def _outages(during: str, *, outcome_unknown: bool = False) -> AsyncIterator[None]:
    """Whatever is no answer about this mail becomes SmtpUnavailableError."""
    try:
        yield
    except aiosmtplib.SMTPAuthenticationError as error:
        raise SmtpUnavailableError(f"the mail server refused the login with {error.code}") from error
    except aiosmtplib.SMTPResponseException as error:
        raise SmtpUnavailableError(f"the mail server answered {error.code} to {during}") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        kind = type(error).__name__
        raise SmtpUnavailableError(f"{kind} during {during}", outcome_unknown=outcome_unknown) from error


def _is_international(sender: str, recipients: Sequence[str]) -> bool:
    return not all(address.isascii() for address in (sender, *recipients))


def _refusal(scope: Scope, error: aiosmtplib.SMTPResponseException) -> SmtpRefusedError:
    """The server's no. Raises SmtpUnavailableError where it only says that it is going down (421)."""
    if error.code == _SERVICE_CLOSING or not 400 <= error.code < 600:
        raise SmtpUnavailableError(f"the mail server answered {error.code} to the {scope}") from error
    return SmtpRefusedError(scope, error.code, error.message, permanent=error.code >= 500)


async def _answers(client: aiosmtplib.SMTP) -> bool:
    """Whether a kept connection still works; forgets what was begun on it."""
    if not client.is_connected:
        return False
    try:
        await client.rset(timeout=5)
    except (aiosmtplib.SMTPException, OSError):
        return False
    return True
