"""How long customers of a pool will probably wait: asked of the agent API, and kept for a few seconds whoever asks.

Where the agent API does not answer nothing is known, and nothing else fails by it. Called by `routes_public`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import httpx
import msgspec

from libs.common.clock import Clock
from libs.common.http.auth import Principal, Role, TokenAuthority

_KEPT_MS: Final = 10_000
_TIMEOUT: Final = httpx.Timeout(2.0)
_TOKEN_MS: Final = 120_000
_CALLER: Final = Principal(kind="integration", id="ingest", role=Role.AGENT)


class AskWait(Protocol):
    """Says how long the customers of a pool wait."""

    async def __call__(self, pool: str) -> int | None:
        """The longest expected wait among the pool's queues, in ms; None where none is known."""
        ...


class _Wait(msgspec.Struct, frozen=True):
    expected_wait_ms: int | None


class _Waits(msgspec.Struct, frozen=True):
    items: list[_Wait]


_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(_Waits)


class ExpectedWaits:
    """The agent API at `url`, as far as expected waits go. One question at a time."""

    def __init__(self, url: str, tokens: TokenAuthority, clock: Clock, client: httpx.AsyncClient | None = None) -> None:
        self._url: Final = url
        self._tokens: Final = tokens
        self._clock: Final = clock
        # The service's own neighbour is never behind a proxy.
        self._client: Final = client or httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)
        self._asking: Final = asyncio.Lock()
        self._kept: Final[dict[str, tuple[int, int | None]]] = {}  # Pool (a configured one) -> when asked, answer.

    async def ask(self, pool: str) -> int | None:
        """See `AskWait`."""
        async with self._asking:
            now_ms = self._clock.now_ms()
            asked_ms, answer = self._kept.get(pool, (now_ms - _KEPT_MS, None))
            if now_ms - asked_ms >= _KEPT_MS:
                answer = await self._fetch(pool)
                self._kept[pool] = (now_ms, answer)
            return answer

    async def _fetch(self, pool: str) -> int | None:
        token, _ = self._tokens.mint(_CALLER, _TOKEN_MS)
        try:
            response = await self._client.get(
                f"{self._url}/v1/expected-waits", params={"pool": pool}, headers={"Authorization": f"Bearer {token}"}
            )
            waits: _Waits = _decoder.decode(response.content if response.status_code == 200 else b'{"items": []}')
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError):
            return None
        return max((one.expected_wait_ms for one in waits.items if one.expected_wait_ms is not None), default=None)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
