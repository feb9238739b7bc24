"""Numbers for screens and reports: throughput by the minute, service levels of any time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from libs.common.clock import rfc3339
from libs.common.http.problem import FieldError, ProblemError
from services.agent_api.access import AnyViewer, ServiceParts, SupervisingViewer
from services.agent_api.models_numbers import Realtime, ServiceLevelReport
from services.agent_api.problems import PROBLEMS
from services.agent_api.store.statistics import AnswerCounts, Grouping, count_answers, list_throughput
from services.agent_api.store.workset import COUNTERS, MINUTE_MS

REPORT_MS_MAX: Final = 400 * 24 * 3_600_000
REPORT_MS_DEFAULT: Final = 24 * 3_600_000

router = APIRouter(prefix="/v1", tags=["metrics"], responses=PROBLEMS)


@router.get("/metrics/realtime", response_model=Realtime, summary="Throughput by the minute")
async def get_realtime(
    parts: ServiceParts,
    viewer: AnyViewer,
    minutes: Annotated[int, Query(ge=1, le=1440, description="How far back.")] = 60,
    queue: Annotated[str | None, Query(max_length=200)] = None,
    channel: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """Contacts received, assigned, resolved, abandoned and cancelled in each minute, by queue and channel.

    Minutes without any are left out.
    """
    now_ms = parts.clock.now_ms()
    from_ms = now_ms - now_ms % MINUTE_MS - (minutes - 1) * MINUTE_MS
    async with parts.reading() as connection:
        rows = await list_throughput(connection, viewer.pools, from_ms=from_ms, queue=queue, channel=channel)
    return {
        "from": rfc3339(from_ms),
        "to": rfc3339(now_ms),
        "minutes": [
            {
                "at": rfc3339(row.minute_ms),
                "pool": row.pool,
                "queue": row.queue,
                "channel": row.channel,
                **{name: getattr(row, name) for name in COUNTERS},
            }
            for row in rows
        ],
    }


@router.get("/reports/service-level", response_model=ServiceLevelReport, summary="Answered within target")
async def get_service_level(
    parts: ServiceParts,
    viewer: SupervisingViewer,
    by: Grouping = "queue",
    from_: Annotated[AwareDatetime | None, Query(alias="from", description="Received at or after; a day ago.")] = None,
    to: Annotated[AwareDatetime | None, Query(description="Received before; now.")] = None,
) -> dict[str, Any]:
    """Of the contacts received in this time: how many were answered, and how many within their target.

    `service_level` is the share within target among those answered or overdue by now. `by=agent` goes by who answered first; contacts
    that nobody answered yet stand under an empty key.
    """
    now_ms = parts.clock.now_ms()
    to_ms = now_ms if to is None else _ms(to)
    from_ms = to_ms - REPORT_MS_DEFAULT if from_ is None else _ms(from_)
    if not from_ms < to_ms <= from_ms + REPORT_MS_MAX:
        place = FieldError("`from` must be before `to`, by 400 days at most", loc="query.from")
        raise ProblemError(422, "invalid", "Invalid request", errors=(place,))
    async with parts.reading() as connection:
        found = await count_answers(connection, viewer.pools, by, from_ms=from_ms, to_ms=to_ms, now_ms=now_ms)
    return {
        "from": rfc3339(from_ms),
        "to": rfc3339(to_ms),
        "by": by,
        "items": [_line(pool, key, counts) for (pool, key), counts in found.items()],
    }


def _line(pool: str, key: str, counts: AnswerCounts) -> dict[str, Any]:
    return {
        "pool": pool,
        "key": key,
        "received": counts.received,
        "answered": counts.answered,
        "answered_within_target": counts.answered_within_target,
        "overdue": counts.overdue,
        "abandoned": counts.abandoned,
        "cancelled": counts.cancelled,
        "callbacks": counts.callbacks,
        "service_level": counts.service_level,
        "mean_wait_ms": counts.mean_wait_ms,
    }


def _ms(time: datetime) -> int:
    return round(time.astimezone(UTC).timestamp() * 1000)
