"""Bearer tokens: who calls and what they may. JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 by a key from the settings' secret.

The key is derived for this one purpose, so that nothing else that the secret signs is ever a token. There is no revocation here: tokens
are short-lived, and what a token's owner may still do is looked up by whoever keeps agents. Called by routes through `require`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import jwt
from fastapi import Security
from fastapi.openapi.models import HTTPBearer as BearerModel
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from libs.common.clock import Clock
from libs.common.errors import CentralinoError
from libs.common.http.problem import ProblemError

Kind = Literal["agent", "integration"]
_KINDS: Final[dict[str, Kind]] = {"agent": "agent", "integration": "integration"}

ALGORITHM: Final = "HS256"
ISSUER: Final = "centralino"
SECRET_BYTES_MIN: Final = 32
TOKEN_CHARS_MAX: Final = 4096
TOKENS_KEPT: Final = 4096
# Replicas' clocks differ a little; a token minted by one must be good at once on another.
CLOCK_SKEW_MS: Final = 5_000


class Role(StrEnum):
    """What somebody may do; each role may do all that the ones before it may."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Grows with what the role may do."""
        return list(Role).index(self)


class SecretTooShortError(CentralinoError):
    """The signing secret (CENTRALINO_SECRET) must have at least 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls: an agent by id, or an integration by name."""

    kind: Kind
    id: str
    role: Role = Role.AGENT
    token_id: str = ""

    def may(self, role: Role | str) -> bool:
        """Whether this principal's role is `role` or above it."""
        return self.role.rank >= Role(role).rank


def derive_key(secret: str, purpose: str) -> bytes:
    """A 32-byte key for one purpose, from the one secret. Raises SecretTooShortError."""
    raw = secret.encode()
    if len(raw) < SECRET_BYTES_MIN:
        raise SecretTooShortError
    return hmac.digest(raw, f"centralino/{purpose}".encode(), hashlib.sha256)


def mint_token(secret: str, principal: Principal, ttl_ms: int, now_ms: int) -> tuple[str, int]:
    """A token for `principal` and the time in ms at which it ends. An empty `token_id` gets a random one."""
    assert ttl_ms > 0, "a token lives for some time"
    # The claims are whole seconds; the end is rounded up, so that no token is shorter than asked for.
    expires_s = -(-(now_ms + ttl_ms) // 1000)
    claims = {
        "iss": ISSUER,
        "sub": principal.id,
        "kind": principal.kind,
        "role": principal.role.value,
        "jti": principal.token_id or secrets.token_urlsafe(16),
        "iat": now_ms // 1000,
        "exp": expires_s,
    }
    return jwt.encode(claims, derive_key(secret, "token"), algorithm=ALGORITHM), expires_s * 1000


def verify_token(secret: str, token: str, now_ms: int) -> Principal:
    """Whose token it is. Raises ProblemError 401 when it is not ours, damaged, or over."""
    return _principal(_claims(derive_key(secret, "token"), token), now_ms)


class TokenAuthority:
    """Mints and verifies with one secret and one clock. Stands in `app.state.tokens`."""

    def __init__(self, secret: str, clock: Clock) -> None:
        """Raises SecretTooShortError."""
        self._secret = secret
        self._key = derive_key(secret, "token")
        self._clock = clock

    def mint(self, principal: Principal, ttl_ms: int) -> tuple[str, int]:
        """A token and the time in ms at which it ends."""
        return mint_token(self._secret, principal, ttl_ms, self._clock.now_ms())

    def verify(self, token: str) -> Principal:
        """Whose token it is. Raises ProblemError 401."""
        return _principal(_claims(self._key, token), self._clock.now_ms())


def principal_of(connection: HTTPConnection) -> Principal:
    """Who calls, from the `Authorization` header of a request or of a WebSocket's handshake. Raises ProblemError 401."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if not token:
        raise unauthorized_problem("A bearer token is needed.", challenge="")
    if scheme.lower() != "bearer":
        raise unauthorized_problem("Only bearer tokens are taken.", challenge="")
    tokens: TokenAuthority = connection.app.state.tokens
    return tokens.verify(token.strip())


class _Bearer(SecurityBase):
    """Shows in the OpenAPI document, and works for requests and WebSockets alike (FastAPI's own takes requests only)."""

    def __init__(self) -> None:
        self.model = BearerModel(bearerFormat="JWT")
        self.scheme_name = "bearer"

    async def __call__(self, connection: HTTPConnection) -> Principal:
        return principal_of(connection)


bearer: Final = _Bearer()


def require(*, kind: Kind | None = None, role: Role | str = Role.AGENT) -> Callable[..., Awaitable[Principal]]:
    """A dependency that gives the caller's Principal: `principal: Annotated[Principal, Depends(require(kind="agent"))]`.

    401 without a good token; 403 `forbidden` when the caller is of another kind or of a lower role.
    """
    needed = Role(role)

    async def authorise(principal: Annotated[Principal, Security(bearer)]) -> Principal:
        check_allowed(principal, kind=kind, role=needed)
        return principal

    return authorise


def check_allowed(principal: Principal, *, kind: Kind | None = None, role: Role | str = Role.AGENT) -> None:
    """Raises ProblemError 403 `forbidden` unless `principal` is of this kind and at least of this role."""
    if kind is not None and principal.kind != kind:
        raise forbidden_problem(f"This is for tokens of an {kind}.")
    if not principal.may(role):
        raise forbidden_problem(f"This needs the role {Role(role).value}.")


def unauthorized_problem(detail: str, *, challenge: str = ', error="invalid_token"') -> ProblemError:
    """401 with the challenge that RFC 6750 asks for."""
    headers = {"WWW-Authenticate": f'Bearer realm="centralino"{challenge}'}
    return ProblemError(401, "unauthorized", "Unauthorized", detail, headers=headers)


def forbidden_problem(detail: str) -> ProblemError:
    """403: known, and not allowed."""
    return ProblemError(403, "forbidden", "Forbidden", detail)


def _claims(key: bytes, token: str) -> Mapping[str, Any]:
    if len(token) > TOKEN_CHARS_MAX:
        raise unauthorized_problem("The token is not valid.")
    return _verified_claims(key, token)


# A desktop sends the same token for hours, and to verify it costs as much as to look up what is asked for. Refusals are not kept.
@lru_cache(maxsize=TOKENS_KEPT)
def _verified_claims(key: bytes, token: str) -> Mapping[str, Any]:
    try:
        # The times are checked against our own clock below, which tests can move.
        return jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["exp", "iat", "sub"]},
        )
    except (jwt.InvalidTokenError, UnicodeError, ValueError) as error:
        raise unauthorized_problem("The token is not valid.") from error


def _principal(claims: Mapping[str, Any], now_ms: int) -> Principal:
    expires_s, issued_s = claims["exp"], claims["iat"]
    kind = _KINDS.get(str(claims.get("kind")))
    if not isinstance(expires_s, int) or not isinstance(issued_s, int) or kind is None:
        raise unauthorized_problem("The token is not valid.")
    if now_ms >= expires_s * 1000:
        raise unauthorized_problem("The token has expired.")
    if issued_s * 1000 > now_ms + CLOCK_SKEW_MS:
        raise unauthorized_problem("The token is not valid yet.")
    try:
        role = Role(str(claims.get("role")))
    except ValueError as error:
        raise unauthorized_problem("The token is not valid.") from error
    return Principal(kind=kind, id=str(claims["sub"]), role=role, token_id=str(claims.get("jti", "")))
