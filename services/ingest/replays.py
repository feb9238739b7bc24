"""Tokens of signed requests whose signature does not cover the body (Mailgun): each may come with one body only.

Kept in the database, because a replay may come to another replica or after a restart. The webhook route calls it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.store import store_errors, upsert
from services.ingest.channels.port import ReplayKey
from services.ingest.store.tables import webhook_tokens


class Replays:
    """The tokens seen."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def admit(self, account: str, key: ReplayKey, now_ms: int) -> bool:
        """Remember the token; False when it came before with another body. The provider's own retry is admitted.

        Raises StoreUnavailableError: without memory nothing is admitted.
        """
        columns = webhook_tokens.c
        row = {"account": account, "token": key.token, "digest": key.digest, "expires_ms": key.expires_ms}
        with store_errors():
            async with self._engine.begin() as connection:
                await connection.execute(sa.delete(webhook_tokens).where(columns.expires_ms < now_ms))
                await connection.execute(upsert(connection, webhook_tokens, row, key=("account", "token")))
                stored = await connection.execute(
                    sa.select(columns.digest).where(columns.account == account, columns.token == key.token)
                )
                return bool(stored.scalar_one() == key.digest)
