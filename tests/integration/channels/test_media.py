"""Attachments that a provider only pointed at: fetched from where they may be, and from nowhere else."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from libs.common.blobs import FolderBlobs
from libs.common.errors import OutageError
from libs.common.events.message import Attachment
from services.ingest.channels.port import AccountContext
from services.ingest.media import Fetched, MediaFetcher, MediaOutcome, NotFetchable, TryLater, open_media_client
from services.ingest.media_addresses import is_public, resolve_host
from tests.integration.channels.provider_server import serve_provider
from tests.unit.ingest.channels.samples import MAILGUN, SMS, TELEGRAM

TWILIO_CREDENTIALS = "Basic " + base64.b64encode(f"{SMS.account_sid}:{SMS.token}".encode()).decode()


def remote(url: str, content_type: str = "image/jpeg") -> Attachment:
    return Attachment(id="att_1234", name="file-1", content_type=content_type, remote=url)


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path)


@pytest.fixture
async def fetcher(blobs: FolderBlobs) -> AsyncIterator[MediaFetcher]:
    async with open_media_client() as client:
        yield MediaFetcher(client, blobs, bytes_max=1000)


async def test_twilios_media_are_fetched_with_the_accounts_credentials(
    fetcher: MediaFetcher, blobs: FolderBlobs
) -> None:
    async with serve_provider(Response(b"\xff\xd8jpeg", media_type="image/jpeg")) as provider:
        account = replace(SMS, api_url=provider.url)
        outcome = await fetcher.fetch(remote(f"{provider.url}/Media/ME1?x=1", "image/png"), account)
    assert outcome == Fetched(size_bytes=6, content_type="image/jpeg")
    blob = await blobs.get("att_1234")
    assert blob is not None
    assert (blob.content, blob.content_type) == (b"\xff\xd8jpeg", "image/jpeg")
    (call,) = provider.calls
    assert (call.path, call.query) == ("/Media/ME1", "x=1")
    assert call.headers["authorization"] == TWILIO_CREDENTIALS


async def test_telegrams_files_are_asked_for_and_then_fetched(fetcher: MediaFetcher, blobs: FolderBlobs) -> None:
    found = JSONResponse({"ok": True, "result": {"file_id": "f/1", "file_path": "photos/file 1.jpg"}})
    content = Response(b"jpeg", media_type="application/octet-stream")
    async with serve_provider(found, content) as provider:
        outcome = await fetcher.fetch(remote("telegram-file:f/1"), replace(TELEGRAM, api_url=provider.url))
    # Telegram does not say what it is; the update did.
    assert outcome == Fetched(size_bytes=4, content_type="image/jpeg")
    ask, download = provider.calls
    assert (ask.path, ask.query) == (f"/bot{TELEGRAM.token}/getFile", "file_id=f%2F1")
    assert download.path == f"/file/bot{TELEGRAM.token}/photos/file 1.jpg"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (JSONResponse({"ok": False, "description": "file is too big"}, status_code=400), NotFetchable),
        (JSONResponse({"ok": True, "result": {}}), NotFetchable),
        (JSONResponse({"ok": True, "result": {"file_path": "../../etc/passwd"}}), NotFetchable),
        (Response(b"no json"), TryLater),
        (Response(status_code=502), TryLater),
    ],
)
async def test_telegrams_other_answers(fetcher: MediaFetcher, answer: Response, outcome: type) -> None:
    async with serve_provider(answer) as provider:
        given = await fetcher.fetch(remote("telegram-file:f1"), replace(TELEGRAM, api_url=provider.url))
    assert isinstance(given, outcome)
    assert (TELEGRAM.token or "") not in repr(given)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Response(status_code=404), NotFetchable(reason="The provider answered 404.")),
        (Response(status_code=503), TryLater(reason="The provider answered 503.")),
        (
            Response(status_code=429, headers={"Retry-After": "5"}),
            TryLater(reason="The provider answered 429.", retry_after_ms=5000),
        ),
        (Response(b"x" * 1001), NotFetchable(reason="The file is larger than 1000 bytes.")),
        (
            Response(b"x", headers={"Content-Encoding": "gzip"}),
            NotFetchable(reason="The provider sent the file packed."),
        ),
        (RedirectResponse("/again"), NotFetchable(reason="The download was redirected too often.")),
        (RedirectResponse("http://[bad"), NotFetchable(reason="The download was redirected to no address.")),
        (RedirectResponse("file:///etc/passwd"), NotFetchable(reason="The attachment's address is no web address.")),
    ],
)
async def test_answers_that_give_no_file(fetcher: MediaFetcher, answer: Response, outcome: MediaOutcome) -> None:
    async with serve_provider(answer) as provider:
        given = await fetcher.fetch(remote(f"{provider.url}/x"), replace(SMS, api_url=provider.url))
    assert given == outcome


async def test_a_body_larger_than_it_says_is_cut_off(fetcher: MediaFetcher, blobs: FolderBlobs) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 400

        return httpx.Response(200, content=endless())

    assert (await fetch_by(handle, blobs, remote("https://cdn.example/x"))) == NotFetchable(
        reason="The file is larger than 1000 bytes."
    )
    assert await blobs.get("att_1234") is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/x",
        "https://127.0.0.1:{port}/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/x",
        "https://0.0.0.0/x",
        "https://2130706433/x",
    ],
)
async def test_the_inside_of_the_network_is_out_of_reach(fetcher: MediaFetcher, url: str) -> None:
    async with serve_provider(Response(b"secret")) as provider:
        # The account's API is elsewhere: this address is not allowed by being configured.
        port = provider.url.rpartition(":")[2]
        outcome = await fetcher.fetch(remote(url.format(port=port)), SMS)
    assert isinstance(outcome, NotFetchable)
    assert provider.calls == []


@pytest.mark.parametrize("path", ["/admin", "/twilio", "/twilio/../admin", "/twiliox/1"])
async def test_beside_the_configured_api_nothing_is_reachable(fetcher: MediaFetcher, path: str) -> None:
    async with serve_provider(Response(b"secret")) as provider:
        account = replace(SMS, api_url=f"{provider.url}/twilio")
        assert isinstance(await fetcher.fetch(remote(f"{provider.url}{path}"), account), NotFetchable)
        assert provider.calls == []
        assert isinstance(await fetcher.fetch(remote(f"{provider.url}/twilio/1"), account), Fetched)


async def test_a_redirect_to_the_inside_is_refused_too(fetcher: MediaFetcher) -> None:
    async with (
        serve_provider(Response(b"secret")) as inside,
        serve_provider(RedirectResponse(f"{inside.url}/x")) as provider,
    ):
        outcome = await fetcher.fetch(remote(f"{provider.url}/x"), replace(SMS, api_url=provider.url))
    assert isinstance(outcome, NotFetchable)
    assert inside.calls == []


async def public(host: str, port: int) -> tuple[str, ...]:
    return ("93.184.216.34",)


async def fetch_by(
    handle: Callable[[httpx.Request], object],
    blobs: FolderBlobs,
    attachment: Attachment,
    account: AccountContext = SMS,
    resolve: Callable[[str, int], object] = public,
) -> MediaOutcome:
    """Fetch with a transport that calls `handle` in place of the network."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle), trust_env=False) as client:  # type: ignore[arg-type] # httpx's own union
        return await MediaFetcher(client, blobs, bytes_max=1000, resolve=resolve).fetch(attachment, account)  # type: ignore[arg-type] # as above


