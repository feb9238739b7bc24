"""An SMTP connection that is open and logged in: one mail transaction after the other, with as few round trips as the server allows.

Where the server offers PIPELINING (RFC 2920), the addresses and DATA go out at once and the answers come back at once. It opens nothing
and decides nothing: `smtp` does, with aiosmtplib for TLS and login, and hands the transport over.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from libs.common.errors import CentralinoError

REPLY_BYTES_MAX: Final = 64 * 1024
_FIRST_DOT: Final = re.compile(rb"(?m)^\.")
_LONE_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f<>]")
_CODE_CHARS: Final = 3
_CLOSING: Final = 421


class SessionLostError(CentralinoError):
    """The connection is gone, or what comes on it makes no sense, or nothing comes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said."""

    code: int
    text: str


class SmtpSession(asyncio.Protocol):
    """See the module. One task at a time; after SessionLostError, and after an answer that nobody awaited, it is of no use any more."""

    def __init__(self, transport: asyncio.Transport, *, pipelining: bool, international: bool) -> None:
        """`pipelining`, `international`: whether the server offers PIPELINING and SMTPUTF8."""
        self.pipelining: Final = pipelining
        self.international: Final = international
        self.mails = 0
        self._transport: Final = transport
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._replies: list[Reply] = []
        self._awaited = 0
        self._waiting: asyncio.Future[list[Reply]] | None = None
        self._lost = False
        transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Whether nothing speaks against another mail on it."""
        return not (self._lost or self._awaited or self._transport.is_closing())

    async def begin(
        self, sender: str, recipients: Sequence[str], *, international: bool, timeout_s: float
    ) -> tuple[Reply, list[Reply], Reply | None]:
        """MAIL, RCPT for each and, where the server allows it in one go, DATA: the answers. Where the sender is refused, there may be
        no others.

        Raises SessionLostError, and ValueError for addresses that no command can hold.
        """
        encoding = "utf-8" if international else "ascii"
        mail = f"MAIL FROM:<{_clean(sender)}>{' SMTPUTF8' if international else ''}\r\n".encode(encoding)
        addressed = [f"RCPT TO:<{_clean(address)}>\r\n".encode(encoding) for address in recipients]
        if self.pipelining:
            first, *others = await self._ask([mail, *addressed, b"DATA\r\n"], timeout_s)
            return first, others[:-1], others[-1]
        (first,) = await self._ask([mail], timeout_s)
        if not is_yes(first):
            return first, [], None
        return first, [(await self._ask([line], timeout_s))[0] for line in addressed], None

    async def go_on(self, timeout_s: float) -> Reply:
        """DATA, where it was not sent with the addresses. Raises SessionLostError."""
        return (await self._ask([b"DATA\r\n"], timeout_s))[0]

    async def hand_over(self, content: bytes, timeout_s: float) -> Reply:
        """The mail itself, after DATA was answered with 354. Raises SessionLostError."""
        self.mails += 1
        return (await self._ask([prepare_content(content)], timeout_s, closing=True))[0]

    async def reset(self, timeout_s: float) -> bool:
        """Forget what was begun; False where the connection is of no use any more."""
        try:
            (reply,) = await self._ask([b"RSET\r\n"], timeout_s)
        except SessionLostError:
            return False
        return is_yes(reply)

    async def leave(self, timeout_s: float) -> None:
        """Say good-bye and close."""
        try:
            if self.usable:
                await self._ask([b"QUIT\r\n"], timeout_s)
        except SessionLostError:
            pass
        finally:
            self.drop()

    def drop(self) -> None:
        """Close without a word."""
        self._lose("closed")
        self._transport.abort()

    async def _ask(self, commands: Sequence[bytes], timeout_s: float, *, closing: bool = False) -> list[Reply]:
        """The answers, one each. That the server is going down is an answer where `closing` says so."""
        if not self.usable:
            raise SessionLostError("the connection is gone")
        self._awaited = len(commands)
        self._waiting = waiting = asyncio.get_running_loop().create_future()
        self._transport.write(b"".join(commands))
        try:
            async with asyncio.timeout(timeout_s):
                replies: list[Reply] = await waiting
        except TimeoutError:
            self._lose("no answer")
            raise SessionLostError("no answer") from None
        finally:
            self._waiting = None
        if replies[-1].code == _CLOSING and not closing:
            self._lose("the server is going down")
            raise SessionLostError(f"the mail server answered {_CLOSING}")
        return replies

    # Called by the event loop.

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self._buffer += data
        if len(self._buffer) > REPLY_BYTES_MAX:
            self._lose("an answer without end")
            return
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            self._take(bytes(line.rstrip(b"\r")))

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._lose("connection lost" if exc is None else type(exc).__name__)

    def eof_received(self) -> None:
        """The server will say nothing more."""
        self._lose("connection lost")

    def _take(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._lines) * _CODE_CHARS > REPLY_BYTES_MAX:
            self._lose("an answer without end")
            return
        if line[_CODE_CHARS : _CODE_CHARS + 1] == b"-":
            return
        lines, self._lines = self._lines, []
        code = line[:_CODE_CHARS]
        if not (len(code) == _CODE_CHARS and code.isdigit()):
            self._lose("no answer of a mail server")
            return
        text = "\n".join(part[_CODE_CHARS + 1 :].decode("utf-8", "replace") for part in lines)
        self._replies.append(Reply(int(code), text))
        if not self._awaited:
            # A server that goes away says so unasked (421).
            self._lose("an answer to nothing")
        elif len(self._replies) == self._awaited or int(code) == _CLOSING:
            replies, self._replies, self._awaited = self._replies, [], 0
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(replies)

    def _lose(self, reason: str) -> None:
        self._lost = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(SessionLostError(reason))


def prepare_content(content: bytes) -> bytes:
    """A mail as it follows DATA (RFC 5321, 4.5.2): lines that begin with a dot get another one, and a dot ends it."""
    if content.count(b"\n") != content.count(b"\r\n") or content.count(b"\r") != content.count(b"\r\n"):
        content = _LONE_LINE_END.sub(b"\r\n", content)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return _FIRST_DOT.sub(b"..", content) + b".\r\n"


def _clean(address: str) -> str:
    if _FORBIDDEN.search(address):
        raise ValueError("an address that no command can hold")
    return address


def is_yes(reply: Reply) -> bool:
    """Whether the server did what it was asked for."""
    return 200 <= reply.code < 300
