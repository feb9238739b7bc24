from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import jwt
import pytest
from fastapi import Depends, FastAPI

from libs.common.clock import VirtualClock
from libs.common.http.auth import (
    CLOCK_SKEW_MS,
    Principal,
    Role,
    SecretTooShortError,
    TokenAuthority,
    check_allowed,
    derive_key,
    mint_token,
    require,
    verify_token,
)
from libs.common.http.problem import ProblemError, install_problem_handlers

SECRET = "0123456789abcdef0123456789abcdef"
NOW_MS = 1_767_225_600_500
HOUR_MS = 3_600_000
ANNA = Principal(kind="agent", id="anna", role=Role.SUPERVISOR, token_id="t1")


def forge(key: bytes = derive_key(SECRET, "token"), **claims: Any) -> str:
    """A token as an attacker or another version might make it; a claim that is None is left out."""
    now_s = NOW_MS // 1000
    plain = {"iss": "centralino", "sub": "anna", "kind": "agent", "role": "agent", "jti": "t", "iat": now_s}
    merged = {**plain, "exp": now_s + 60, **claims}
    return jwt.encode({name: value for name, value in merged.items() if value is not None}, key)


def test_a_token_says_whose_it_is() -> None:
    token, expires_ms = mint_token(SECRET, ANNA, HOUR_MS, NOW_MS)

    assert verify_token(SECRET, token, NOW_MS) == ANNA
    assert NOW_MS + HOUR_MS <= expires_ms < NOW_MS + HOUR_MS + 1000


def test_a_token_without_an_id_gets_one_of_its_own() -> None:
    integration = Principal(kind="integration", id="shop")
    ids = {
        verify_token(SECRET, mint_token(SECRET, integration, HOUR_MS, NOW_MS)[0], NOW_MS).token_id for _ in range(10)
    }

    assert len(ids) == 10


def test_a_token_is_good_until_its_end_and_not_at_it() -> None:
    token, expires_ms = mint_token(SECRET, ANNA, HOUR_MS, NOW_MS)

    assert verify_token(SECRET, token, expires_ms - 1) == ANNA
    with pytest.raises(ProblemError, match="401"):
        verify_token(SECRET, token, expires_ms)


def test_a_token_of_a_replica_whose_clock_is_a_little_ahead_is_good() -> None:
    token, _ = mint_token(SECRET, ANNA, HOUR_MS, NOW_MS + CLOCK_SKEW_MS)

    assert verify_token(SECRET, token, NOW_MS) == ANNA


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "é.é.é",
        "x" * 5000,
        forge()[:-2],
        forge(key=b"another key, just as long as ours"),
        forge(key=SECRET.encode()),
        forge(key=derive_key(SECRET, "survey")),
        forge(iss="somebody"),
        forge(iss=None),
        forge(sub=None),
        forge(exp=None),
        forge(iat=None),
        forge(exp="tomorrow"),
        forge(exp=NOW_MS / 1000 + 60),
        forge(iat=NOW_MS // 1000 + 3600),
        forge(kind="robot"),
        forge(kind=None),
        forge(kind=["agent"]),
        forge(role="god"),
        forge(role=None),
        forge(role=["admin"]),
        jwt.encode({"sub": "anna", "kind": "agent", "role": "admin", "iat": 1, "exp": 9_999_999_999}, "", "none"),
    ],
)
def test_what_is_not_our_token_is_refused(token: str) -> None:
    with pytest.raises(ProblemError) as refusal:
        verify_token(SECRET, token, NOW_MS)

    assert refusal.value.status == 401
    assert refusal.value.headers["WWW-Authenticate"] == 'Bearer realm="centralino", error="invalid_token"'


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
def test_a_short_secret_is_refused(secret: str) -> None:
    with pytest.raises(SecretTooShortError, match="CENTRALINO_SECRET"):
        TokenAuthority(secret, VirtualClock())


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.AGENT, ["agent"]),
        (Role.SUPERVISOR, ["agent", "supervisor"]),
        (Role.ADMIN, ["agent", "supervisor", "admin"]),
    ],
)
def test_a_role_may_all_that_the_ones_before_it_may(role: Role, allowed: list[str]) -> None:
    principal = Principal(kind="agent", id="anna", role=role)

    assert [needed.value for needed in Role if principal.may(needed)] == allowed


def test_the_wrong_kind_is_forbidden_whatever_its_role() -> None:
    with pytest.raises(ProblemError) as refusal:
        check_allowed(Principal(kind="integration", id="shop", role=Role.ADMIN), kind="agent")

    assert (refusal.value.status, refusal.value.type) == (403, "forbidden")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW_MS)


@pytest.fixture
async def client(clock: VirtualClock) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.tokens = TokenAuthority(SECRET, clock)
    install_problem_handlers(app)

    @app.get("/work")
    async def work(principal: Annotated[Principal, Depends(require(kind="agent"))]) -> str:
        return principal.id

    @app.get("/queues")
    async def queues(principal: Annotated[Principal, Depends(require(kind="agent", role="supervisor"))]) -> str:
        return principal.id

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def bearer(principal: Principal) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(SECRET, principal, HOUR_MS, NOW_MS)[0]}"}


async def test_a_route_knows_who_calls(client: httpx.AsyncClient) -> None:
    answer = await client.get("/work", headers=bearer(ANNA))

    assert answer.json() == "anna"


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"}]
)
async def test_without_a_token_a_route_asks_for_one(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.get("/work", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="centralino"'
    assert answer.json()["type"] == "urn:centralino:problem:unauthorized"


async def test_a_role_that_is_too_low_is_forbidden(client: httpx.AsyncClient) -> None:
    answer = await client.get("/queues", headers=bearer(Principal(kind="agent", id="luca")))

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:centralino:problem:forbidden"
    assert (await client.get("/queues", headers=bearer(ANNA))).status_code == 200


async def test_a_token_ends_with_the_authoritys_clock(client: httpx.AsyncClient, clock: VirtualClock) -> None:
    headers = bearer(ANNA)
    clock.advance_ms(HOUR_MS + 1000)

    assert (await client.get("/work", headers=headers)).status_code == 401


async def test_the_openapi_document_shows_what_needs_a_token(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    assert document["paths"]["/work"]["get"]["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }
