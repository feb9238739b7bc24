"""Twilio's signature of a webhook: base64 of HMAC-SHA1 over the public URL and the sorted parameters, keyed with the auth token.

Pure. Called by the Twilio adapter. https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from services.ingest.channels.form import read_form
from services.ingest.channels.port import InboundRequest, MalformedError, SignatureInvalidError

_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def sign_request(token: str, url: str, pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The signature for a URL and its form parameters, as it stands in `X-Twilio-Signature`.

    A parameter that comes several times goes in with each of its different values, sorted.
    """
    signed = bytearray(url.encode("utf-8", "surrogatepass"))
    for name, value in sorted(set(pairs)):
        signed += name + value
    return base64.b64encode(hmac.new(token.encode(), bytes(signed), hashlib.sha1).digest())


def verify_signature(request: InboundRequest, token: str | None) -> None:
    """Check a webhook's signature. Raises SignatureInvalidError.

    Which port Twilio takes into the URL is not the same for every kind of call, so that both spellings count.
    A body that is no form is covered by its SHA-256 in the query, which the signature covers with the URL.
    """
    given = request.headers.get("x-twilio-signature", "").encode("utf-8", "surrogatepass")
    if not token or not given:
        raise SignatureInvalidError("X-Twilio-Signature is missing, or the account has no auth token")
    body_digest = dict(request.query).get("bodySHA256")
    pairs: tuple[tuple[bytes, bytes], ...] = ()
    if body_digest is not None:
        actual = hashlib.sha256(request.body).hexdigest().encode()
        if not hmac.compare_digest(body_digest.lower().encode("utf-8", "surrogatepass"), actual):
            raise SignatureInvalidError("the body is not the one that bodySHA256 was made of")
    else:
        pairs = read_pairs(request)
    # Every spelling is tried before the answer, so that the time taken says nothing about which one came close.
    matches = [hmac.compare_digest(given, sign_request(token, url, pairs)) for url in _spellings(request.url)]
    if not any(matches):
        raise SignatureInvalidError("the signature does not match; the public URL must be the one that Twilio calls")


def read_pairs(request: InboundRequest) -> tuple[tuple[bytes, bytes], ...]:
    """The body's parameters; none for a GET, whose parameters are in the URL. Raises SignatureInvalidError where it is no form."""
    if request.method == "GET" or not request.body:
        return ()
    try:
        return read_form(request).pairs
    except MalformedError as error:
        raise SignatureInvalidError("the body is not a form, and there is no bodySHA256") from error


def _spellings(url: str) -> tuple[str, ...]:
    """The URL as called, with its port left out, and with the scheme's port put in where it has none."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        return (url,)
    default = _DEFAULT_PORTS.get(parts.scheme)
    if host is None or default is None:
        return (url,)
    if port is not None:
        return (url, _with_port(url, parts, None))
    return (url, _with_port(url, parts, default))


def _with_port(url: str, parts: SplitResult, port: int | None) -> str:
    # Put together by hand: urlunsplit would lose an empty query's question mark and with it the signature.
    host = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    start = url.index("//") + 2
    return f"{url[:start]}{host if port is None else f'{host}:{port}'}{url[start + len(parts.netloc) :]}"
