"""A mail server that takes every mail and delivers none; the demo's page shows what came. Memory only, the newest are kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from libs.common.clock import Clock

MAILS_MAX: Final = 500
MAIL_BYTES_MAX: Final = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as it came. `number` counts from 1 and is never given twice; `html` is as the sender wrote it and not to be trusted."""

    number: int
    received_ms: int
    sender: str
    recipients: tuple[str, ...]
    subject: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str | None


class Mailbox:
    """The mails, and the server that takes them in on a socket that is bound already, so that its port is known before."""

    def __init__(self, listener: socket.socket, clock: Clock) -> None:
        self._listener = listener
        self._clock = clock
        self._mails: deque[Mail] = deque(maxlen=MAILS_MAX)
        self._count = 0
        self.port: int = listener.getsockname()[1]

    def close(self) -> None:
        """Let go of the socket."""
        self._listener.close()

    def mails(self) -> Iterator[Mail]:
        """What is kept, the newest first."""
        return reversed(self._mails)

    def mail(self, number: int) -> Mail | None:
        """The mail of that number, where it is still kept."""
        return next((mail for mail in self._mails if mail.number == number), None)

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Take mails in while the context lasts."""
        loop = asyncio.get_running_loop()
        # The library tells the whole conversation, with the customers' addresses.
        logging.getLogger("mail.log").setLevel(logging.WARNING)

        def connection() -> SMTP:
            return SMTP(
                self, data_size_limit=MAIL_BYTES_MAX, enable_SMTPUTF8=True, hostname="mail.localhost", loop=loop
            )

        server = await loop.create_server(connection, sock=self._listener)
        try:
            yield
        finally:
            server.close()

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Called by the SMTP server with a whole mail."""
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        self.take(content, str(envelope.mail_from or ""), tuple(map(str, envelope.rcpt_tos)))
        return "250 taken"

    def take(self, content: bytes, sender: str, recipients: tuple[str, ...]) -> Mail:
        """Keep a mail, given as its bytes."""
        message = message_from_bytes(content, policy=SMTP_POLICY)
        assert isinstance(message, EmailMessage), "the policy makes EmailMessages"
        self._count += 1
        mail = Mail(
            number=self._count,
            received_ms=self._clock.now_ms(),
            sender=str(message.get("From", sender)),
            recipients=recipients,
            subject=str(message.get("Subject", "")),
            headers=tuple((name, str(value)) for name, value in message.items()),
            text=_part(message, "plain") or "",
            html=_part(message, "html"),
        )
        self._mails.append(mail)
        return mail


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    content = part.get_content()
    return content if isinstance(content, str) else None
