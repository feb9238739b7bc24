"""The shapes of what is counted: queues, agents, throughput, service levels; and of what anybody may know of queues and colleagues.

As `models`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from services.agent_api.models import Time


class QueueDrain(BaseModel):
    """Whether a queue is let run empty, and into which one, if into any."""

    pool: str
    id: str
    drained: bool
    draining_to: str | None


class QueueState(QueueDrain):
    """How a queue stands. `expected_wait_ms` and `service_level` are null where nothing is known to compute them from; `abandoned` are
    those of the service level's window. `pull`: agents may take a waiting contact by name. `configured`: false where the configuration has
    the queue no more, and contacts are still in it.
    """

    waiting: int
    offered: int
    active: int
    scheduled: int
    oldest_received_at: Time | None
    oldest_wait_ms: int | None
    target_ms: int | None
    service_level: float | None
    service_level_window_ms: int
    expected_wait_ms: int | None
    abandoned: int
    pull: bool
    configured: bool


class AgentUnits(BaseModel):
    """How much of what all contacts together may use is in use."""

    used: int
    capacity: int


class AgentState(BaseModel):
    """An agent as supervisors see it. `load`: contacts at hand, held and offered, by channel. `units`: null where they are not counted."""

    id: str
    name: str
    pool: str
    role: str
    presence: str
    since: Time
    skills: dict[str, int]
    capacity: dict[str, int]
    load: dict[str, int]
    units: AgentUnits | None


class ThroughputMinute(BaseModel):
    """What happened within one minute, which begins at `at`."""

    at: Time
    pool: str
    queue: str
    channel: str
    received: int
    assigned: int
    resolved: int
    abandoned: int
    cancelled: int


class Realtime(BaseModel):
    """Throughput by minute, newest last."""

    from_: Time = Field(alias="from")
    to: Time
    minutes: list[ThroughputMinute]


class ServiceLevelLine(BaseModel):
    """The contacts of one queue, channel or agent that were received in the time asked for. `callbacks`: of these, who waited for a
    call; they are counted in nothing else but `received` and `cancelled`.
    """

    pool: str
    key: str
    received: int
    answered: int
    answered_within_target: int
    overdue: int
    abandoned: int
    cancelled: int
    callbacks: int
    service_level: float | None
    mean_wait_ms: int | None


class ServiceLevelReport(BaseModel):
    """How many contacts were answered within their target."""

    from_: Time = Field(alias="from")
    to: Time
    by: Literal["queue", "channel", "agent"]
    items: list[ServiceLevelLine]


class Colleague(BaseModel):
    """An agent as everybody in the pool sees the other ones: whom to pass a contact on to, or to ask."""

    id: str
    name: str
    pool: str
    role: str
    presence: str
    since: Time
    skills: dict[str, int]


class Destination(BaseModel):
    """A queue that contacts can be passed on to. `pull`: agents may take one of its `waiting` contacts by name."""

    pool: str
    id: str
    pull: bool
    waiting: int
