"""Fetches attachments that a provider only pointed at, into the blob store under the attachment's id.

The URLs come from outside and are not trusted: only https to public addresses, connected to at the address that was checked, every
redirect checked anew, credentials to the provider's own hosts alone, and a limit on size and time. It must not put a URL into an
error or a log: Telegram's holds the bot's token. The ingest service's worker calls it; fetching twice is harmless.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urljoin

import httpx

from libs.common.blobs import BlobStore
from libs.common.errors import OutageError, RefusedError
from libs.common.events.message import Attachment
from services.ingest.channels.payload import object_of, parse_object, text_of
from services.ingest.channels.port import AccountContext, MalformedError
from services.ingest.channels.provider_calls import read_retry_after_ms
from services.ingest.channels.telegram import REMOTE_PREFIX
from services.ingest.channels.text import clean_line
from services.ingest.media_addresses import AddressRefusedError, Resolve, choose_address, resolve_host

MEDIA_BYTES_MAX: Final = 36 * 1024 * 1024
REDIRECTS_MAX: Final = 5
TOTAL_TIMEOUT_S: Final = 120.0
_ANSWER_BYTES_MAX: Final = 100_000
_UNTYPED: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
# Whose hosts may see an account's credentials.
_OWN_DOMAINS: Final = {"twilio": ("twilio.com",), "mailgun": ("mailgun.net", "mailgun.org")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The bytes are in the blob store."""

    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFetchable:
    """It cannot be fetched, now or later. `reason` is for the agent and holds no URL."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TryLater:
    """It may be fetched later."""

    reason: str
    retry_after_ms: int | None = None


MediaOutcome = Fetched | NotFetchable | TryLater


class _RefusedMediaError(RefusedError):
    """The attachment cannot be fetched."""


class _BusyMediaError(OutageError):
    """The attachment cannot be fetched now."""

    def __init__(self, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class _Download:
    content: bytes
    content_type: str


def open_media_client() -> httpx.AsyncClient:
    """The client for `MediaFetcher`: no proxy from the environment, no redirects, and no connection used for two hosts.

    A kept connection is found again by its address, which several hosts can share, and would carry one's request on another's certificate.
    """
    return httpx.AsyncClient(
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(20.0, connect=5.0),
        limits=httpx.Limits(max_keepalive_connections=0, max_connections=20),
    )


class MediaFetcher:
    """Fetches one attachment at a call. `client` comes from `open_media_client`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        blobs: BlobStore,
        *,
        bytes_max: int = MEDIA_BYTES_MAX,
        timeout_s: float = TOTAL_TIMEOUT_S,
        resolve: Resolve = resolve_host,
    ) -> None:
        self._client = client
        self._blobs = blobs
        self._bytes_max = bytes_max
        self._timeout_s = timeout_s
        self._resolve = resolve

    async def fetch(self, attachment: Attachment, account: AccountContext) -> MediaOutcome:
        """Fetch a remote attachment and keep it. Returns when the bytes are durable, or with why they are not."""
        if attachment.remote is None:
            return NotFetchable(reason="The attachment has no address to fetch it from.")
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._download(attachment.remote, account)
            content_type = attachment.content_type if found.content_type in _UNTYPED else found.content_type
            await self._blobs.put(attachment.id, found.content, content_type)
        except (_RefusedMediaError, AddressRefusedError) as error:
            return NotFetchable(reason=str(error))
        except _BusyMediaError as error:
            return TryLater(reason=str(error), retry_after_ms=error.retry_after_ms)
        except TimeoutError:
            return TryLater(reason="The download took too long.")
        except OutageError as error:
            return TryLater(reason=str(error))
        except httpx.HTTPError as error:
            return TryLater(reason=f"The download failed: {type(error).__name__}.")
        return Fetched(size_bytes=len(found.content), content_type=content_type)

    async def _download(self, remote: str, account: AccountContext) -> _Download:
        url = remote
        if remote.startswith(REMOTE_PREFIX):
            url = await self._find_telegram_file(remote.removeprefix(REMOTE_PREFIX), account)
        for _ in range(REDIRECTS_MAX + 1):
            answer = await self._get(url, account, self._bytes_max)
            if isinstance(answer, _Download):
                return answer
            url = answer
        raise _RefusedMediaError("The download was redirected too often.")

    async def _find_telegram_file(self, file_id: str, account: AccountContext) -> str:
        """Ask where the file is; the answer holds for an hour. https://core.telegram.org/bots/api#getfile"""
        base = f"{account.api_url}/bot{account.token}"
        found = await self._get(f"{base}/getFile?file_id={quote(file_id, safe='')}", account, _ANSWER_BYTES_MAX)
        try:
            fields = parse_object(found.content if isinstance(found, _Download) else b"")
        except MalformedError as error:
            raise _BusyMediaError("Telegram did not say where the file is.") from error
        path = text_of(object_of(fields, "result") or {}, "file_path")
        if path is None or ".." in path:
            raise _RefusedMediaError("Telegram does not give the file out.")
        return f"{account.api_url}/file/bot{account.token}/{quote(path)}"

    async def _get(self, url: str, account: AccountContext, bytes_max: int) -> _Download | str:
        """One request: the content, or where it was redirected to."""
        target = _parse_url(url)
        request = await self._request(target, account)
        async with aclosing(await self._client.send(request, stream=True)) as response:
            if response.is_redirect:
                try:
                    return urljoin(url, str(response.headers.get("location", "")))
                except ValueError as error:
                    raise _RefusedMediaError("The download was redirected to no address.") from error
            _check_status(response)
            content = await _read(response, bytes_max)
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return _Download(content=content, content_type=clean_line(content_type, 200))

    async def _request(self, target: httpx.URL, account: AccountContext) -> httpx.Request:
        headers = {"Host": target.netloc.decode("ascii"), "Accept": "*/*", "Accept-Encoding": "identity"}
        extensions: dict[str, object] = {}
        connect_to = target
        if not _is_configured(target, account):
            if target.scheme != "https" or target.port not in (None, 443):
                raise _RefusedMediaError("Only https addresses are fetched.")
            address = await choose_address(target.host, 443, self._resolve)
            connect_to = target.copy_with(host=address)
            extensions["sni_hostname"] = target.host
        request = self._client.build_request(
            "GET", connect_to.copy_with(username=None, password=None), headers=headers, extensions=extensions
        )
        credentials = _credentials(target, account)
        if credentials is not None:
            request.headers["Authorization"] = next(httpx.BasicAuth(*credentials).auth_flow(request)).headers[
                "Authorization"
            ]
        return request


