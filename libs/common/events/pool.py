"""What a pool is configured with: its queues and agents, as they stand on the log. Read from the file in `libs.common.configuration`."""

from __future__ import annotations

import msgspec


class QueueConfiguration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A queue as configured. `target_ms` None: the channel's. `skills` are minimum levels."""

    id: str
    skills: dict[str, int] = {}
    target_ms: int | None = None
    priority: int = 0
    offer_timeout_ms: int = 20_000
    wrap_up_ms: int = 0


class AgentConfiguration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent as configured. `capacity`: how many contacts at once per channel; one on a channel not named."""

    id: str
    name: str
    skills: dict[str, int] = {}
    capacity: dict[str, int] = {}
    role: str = "agent"
