"""A real mail server for tests: it keeps what it accepts, refuses what it is told to refuse, and can go and come back.

It runs in a thread of its own, so that it answers whatever the test's event loop does. Called by the fixture `mail_server`.
"""

import asyncio
import email
import email.policy
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Literal, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.waiting import eventually

Moment = Literal["sender", "recipient", "data"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """One mail that the server has taken over."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail with its headers and bodies, parsed."""
        return email.message_from_bytes(self.content, policy=email.policy.default)

    @property
    def message_id(self) -> str:
        """The Message-ID with its angle brackets; empty without one."""
        return str(self.message["Message-ID"] or "")

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(self.message["Subject"] or "")


@dataclass(slots=True, kw_only=True)
class _Refusal:
    """One order to refuse; `left` counts down, None is for ever."""

    moment: Moment
    address: str | None
    reply: str
    left: int | None

    def matches(self, moment: Moment, addresses: list[str]) -> bool:
        if self.moment != moment or self.left == 0:
            return False
        return self.address is None or self.address.lower() in (address.lower() for address in addresses)


class MailServer:
    """An SMTP server on 127.0.0.1, on one port as long as the object lives.

    With `login` (user, password) it wants that login before it takes a mail; with `pipelining` it says that several commands may come at
    once. Its methods may be called from any thread.
    """

    def __init__(self, login: tuple[str, str] | None = None, *, pipelining: bool = False) -> None:
        """Not started yet; `start` or the context manager does that."""
        self._login = login
        self.pipelining = pipelining
        self._lock = threading.Lock()
        self._mails: list[ReceivedMail] = []
        self._refusals: list[_Refusal] = []
        self._lost_replies = 0
        self._thread: _ServerThread | None = None
        self.host = "127.0.0.1"
        self.port = 0

    @property
    def url(self) -> str:
        """As Centralino's settings take it: `smtp://[user:password@]127.0.0.1:port`."""
        login = "" if self._login is None else f"{self._login[0]}:{self._login[1]}@"
        return f"smtp://{login}{self.host}:{self.port}"

    @property
    def wants_login(self) -> bool:
        """Whether it takes a mail only after a login."""
        return self._login is not None

    @property
    def mails(self) -> tuple[ReceivedMail, ...]:
        """What it has accepted so far, the oldest first."""
        with self._lock:
            return tuple(self._mails)

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one each later time."""
        assert self._thread is None, "the mail server runs already"
        thread = _ServerThread(self)
        thread.start()
        self.port = thread.wait_until_listening()
        self._thread = thread

    def stop(self) -> None:
        """Close the port and cut off whoever is connected; the mails stay. Nothing when it does not run."""
        if self._thread is not None:
            self._thread.end()
            self._thread = None

    def clear(self) -> None:
        """Forget the mails."""
        with self._lock:
            self._mails.clear()

    def refuse(
        self,
        reply: str = "550 5.1.1 no such mailbox",
        *,
        at: Moment = "recipient",
        address: str | None = None,
        times: int | None = None,
    ) -> None:
        """Answer `reply` (code and text; 4xx means later, 5xx never) `at` that moment, `times` times, None for ever.

        `address` keeps it to one sender or recipient; at `data` it is any of the mail's recipients.
        """
        with self._lock:
            self._refusals.append(_Refusal(moment=at, address=address, reply=reply, left=times))

    def lose_reply(self, times: int = 1) -> None:
        """Take over the next mails but close the connection instead of saying so: the sender cannot know."""
        with self._lock:
            self._lost_replies += times

    def accept_all(self) -> None:
        """Forget every order to refuse and to lose replies."""
        with self._lock:
            self._refusals.clear()
            self._lost_replies = 0

    async def wait_for(self, predicate: Callable[[ReceivedMail], bool], timeout_s: float = 20) -> ReceivedMail:
        """The first mail, of those there and those to come, that `predicate` takes. `AssertionError` when none comes in time."""

        def found() -> ReceivedMail | None:
            return next((mail for mail in self.mails if predicate(mail)), None)

        try:
            mail = await eventually(found, timeout_s)
        except AssertionError:
            subjects = [(mail.recipients, mail.subject) for mail in self.mails]
            raise AssertionError(f"no such mail within {timeout_s} s; there are: {subjects}") from None
        assert mail is not None
        return mail

    def refusal(self, moment: Moment, addresses: list[str]) -> str | None:
        """For the handler: what to answer instead of yes."""
        with self._lock:
            for refusal in self._refusals:
                if refusal.matches(moment, addresses):
                    if refusal.left is not None:
                        refusal.left -= 1
                    return refusal.reply
        return None

    def keep(self, mail: ReceivedMail) -> bool:
        """For the handler: keep the mail. False when the sender shall not learn of it."""
        with self._lock:
            self._mails.append(mail)
            if self._lost_replies == 0:
                return True
            self._lost_replies -= 1
            return False

    def session(self, loop: asyncio.AbstractEventLoop) -> SMTP:
        """For the thread: the protocol of one new connection."""
        return SMTP(
            _Handler(self),
            hostname="localhost",
            loop=loop,
            enable_SMTPUTF8=True,
            authenticator=self._authenticate if self._login is not None else None,
            auth_require_tls=False,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        assert self._login is not None
        user, password = self._login
        success = (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=success, handled=False)  # Not handled: aiosmtpd is to say so to the client.

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Handler:
    """What aiosmtpd asks at each step; one per connection."""

    def __init__(self, mail_server: MailServer) -> None:
        self._mail_server = mail_server

    async def handle_EHLO(  # noqa: N802  # the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]] if self._mail_server.pipelining else responses

    async def handle_MAIL(  # noqa: N802  # the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        # Here and not by aiosmtpd's `auth_required`, which warns about a login without TLS.
        if self._mail_server.wants_login and not session.authenticated:
            return "530 5.7.0 authentication required"
        reply = self._mail_server.refusal("sender", [address])
        if reply is not None:
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802  # the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self._mail_server.refusal("recipient", [address])
        if reply is not None:
            return reply
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  # the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        recipients = [str(address) for address in envelope.rcpt_tos]
        reply = self._mail_server.refusal("data", recipients)
        if reply is not None:
            return reply
        content = envelope.content
        assert isinstance(content, bytes)
        mail = ReceivedMail(sender=str(envelope.mail_from or ""), recipients=tuple(recipients), content=content)
        if not self._mail_server.keep(mail):
            _cut_off(server)
        return "250 OK"


def _cut_off(connection: SMTP) -> None:
    """Close the connection at once, with nothing more said."""
    if isinstance(connection.transport, asyncio.WriteTransport):
        connection.transport.abort()


class _ServerThread(threading.Thread):
    """An event loop in a thread, with one listening socket. aiosmtpd's own controller cannot tell the port that it bound."""

    def __init__(self, mail_server: MailServer) -> None:
        super().__init__(name="mail-server", daemon=True)
        self._mail_server = mail_server
        self._listening: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None

    def wait_until_listening(self) -> int:
        """The port. The error of the bind, where that failed."""
        return self._listening.result(timeout=30)

    def end(self) -> None:
        """Close everything and wait for the thread."""
        assert self._loop is not None
        assert self._ending is not None
        self._loop.call_soon_threadsafe(self._ending.set)
        self.join()

    def run(self) -> None:
        """The thread's work, until `end`."""
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._listening.set_exception(error)

    async def _serve(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        connections: list[SMTP] = []

        def connect() -> SMTP:
            connections.append(self._mail_server.session(loop))
            return connections[-1]

        server = await loop.create_server(connect, self._mail_server.host, self._mail_server.port)
        self._listening.set_result(server.sockets[0].getsockname()[1])
        await self._ending.wait()
        server.close()
        for connection in connections:
            _cut_off(connection)
        await server.wait_closed()
