"""A mail server that takes every mail and keeps only the Message-IDs and the times: it must cost less than what it measures.

It speaks as much SMTP (RFC 5321) as a client needs that delivers: no TLS, no login. Used by the benchmarks that run the services.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, cast

_MESSAGE_ID: Final = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?<([^>@]+)@", re.IGNORECASE | re.MULTILINE)
_END: Final = b"\r\n.\r\n"
_GREETING: Final = b"220 localhost ESMTP\r\n"
_EXTENSIONS: Final = b"250-localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 50000000\r\n"
_OK: Final = b"250 2.0.0 OK\r\n"
_ANSWERS: Final = {b"EHLO": _EXTENSIONS, b"DATA": b"354 go on\r\n", b"QUIT": b"221 2.0.0 bye\r\n"}


class MailSink:
    """The server; a context manager. `on_mail(id, taken_s)` is called with the left part of each mail's Message-ID."""

    def __init__(self, on_mail: Callable[[str, float], None] = lambda _id, _taken_s: None) -> None:
        self.on_mail = on_mail
        self.mails = 0
        self.url = ""
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.url = f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()

    def take(self, mail: bytes) -> None:
        """A whole mail has come."""
        self.mails += 1
        found = _MESSAGE_ID.search(mail)
        if found is not None:
            self.on_mail(found[1].decode("ascii", "replace"), time.perf_counter())


class _Connection(asyncio.Protocol):
    def __init__(self, sink: MailSink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._in_mail = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name.
        self._transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take_mail() if self._in_mail else self._take_line():
            pass

    def _take_mail(self) -> bool:
        end = self._buffer.find(_END)
        if end < 0:
            return False
        mail = bytes(self._buffer[: end + 2])
        del self._buffer[: end + len(_END)]
        self._in_mail = False
        self._sink.take(mail)
        self._answer(_OK)
        return True

    def _take_line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        verb = bytes(self._buffer[:4]).upper()
        del self._buffer[: end + 2]
        self._in_mail = verb == b"DATA"
        self._answer(_ANSWERS.get(verb, _OK))
        if verb == b"QUIT" and self._transport is not None:
            self._transport.close()
        return True

    def _answer(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)
