"""A form's fields and files out of a request's bytes: `application/x-www-form-urlencoded` and `multipart/form-data`.

Pure: everything is in memory already and bounded by the route's limit. The adapters and the web forms' route call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.ingest.channels.port import InboundRequest, MalformedError
from services.ingest.channels.text import decode_text

FIELDS_MAX: Final = 1_000
_MEMO: Final = "form"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFile:
    """A file of a multipart form. `name` is the field's name."""

    name: str
    file_name: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form's fields in their order, as bytes, because a signature is over bytes; and its files."""

    pairs: tuple[tuple[bytes, bytes], ...] = ()
    files: tuple[FormFile, ...] = ()

    def text(self, name: str) -> str | None:
        """The last field of that name as text; None where it is missing or empty."""
        wanted = name.encode()
        for key, value in reversed(self.pairs):
            if key == wanted:
                return decode_text(value, "utf-8") or None
        return None

    def texts(self) -> dict[str, str]:
        """Every field as text; of repeated ones the last."""
        return {decode_text(key, "utf-8"): decode_text(value, "utf-8") for key, value in self.pairs}


def read_form(request: InboundRequest) -> Form:
    """The form in a request's body; a missing content type is read as urlencoded. Parsed once, however often it is asked for.

    Raises MalformedError as `parse_form` does.
    """
    form = request.memo.get(_MEMO)
    if form is None:
        form = request.memo[_MEMO] = parse_form(request.headers, request.body)
    return form


def parse_form(headers: Mapping[str, str], body: bytes) -> Form:
    """The form in the body, by its content type; a missing content type is read as urlencoded.

    Raises MalformedError where the body is no form or has more than FIELDS_MAX fields.
    """
    content_type, options = parse_options_header(headers.get("content-type", "").encode("latin-1", "replace"))
    if content_type in (b"application/x-www-form-urlencoded", b""):
        return Form(pairs=parse_urlencoded(body))
    if content_type == b"multipart/form-data":
        return _parse_multipart(body, options.get(b"boundary", b""))
    raise MalformedError("content-type", "neither application/x-www-form-urlencoded nor multipart/form-data")


def parse_urlencoded(body: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The pairs of an urlencoded body, blank values kept (a signature is over them too). Raises MalformedError when too many."""
    if body.count(b"&") >= FIELDS_MAX:
        raise MalformedError("body", f"more than {FIELDS_MAX} fields")
    pairs = []
    for part in body.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_unquote(name), _unquote(value)))
    return tuple(pairs)


def _unquote(quoted: bytes) -> bytes:
    spaced = quoted.replace(b"+", b" ")
    return unquote_to_bytes(spaced) if b"%" in spaced else spaced


def _parse_multipart(body: bytes, boundary: bytes) -> Form:
    if not boundary:
        raise MalformedError("content-type", "multipart without a boundary")
    collected = _Parts()
    try:
        parser = MultipartParser(boundary, collected.callbacks())  # type: ignore[arg-type] # its TypedDict wants each name spelt out.
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise MalformedError("body", "not a well-formed multipart body") from error
    if not collected.complete:
        raise MalformedError("body", "the multipart body has no end")
    return Form(pairs=tuple(collected.pairs), files=tuple(collected.files))


class _Parts:
    """Collects what the parser calls out."""

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []
        self.files: list[FormFile] = []
        self.complete = False
        self._headers: dict[bytes, bytes] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._data = bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": lambda data, start, end: self._data.extend(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        if len(self.pairs) + len(self.files) >= FIELDS_MAX:
            raise MalformedError("body", f"more than {FIELDS_MAX} fields")
        self._headers = {}
        self._data = bytearray()

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"")
        if b"filename" in options:
            content_type = self._headers.get(b"content-type", b"application/octet-stream")
            self.files.append(
                FormFile(
                    name=decode_text(name, "utf-8"),
                    file_name=decode_text(options[b"filename"], "utf-8"),
                    content_type=decode_text(content_type, "latin-1"),
                    data=bytes(self._data),
                )
            )
        else:
            self.pairs.append((name, bytes(self._data)))

    def _finish(self) -> None:
        self.complete = True
