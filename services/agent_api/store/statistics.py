"""Numbers out of the view: how queues stand, what they did lately, how many contacts were answered in time. Called by `routes_queues` and
`routes_metrics`. Every number comes from the rows; what they do not tell is None.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.events.message import Channel
from services.agent_api.store import tables
from services.agent_api.store.rows import AgentRow, QueueRow

SERVICE_LEVEL_WINDOW_MS: Final = 3_600_000

Grouping = Literal["queue", "channel", "agent"]


@dataclass(slots=True, kw_only=True)
class AnswerCounts:
    """Contacts received in some time. `overdue` are those that are not answered and past their due time, `abandoned` those whose customer
    left before an agent had them and has not come back, `cancelled` those that were ended without an answer. `callbacks`:
    those whose customers waited for a call; they count as received and are neither answered nor overdue.
    """

    received: int = 0
    answered: int = 0
    answered_within_target: int = 0
    overdue: int = 0
    abandoned: int = 0
    cancelled: int = 0
    callbacks: int = 0
    mean_wait_ms: int | None = None

    @property
    def service_level(self) -> float | None:
        """The share answered within target among those whose outcome is known: answered, or overdue by now."""
        known = self.answered + self.overdue
        return None if known == 0 else round(self.answered_within_target / known, 4)


async def count_answers(
    connection: AsyncConnection, pools: frozenset[str] | None, by: Grouping, *, from_ms: int, to_ms: int, now_ms: int
) -> dict[tuple[str, str], AnswerCounts]:
    """Contacts received from `from_ms` on and before `to_ms`, by pool and queue, channel, or the agent who answered (or nobody: "")."""
    columns = tables.contacts.c
    group: sa.ColumnElement[Any] = {
        "queue": columns.queue,
        "channel": columns.channel,
        "agent": sa.func.coalesce(columns.answered_by, ""),
    }[by]
    waits_here = columns.called_back.is_(sa.false())
    answered = sa.and_(columns.answered_ms.is_not(None), waits_here)
    within = sa.and_(answered, columns.answered_ms <= columns.due_ms)
    waiting = columns.state.in_(("queued", "offered"))
    overdue = sa.and_(columns.answered_ms.is_(None), waiting, waits_here, columns.due_ms < now_ms)
    query = (
        sa.select(
            columns.pool,
            group.label("key"),
            sa.func.count().label("received"),
            _count_where(answered).label("answered"),
            _count_where(within).label("within"),
            _count_where(overdue).label("overdue"),
            _count_where(columns.state == "abandoned").label("abandoned"),
            _count_where(columns.state == "cancelled").label("cancelled"),
            _count_where(columns.called_back).label("callbacks"),
            sa.func.avg(sa.case((waits_here, columns.answered_ms - columns.received_ms))).label("mean_wait_ms"),
        )
        .where(columns.received_ms >= from_ms, columns.received_ms < to_ms)
        .group_by(columns.pool, group)
        .order_by(columns.pool, group)
    )
    if pools is not None:
        query = query.where(columns.pool.in_(sorted(pools)))
    return {
        (row.pool, row.key): AnswerCounts(
            received=row.received,
            answered=row.answered,
            answered_within_target=row.within,
            overdue=row.overdue,
            abandoned=row.abandoned,
            cancelled=row.cancelled,
            callbacks=row.callbacks,
            mean_wait_ms=None if row.mean_wait_ms is None else max(0, round(row.mean_wait_ms)),
        )
        for row in await connection.execute(query)
    }


def _count_where(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


async def list_queues(
    connection: AsyncConnection, pools: frozenset[str] | None, *, with_gone: bool = False
) -> list[QueueRow]:
    """The configured queues, in the order of pool and name. `with_gone`: also those that are not configured any more."""
    columns = tables.queues.c
    query = sa.select(tables.queues).order_by(columns.pool, columns.queue)
    if not with_gone:
        query = query.where(columns.active.is_(sa.true()))
    if pools is not None:
        query = query.where(columns.pool.in_(sorted(pools)))
    return [QueueRow(**row._mapping) for row in await connection.execute(query)]


async def list_agents(
    connection: AsyncConnection, pools: frozenset[str] | None, *, after: str | None, limit: int
) -> list[AgentRow]:
    """The configured agents in the order of their ids, one more than `limit`."""
    columns = tables.agents.c
    query = sa.select(tables.agents).where(columns.active.is_(sa.true())).order_by(columns.agent_id).limit(limit + 1)
    if pools is not None:
        query = query.where(columns.pool.in_(sorted(pools)))
    if after is not None:
        query = query.where(columns.agent_id > after)
    return [AgentRow(**row._mapping) for row in await connection.execute(query)]


@dataclass(slots=True)
class Load:
    """What an agent has on one channel: at hand or offered, and held."""

    at_hand: int = 0
    held: int = 0

    @property
    def contacts(self) -> int:
        """All of them."""
        return self.at_hand + self.held


async def count_load(connection: AsyncConnection, agent_ids: list[str]) -> defaultdict[str, dict[str, Load]]:
    """By agent and channel, how many contacts are with the agent or offered to the agent. A callback is work on the telephone."""
    columns = tables.contacts.c
    # Written out: with a parameter PostgreSQL would not take it for the same expression in both places.
    voice: sa.ColumnElement[str] = sa.literal_column(f"'{Channel.VOICE.value}'")
    channels = sa.case((columns.callback.is_not(None), voice), else_=columns.channel)
    load: defaultdict[str, dict[str, Load]] = defaultdict(dict)
    for holder, states in ((columns.agent_id, ("active", "held", "wrap_up")), (columns.offered_to, ("offered",))):
        query = (
            sa.select(holder, channels, _count_where(columns.state == "held"), sa.func.count())
            .where(holder.in_(agent_ids), columns.state.in_(states))
            .group_by(holder, channels)
        )
        for agent_id, channel, held, number in await connection.execute(query):
            there = load[agent_id].setdefault(channel, Load())
            there.held += held
            there.at_hand += number - held
    return load


def units_used(load: Mapping[str, Load], unit_costs: Mapping[str, Sequence[int]] | None) -> int:
    """The units that these contacts use: `unit_costs` says by channel what one at hand uses, and what one that is held."""
    costs = unit_costs or {}
    return sum(
        there.at_hand * at_hand + there.held * held
        for channel, there in load.items()
        for at_hand, held in (costs.get(channel, (0, 0)),)
    )


async def list_throughput(
    connection: AsyncConnection, pools: frozenset[str] | None, *, from_ms: int, queue: str | None, channel: str | None
) -> list[sa.Row[Any]]:
    """The counters of each minute since `from_ms`, oldest first."""
    columns = tables.throughput.c
    query = (
        sa.select(tables.throughput)
        .where(columns.minute_ms >= from_ms)
        .order_by(columns.minute_ms, columns.pool, columns.queue, columns.channel)
    )
    if pools is not None:
        query = query.where(columns.pool.in_(sorted(pools)))
    if queue is not None:
        query = query.where(columns.queue == queue)
    if channel is not None:
        query = query.where(columns.channel == channel)
    return list(await connection.execute(query))
