import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import httpx
import pytest
import websockets
from prometheus_client.parser import text_string_to_metric_families

from libs.common.http.health import Health
from libs.common.http.server import Served
from libs.common.logging import configure_logging
from libs.common.metrics import Metrics
from tests.integration.common.edge import WEBHOOK_BYTES_MAX, an_app, served_edge
from tests.support.waiting import eventually

PROBLEM = "application/problem+json"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """All that is logged, as it would be on standard error."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("debug", stream=stream)
    yield stream
    root.handlers[:], root.level = before, level


@pytest.fixture
async def edge(lines: io.StringIO) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    async with served_edge(an_app()) as both:
        yield both


Edge = tuple[Served, httpx.AsyncClient]


def assert_problem(answer: httpx.Response, status: int, kind: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert answer.headers["x-correlation-id"]
    document: dict[str, object] = answer.json()
    assert document["type"] == f"urn:centralino:problem:{kind}"
    assert document["status"] == status
    assert document["title"]
    return document


async def test_a_good_request_is_answered_under_its_own_correlation_id(edge: Edge) -> None:
    _, client = edge

    answer = await client.post("/v1/orders/1", json={"text": "hello"}, headers={"X-Correlation-Id": "call-17"})

    assert answer.status_code == 200
    assert answer.headers["x-correlation-id"] == "call-17"
    assert answer.json() == {"text": "hello", "correlation_id": "call-17"}
    assert "server" not in answer.headers


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, 'evil"}'])
async def test_a_missing_or_unacceptable_correlation_id_is_replaced(edge: Edge, given: str | None) -> None:
    _, client = edge

    answer = await client.get("/livez", headers={} if given is None else {"X-Correlation-Id": given})

    assert answer.headers["x-correlation-id"].startswith("cor_")


async def test_a_problem_shows_every_member(edge: Edge) -> None:
    _, client = edge

    answer = await client.get("/v1/gone")

    assert assert_problem(answer, 409, "offer-expired") == {
        "type": "urn:centralino:problem:offer-expired",
        "title": "Offer expired",
        "status": 409,
        "detail": "The offer ended at 12:00.",
        "errors": [{"pointer": "#/offer", "detail": "is over"}],
        "offer_id": "off_1",
    }
    assert answer.headers["x-kind"] == "offer"


async def test_bad_fields_are_all_named_and_never_repeated(edge: Edge) -> None:
    _, client = edge

    answer = await client.post(
        "/v1/orders/1?dry=perhaps", json={"text": 7, "priority": -1, "skills": {"a/b": "secret words"}, "extra": "x"}
    )

    document = assert_problem(answer, 422, "invalid")
    errors = document["errors"]
    assert isinstance(errors, list)
    assert {error.get("pointer") or error.get("loc") for error in errors} == {
        "query.dry",
        "#/text",
        "#/priority",
        "#/skills/a~1b",
        "#/extra",
    }
    assert all(error["detail"] for error in errors)
    assert "secret words" not in answer.text
    assert "perhaps" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"not json",
        b'{"text": "\xff\xfe"}',
        b'{"text": "a\\u0000b"}',
        b'{"text": "half \\ud83d of it"}',
        b'{"text\\u0000": "a"}',
        b'{"text": "a\x00b"}',
        '{"text": "hello"}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"text": "\\u0000", "skills": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"text": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_a_body_that_cannot_be_read_or_kept_is_a_clean_400(edge: Edge, body: bytes) -> None:
    _, client = edge

    answer = await client.post("/v1/orders/1", content=body, headers={"Content-Type": "application/json"})

    if body == b"":
        assert_problem(answer, 422, "invalid")
    else:
        assert_problem(answer, 400, "malformed")


async def test_the_place_where_json_breaks_off_is_told_and_nothing_of_what_it_says(edge: Edge) -> None:
    _, client = edge

    answer = await client.post(
        "/v1/orders/1", content=b'{"text": "secret",\n  broken}', headers={"Content-Type": "application/json"}
    )

    assert_problem(answer, 400, "malformed")
    assert "(line 2, column 3)" in answer.json()["detail"]
    assert "secret" not in answer.text
    assert "broken" not in answer.text


async def test_the_place_of_an_unstorable_text_is_told(edge: Edge) -> None:
    _, client = edge

    answer = await client.post(
        "/v1/orders/1", content=b'{"text": "a\\u0000b"}', headers={"Content-Type": "application/json; charset=utf-8"}
    )

    assert answer.json()["errors"][0]["pointer"] == "#/text"


async def test_escapes_that_only_look_like_nul_and_whole_surrogate_pairs_pass(edge: Edge) -> None:
    _, client = edge
    body = json.dumps({"text": "the sequence \\u0000 in words, and \U0001f600"})
    assert "\\\\u0000" in body
    assert "\\ud83d\\ude00" in body

    answer = await client.post("/v1/orders/1", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 200
    assert answer.json()["text"] == "the sequence \\u0000 in words, and \U0001f600"


@pytest.mark.parametrize("path", ["/v1/orders/a%00b", "/v1/gone?q=%00"])
async def test_a_nul_in_the_address_is_a_clean_400(edge: Edge, path: str) -> None:
    _, client = edge

    assert_problem(await client.get(path), 400, "malformed")


async def test_a_nul_in_a_form_is_a_clean_400(edge: Edge) -> None:
    _, client = edge

    assert_problem(await client.post("/v1/echo", data={"name": "a\x00b"}), 400, "malformed")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413(chunked: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    async with served_edge(an_app(body_bytes_max=1000)) as (_, client):
        exact = await client.post("/v1/echo", content=b"x" * 1000)
        over = await client.post("/v1/echo", content=pieces() if chunked else b"x" * 4_000_000)

        after = await client.post("/v1/echo", content=b"x" * 1000)

    assert exact.json() == {"bytes": 1000}
    assert_problem(over, 413, "too-large")
    assert after.json() == {"bytes": 1000}


@pytest.mark.parametrize("announced", [b"1001", b"9" * 5000, b"0001001"])
async def test_an_announced_length_over_the_limit_is_413_before_a_byte_is_sent(announced: bytes) -> None:
    async with served_edge(an_app(body_bytes_max=1000)) as (served, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + announced + b"\r\n\r\n")
        async with asyncio.timeout(20):
            status_line = await reader.readline()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    # A length that no machine could count is refused by the HTTP parser before us.
    assert status_line.split()[1] in ((b"413",) if len(announced) < 20 else (b"413", b"400"))


async def test_a_route_with_its_own_limit_reads_its_own_body(edge: Edge) -> None:
    _, client = edge

    exact = await client.post("/v1/webhooks/sms", content=b"\x00" * WEBHOOK_BYTES_MAX)
    over = await client.post("/v1/webhooks/sms", content=b"\x00" * (WEBHOOK_BYTES_MAX + 1))
    malformed = await client.post("/v1/webhooks/sms?parse=1", content=b'{"a": NaN}')
    deep = await client.post("/v1/webhooks/sms?parse=1", content=b"[" * WEBHOOK_BYTES_MAX)

    assert exact.text == str(WEBHOOK_BYTES_MAX)
    assert_problem(over, 413, "too-large")
    assert_problem(malformed, 400, "malformed")
    assert_problem(deep, 400, "malformed")


async def test_an_outage_is_503_with_retry_after_and_without_the_message(edge: Edge, lines: io.StringIO) -> None:
    _, client = edge

    answer = await client.get("/v1/outage")

    assert_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "2"
    assert "luca" not in answer.text + lines.getvalue()


async def test_a_refusal_is_told(edge: Edge) -> None:
    _, client = edge

    assert assert_problem(await client.get("/v1/refused"), 422, "refused")["detail"] == "the pool has no such queue"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [("GET", "/v1/nowhere", 404, "not-found"), ("DELETE", "/v1/gone", 405, "method-not-allowed")],
)
async def test_what_does_not_exist_is_a_problem_too(edge: Edge, method: str, path: str, status: int, kind: str) -> None:
    _, client = edge

    assert_problem(await client.request(method, path), status, kind)


async def test_a_bug_harms_its_request_alone_and_is_found_in_the_log(edge: Edge, lines: io.StringIO) -> None:
    _, client = edge

    answer = await client.get("/v1/bug", headers={"X-Correlation-Id": "call-18"})
    after = await client.get("/livez")

    assert_problem(answer, 500, "internal-error")
    assert after.status_code == 200
    records = [json.loads(line) for line in lines.getvalue().splitlines()]
    failed = next(record for record in records if record["event"] == "request failed")
    assert failed["correlation_id"] == "call-18"
    assert failed["service"] == "orders"
    assert failed["level"] == "error"
    assert any("in bug" in place for place in failed["exception"])
    assert "luca" not in answer.text + lines.getvalue()


async def test_a_bug_after_the_answer_has_begun_cuts_the_answer_off(edge: Edge, lines: io.StringIO) -> None:
    _, client = edge

    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/v1/late-bug")

    assert (await client.get("/livez")).status_code == 200
    assert "luca" not in lines.getvalue()


async def test_overload_is_503_at_once_but_operations_still_answer() -> None:
    reached, release = asyncio.Event(), asyncio.Event()
    app = an_app(in_flight_max=1)

    @app.get("/v1/slow")
    async def slow() -> str:
        reached.set()
        await release.wait()
        return "done"

    async with served_edge(app) as (_, client):
        first = asyncio.create_task(client.get("/v1/slow"))
        await reached.wait()
        second = await client.get("/v1/slow")
        alive = await client.get("/livez")
        release.set()

        assert_problem(second, 503, "unavailable")
        assert second.headers["retry-after"]
        assert alive.status_code == 200
        assert (await first).json() == "done"
        assert (await client.get("/v1/slow")).status_code == 200


async def test_requests_are_counted_by_route_and_not_by_path() -> None:
    metrics = Metrics()
    async with served_edge(an_app(metrics)) as (_, client):
        for number in (1, 2):
            await client.post(f"/v1/orders/{number}", json={"text": "hello"})
        await client.post("/v1/webhooks/sms", content=b"x")
        await client.get("/v1/bug")
        await client.get("/anything/else")
        shown = (await client.get("/metrics")).text

    samples = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
        if sample.name == "centralino_http_requests_total"
    }
    assert samples == {
        ("/v1/orders/{order_id}", "200"): 2,
        ("/v1/webhooks/{account}", "200"): 1,
        ("/v1/bug", "500"): 1,
        ("(none)", "404"): 1,
    }


async def test_readiness_names_every_part_and_follows_it() -> None:
    health = Health("log", "store")
    async with served_edge(an_app(health=health)) as (_, client):
        health.set("log", ok=True)
        health.set("store", ok=False, detail="does not answer")
        waiting = asyncio.create_task(health.wait_until_ready())
        before = await client.get("/readyz")
        alive = await client.get("/livez")
        health.set("store", ok=True)
        after = await client.get("/readyz")
        await waiting

    assert before.status_code == 503
    assert before.json() == {
        "ready": False,
        "parts": [
            {"name": "log", "ready": True, "detail": ""},
            {"name": "store", "ready": False, "detail": "does not answer"},
        ],
    }
    assert alive.status_code == 200
    assert after.status_code == 200
    assert after.json()["ready"] is True


def websocket_url(served: Served, how: str) -> str:
    return f"{served.url.replace('http', 'ws')}/v1/talk?how={how}"


async def test_a_websocket_has_a_correlation_id_and_no_compression(edge: Edge) -> None:
    served, _ = edge

    async with websockets.connect(
        websocket_url(served, "echo"), additional_headers={"X-Correlation-Id": "call-19"}, proxy=None
    ) as socket:
        await socket.send("hello")

        assert await socket.recv() == "hello"
        assert socket.response is not None
        assert socket.response.headers["x-correlation-id"] == "call-19"
        assert "sec-websocket-extensions" not in socket.response.headers


@pytest.mark.parametrize(("how", "status"), [("refuse", 401), ("bug-before", 500)])
async def test_a_websocket_that_is_not_accepted_gets_a_problem(edge: Edge, how: str, status: int) -> None:
    served, _ = edge

    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(websocket_url(served, how), proxy=None)

    assert refused.value.response.status_code == status
    assert refused.value.response.headers["content-type"] == PROBLEM
    assert refused.value.response.headers["x-correlation-id"]


async def test_a_bug_in_an_open_websocket_closes_it_with_1011(edge: Edge, lines: io.StringIO) -> None:
    served, _ = edge

    async with websockets.connect(websocket_url(served, "bug"), proxy=None) as socket:
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await socket.recv()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    assert "luca" not in lines.getvalue()


async def test_a_client_that_goes_away_is_no_bug(edge: Edge, lines: io.StringIO) -> None:
    served, _ = edge

    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    await eventually(lambda: '"status":499' in lines.getvalue().replace(" ", ""))
    assert "failed" not in lines.getvalue()
