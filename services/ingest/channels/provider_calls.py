"""One call to a provider's API, with everything that can go wrong with it made into the port's two kinds of error.

It knows no provider. The error messages hold no URL, because Telegram's holds the bot's token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from services.ingest.channels.payload import JsonObject, integer_of, object_of, parse_object
from services.ingest.channels.port import MalformedError, ProviderUnavailableError

TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)
_RETRY_AFTER_MAX_S: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReply:
    """What the provider answered: its status and its JSON object, which is empty where it sent something else."""

    status: int
    fields: JsonObject


async def call_provider(
    client: httpx.AsyncClient,
    url: str,
    *,
    data: Mapping[str, str] | None = None,
    json: Mapping[str, Any] | None = None,
    files: Mapping[str, tuple[str, bytes, str]] | None = None,
    auth: tuple[str, str] | None = None,
) -> ProviderReply:
    """POST once, following no redirect.

    Raises ProviderUnavailableError where there is no answer, or one of 408, 425, 429 or 5xx. After a lost answer nobody knows whether
    the provider took it; the caller's guarantee says what follows from that.
    """
    try:
        response = await client.post(
            url,
            data=data,
            json=json,
            files=files,
            auth=httpx.BasicAuth(*auth) if auth else httpx.USE_CLIENT_DEFAULT,
            timeout=TIMEOUT,
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderUnavailableError(f"the provider does not answer: {type(error).__name__}") from error
    try:
        fields = parse_object(response.content)
    except MalformedError:
        fields = {}
    if response.status_code in (408, 425, 429) or response.status_code >= 500:
        raise ProviderUnavailableError(
            f"the provider answered {response.status_code}",
            retry_after_ms=read_retry_after_ms(response.headers, fields),
        )
    return ProviderReply(status=response.status_code, fields=fields)


def read_retry_after_ms(headers: Mapping[str, str], fields: JsonObject | None) -> int | None:
    """The wait that the provider asks for, in the header or (Telegram) in the body; a date in the header is left to the back-off."""
    told = integer_of(object_of(fields or {}, "parameters") or {}, "retry_after")
    text = str(told) if told is not None else headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        return None
    return min(int(text), _RETRY_AFTER_MAX_S) * 1000
