"""What every fact of a pool has."""

from __future__ import annotations

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every fact has: its pool, its time, and the command that caused it, if one did."""

    pool: str
    at_ms: int
    command_id: str | None = None
