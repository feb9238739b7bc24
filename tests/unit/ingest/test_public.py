"""What customers may know of a pool."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI

from libs.common.clock import VirtualClock
from libs.common.configuration.load import parse_configuration
from libs.common.http.auth import TokenAuthority
from libs.common.http.problem import install_problem_handlers
from services.ingest.expected_waits import ExpectedWaits
from services.ingest.routes_public import public_router

CONFIGURATION = """\
pools:
  care: {timezone: Europe/Rome, hours: {mon-fri: ["09:00-13:00", "14:00-17:00"]}, holidays: IT}
  always: {}
queues: {a: {pool: care}, b: {pool: always}}
accounts:
  form: {channel: webform, pool: care}
  other-form: {channel: webform, pool: care}
  api: {channel: api, pool: care}
agents: {anna: {name: A, pool: care}, b: {name: B, pool: always}}
rules: [{queue: a}, {queue: b}]
"""


async def seven_minutes(pool: str) -> int | None:
    return 420_000 if pool == "care" else None


async def ask(pool: str, at: str) -> tuple[int, dict[str, Any], str | None]:
    now_ms = int(datetime.fromisoformat(at).replace(tzinfo=ZoneInfo("Europe/Rome")).timestamp()) * 1000
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(public_router(parse_configuration(CONFIGURATION), VirtualClock(now_ms), seven_minutes))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get(f"/v1/public/{pool}")
    return answer.status_code, answer.json(), answer.headers.get("cache-control")


@pytest.mark.parametrize(
    ("at", "is_open", "opens_at", "closes_at"),
    [
        ("2026-10-02 12:59", True, None, "2026-10-02T11:00:00Z"),
        ("2026-10-02 13:00", False, "2026-10-02T12:00:00Z", None),
        ("2026-10-02 17:00", False, "2026-10-05T07:00:00Z", None),
    ],
)
async def test_says_whether_it_is_open_and_what_is_next(
    at: str, is_open: bool, opens_at: str | None, closes_at: str | None
) -> None:
    status, body, kept = await ask("care", at)
    assert (status, kept) == (200, "public, max-age=60")
    assert body == {
        "pool": "care",
        "open": is_open,
        "opens_at": opens_at,
        "closes_at": closes_at,
        "timezone": "Europe/Rome",
        "channels": ["api", "webform"],
        "expected_wait_ms": 420_000,
    }


async def test_the_answer_is_kept_no_longer_than_it_holds() -> None:
    assert (await ask("care", "2026-10-02 12:59:30"))[2] == "public, max-age=30"


async def test_a_pool_without_hours_is_always_open() -> None:
    _, body, _ = await ask("always", "2026-12-25 03:00")
    assert (body["open"], body["opens_at"], body["closes_at"]) == (True, None, None)


async def test_an_unknown_pool_is_a_problem() -> None:
    status, body, _ = await ask("nothing", "2026-10-02 12:00")
    assert status == 404
    assert body["type"].endswith("pool-unknown")


async def answered_by(*answers: httpx.Response | httpx.HTTPError) -> list[int | None]:
    """What is said when the agent API answers like this, one question a minute."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["pool"] == "care"
        found = left.pop(0)
        if isinstance(found, httpx.HTTPError):
            raise found
        return found

    clock = VirtualClock(1_000_000)
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    waits = ExpectedWaits("http://agents", TokenAuthority("s" * 40, clock), clock, client)
    said = []
    for _ in answers:
        said.append(await waits.ask("care"))
        assert await waits.ask("care") == said[-1]  # Within seconds nobody is asked again.
        clock.advance_ms(60_000)
    await waits.close()
    return said


async def test_the_longest_wait_is_said_and_nothing_where_nobody_answers() -> None:
    known = {"items": [{"queue": "a", "expected_wait_ms": 5}, {"queue": "b", "expected_wait_ms": 70}]}
    unknown = {"items": [{"queue": "a", "expected_wait_ms": None}]}
    said = await answered_by(
        httpx.Response(200, json=known),
        httpx.Response(200, json=unknown),
        httpx.Response(503),
        httpx.Response(200, text="?"),
        httpx.ConnectError("away"),
    )
    assert said == [70, None, None, None, None]
