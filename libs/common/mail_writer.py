"""Writes mails as bytes: text and HTML side by side, files beside them, and the headers that a firm's mail has.

For mails of which all parts are known. The standard library's email package parses and folds every header as if it came from anywhere,
which costs more than all else that becomes of the mail. Formats: RFC 5322 (headers), RFC 2047 (words that are not ASCII),
RFC 2045 and 2046 (bodies), RFC 2231 (names of files). Pure. Used by whoever sends.
"""

from __future__ import annotations

import re
from base64 import b64encode, encodebytes
from binascii import b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from functools import lru_cache
from typing import Final
from urllib.parse import quote

_LINE_CHARS: Final = 76
# An encoded word has 75 characters at most: 12 around it, and base64 makes four of three.
_WORD_BYTES: Final = 45
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_CONTENT_TYPE: Final = re.compile(r"[a-z0-9]+/[a-z0-9.+-]+")
_CHARSET: Final = "utf-8''"
_CHUNK_CHARS: Final = 60
_ID: Final = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]+>")
_DOT_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+"
_PLAIN_ADDRESS: Final = re.compile(
    rf"{_DOT_ATOM}(?:\.{_DOT_ATOM})*@[A-Za-z0-9\u00a1-\U0010ffff](?:[A-Za-z0-9.\u00a1-\U0010ffff-]*)"
)

Header = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFile:
    """A file of a mail. `name`: one line. `content_type`: what is none counts as bytes of any kind."""

    name: str
    content_type: str
    content: bytes


def write_mail(
    headers: Sequence[Header], text: str, html: str, *, boundary: str, files: Sequence[MailFile] = ()
) -> bytes:
    """The mail, with CRLF and, but for addresses that are not, in ASCII. `headers`: names, and values as the functions below make them.
    `boundary`: letters, digits and underscores, another for each mail.
    """
    # No quoted-printable or base64 line holds "=_", and no header of a part.
    inner, outer = f"=_{boundary}", f"=_f_{boundary}"
    lines = [*(f"{name}: {value}" for name, value in headers), "MIME-Version: 1.0"]
    if files:
        lines += [f'Content-Type: multipart/mixed;\r\n boundary="{outer}"', "", f"--{outer}"]
    lines += [f'Content-Type: multipart/alternative;\r\n boundary="{inner}"', "", f"--{inner}"]
    lines += [_part("plain", text), f"--{inner}", _part("html", html), f"--{inner}--", ""]
    if not files:
        return "\r\n".join(lines).encode()
    parts = ["\r\n".join(lines).encode()]
    parts += [b"--%b\r\n%b" % (outer.encode(), _file(file)) for file in files]
    return b"".join((*parts, b"--%b--\r\n" % outer.encode()))


def address_header(display_name: str, address: str) -> str:
    """The value of From, To or Reply-To. Raises ValueError or one of its kind for what is no address."""
    if _PLAIN_ADDRESS.fullmatch(address) is None:
        address = Address(addr_spec=address).addr_spec
    name = _phrase(" ".join(display_name.split()))
    if not name:
        return address
    separator = " " if len(name) + len(address) < _LINE_CHARS - 12 else "\r\n "
    return f"{name}{separator}<{address}>"


def text_header(text: str) -> str:
    """The value of a header that is free text, such as Subject."""
    if len(text) <= _LINE_CHARS - 12 and _PRINTABLE.fullmatch(text) and "=?" not in text:
        return text
    return _encoded_words(text)


def ids_header(ids: Sequence[str]) -> str:
    """The value of In-Reply-To or References: the ids with their angle brackets, one a line. Those that no header can hold are left out.

    An id is never folded or encoded, however long: no mail program would know it again.
    """
    return "\r\n ".join(one for one in ids if _ID.fullmatch(one))


@lru_cache(maxsize=256)
def _phrase(name: str) -> str:
    if len(name) <= _LINE_CHARS - 12 and "=?" not in name:
        if _ATOMS.fullmatch(name):
            return name
        if _PRINTABLE.fullmatch(name):
            quoted = name.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{quoted}"'
    return _encoded_words(name)


def _encoded_words(text: str) -> str:
    words: list[str] = []
    chunk = bytearray()
    for char in text:
        # What no encoder takes (half of a surrogate pair) must not keep the mail from going out.
        encoded = char.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > _WORD_BYTES:
            words.append(b64encode(chunk).decode())
            chunk.clear()
        chunk += encoded
    words.append(b64encode(chunk).decode())
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in words)


def _part(subtype: str, text: str) -> str:
    content = "\r\n".join(text.splitlines())
    encoding = "7bit"
    if not content.isascii() or any(len(line) > _LINE_CHARS for line in content.split("\r\n")):
        # A line end at the end tells the encoder which kind of them there is.
        content = b2a_qp(f"{content}\r\n".encode("utf-8", "replace"), istext=True).decode().removesuffix("\r\n")
        encoding = "quoted-printable"
    return (
        f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{content}\r\n'
    )


def _file(file: MailFile) -> bytes:
    content_type = file.content_type.lower()
    # Of a mail or a part only the bytes go out, so that nothing in them is taken for a part of this mail.
    if _CONTENT_TYPE.fullmatch(content_type) is None or content_type.startswith(("message/", "multipart/")):
        content_type = "application/octet-stream"
    lines = [
        f"Content-Type: {content_type}",
        f"Content-Disposition: attachment;{_file_name(file.name)}",
        "Content-Transfer-Encoding: base64",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + encodebytes(file.content).replace(b"\n", b"\r\n")


def _file_name(name: str) -> str:
    if len(name) < _LINE_CHARS - 20 and _ATOMS.fullmatch(name):
        return f'\r\n filename="{name}"'
    quoted = quote(name, safe="", errors="replace")
    chunks = [quoted[start : start + _CHUNK_CHARS] for start in range(0, len(quoted), _CHUNK_CHARS)] or [""]
    if len(chunks) == 1:
        return f"\r\n filename*={_CHARSET}{quoted}"
    return ";".join(
        f"\r\n filename*{number}*={'' if number else _CHARSET}{chunk}" for number, chunk in enumerate(chunks)
    )
