"""Asking the router why: its answer is handed on as it is. The router trusts this service's token, not the agent's: who may see
a contact is known here.

One client for all requests, closed with the service. Called by the route.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import httpx

from libs.common.http.auth import Principal, Role, TokenAuthority
from libs.common.http.correlation import HEADER, current_correlation_id
from libs.common.http.problem import ProblemError, unavailable_problem

_TIMEOUT: Final = httpx.Timeout(70.0, connect=2.0)  # The router gives up after a minute.
_TOKEN_MS: Final = 120_000
_CALLER: Final = Principal(kind="integration", id="agent-api", role=Role.ADMIN)


class Explanations:
    """The router at `url`, as far as explanations go."""

    def __init__(self, url: str, tokens: TokenAuthority) -> None:
        self._tokens: Final = tokens
        # The service's own neighbour is never behind a proxy.
        self._client: Final = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, trust_env=False)

    async def fetch(self, pool: str, contact_id: str) -> bytes:
        """The explanation as JSON. Raises ProblemError 404 where the log says nothing of it, 503 where the router does not answer."""
        token, _ = self._tokens.mint(_CALLER, _TOKEN_MS)
        try:
            response = await self._client.get(
                f"/v1/contacts/{quote(contact_id, safe='')}/explain",
                params={"pool": pool},
                headers={"Authorization": f"Bearer {token}", HEADER.decode(): current_correlation_id() or ""},
            )
        except (httpx.HTTPError, httpx.InvalidURL):
            raise unavailable_problem("The router does not answer.") from None
        if response.status_code == 404:
            raise ProblemError(404, "explanation-unknown", "No explanation", "The log says nothing of this contact.")
        if response.status_code != 200:
            raise unavailable_problem("The router cannot explain it now.")
        return response.content

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