async def test_the_connection_goes_to_the_address_that_was_checked(blobs: FolderBlobs) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b"x"))

    outcome = await fetch_by(handle, blobs, remote("https://user:pass@cdn.example/a%20b?c=d"))
    assert isinstance(outcome, Fetched)
    (request,) = seen
    assert str(request.url) == "https://93.184.216.34/a%20b?c=d"
    assert request.headers["host"] == "cdn.example"
    assert request.extensions["sni_hostname"] == "cdn.example"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("host", "given"),
    [
        ("api.twilio.com", True),
        ("media.twilio.com.", True),
        ("twilio.com", True),
        ("eviltwilio.com", False),
        ("twilio.com.evil.example", False),
        ("media.twiliocdn.com", False),
    ],
)
async def test_credentials_go_to_the_providers_hosts_alone(blobs: FolderBlobs, host: str, given: bool) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b"x"))

    await fetch_by(handle, blobs, remote(f"https://{host}/x"), replace(SMS, api_url="https://other.example"))
    assert ("authorization" in seen[0].headers) is given


async def test_a_redirect_to_another_host_carries_no_credentials(blobs: FolderBlobs) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.headers["host"] == "api.twilio.com":
            return httpx.Response(307, headers={"Location": "https://cdn.example/x"})
        return httpx.Response(200, stream=httpx.ByteStream(b"x"))

    assert isinstance(await fetch_by(handle, blobs, remote("https://api.twilio.com/x")), Fetched)
    assert [request.headers.get("authorization") for request in seen] == [TWILIO_CREDENTIALS, None]


async def test_mailguns_signing_key_is_not_sent_as_a_password(blobs: FolderBlobs) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b"x"))

    url = "https://storage.eu.mailgun.net/v3/1"
    await fetch_by(handle, blobs, remote(url), replace(MAILGUN, token=MAILGUN.secret))
    await fetch_by(handle, blobs, remote(url), replace(MAILGUN, token="api-key"))
    api = "Basic " + base64.b64encode(b"api:api-key").decode()
    assert [request.headers.get("authorization") for request in seen] == [None, api]


async def test_a_name_with_one_inside_address_is_refused_and_one_with_none_tried_later(blobs: FolderBlobs) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be fetched")

    async def mixed(host: str, port: int) -> tuple[str, ...]:
        return ("93.184.216.34", "10.0.0.1")

    async def unknown(host: str, port: int) -> tuple[str, ...]:
        raise OutageError("the host's name cannot be resolved")

    refused = await fetch_by(handle, blobs, remote("https://cdn.example/x"), resolve=mixed)
    assert isinstance(refused, NotFetchable)
    later = await fetch_by(handle, blobs, remote("https://cdn.example/x"), resolve=unknown)
    assert isinstance(later, TryLater)


async def test_an_attachment_without_an_address() -> None:
    async with open_media_client() as client:
        fetcher = MediaFetcher(client, FolderBlobs(Path("/nonexistent")))
        outcome = await fetcher.fetch(Attachment(id="att_1234", name="a", content_type="image/png"), SMS)
    assert isinstance(outcome, NotFetchable)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("64:ff9b::5db8:d822", True),
        ("64:ff9b::a00:1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:a00:1::", False),
        ("::10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("::", False),
        ("nonsense", False),
    ],
)
def test_which_addresses_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


async def test_the_systems_resolver() -> None:
    assert set(await resolve_host("localhost", 443)) <= {"127.0.0.1", "::1"}
    with pytest.raises(OutageError):
        await resolve_host("\udc80", 443)