def _parse_url(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, UnicodeError) as error:
        raise _RefusedMediaError("The attachment's address is no web address.") from error
    if target.scheme not in ("https", "http") or not target.host:
        raise _RefusedMediaError("The attachment's address is no web address.")
    return target


def _is_configured(target: httpx.URL, account: AccountContext) -> bool:
    """Whether the URL belongs to the provider's API as the operator configured it, which may well be inside (tests, a local Bot API)."""
    if not account.api_url:
        return False
    base = _parse_url(account.api_url)
    inside = target.path.startswith(f"{base.path.rstrip('/')}/")
    return inside and (target.scheme, target.host, _port(target)) == (base.scheme, base.host, _port(base))


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _credentials(target: httpx.URL, account: AccountContext) -> tuple[str, str] | None:
    """User and password for the provider's own hosts; None for everybody else's."""
    domains = _OWN_DOMAINS.get(account.provider or "", ())
    host = target.host.lower().rstrip(".")
    own = target.scheme == "https" and any(host == domain or host.endswith(f".{domain}") for domain in domains)
    if not own and not _is_configured(target, account):
        return None
    if account.provider == "twilio" and account.account_sid and account.token:
        return account.account_sid, account.token
    if account.provider == "mailgun" and account.token and account.token != account.secret:
        return "api", account.token
    return None


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in (401, 403, 408, 425, 429) or status >= 500:
        # 401 and 403 too: the account's credentials can be put right while there is still time.
        raise _BusyMediaError(f"The provider answered {status}.", read_retry_after_ms(response.headers, None))
    raise _RefusedMediaError(f"The provider answered {status}.")


async def _read(response: httpx.Response, bytes_max: int) -> bytes:
    """The body, unpacked by nobody: a small packed body can be a huge one. Raises when it is larger than the limit, told or not."""
    if response.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise _RefusedMediaError("The provider sent the file packed.")
    told = response.headers.get("content-length", "0")
    if told.isdigit() and len(told) < 19 and int(told) > bytes_max:
        raise _RefusedMediaError(f"The file is larger than {bytes_max} bytes.")
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > bytes_max:
            raise _RefusedMediaError(f"The file is larger than {bytes_max} bytes.")
    return bytes(content)
