"""`GET /v1/contacts/{id}/explain` of the router: for the agent API, which knows who may see a contact and hands the answer on.

One explanation at a time: it reads the log and holds a state of its own, and the workers beside it come first.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from libs.common.http.auth import Principal, Role, require
from libs.common.http.problem import ProblemError, unavailable_problem
from libs.common.log.port import EventLog
from libs.common.log.streams import ROUTING_EVENTS, partition_of
from services.router.explain import ContactUnknownError, explain_contact
from services.router.explain_document import as_document
from services.router.recovery import RecoveryImpossibleError

WAITING_MAX: Final = 8
TIMEOUT_S: Final = 60.0

router = APIRouter(prefix="/v1/contacts", tags=["contacts"])

Service = Annotated[Principal, Depends(require(kind="integration", role=Role.ADMIN))]


@dataclass(slots=True, kw_only=True)
class Explaining:
    """What the route works with; stands in `app.state.explaining`. `waiting` counts requests, the one at work included."""

    log: EventLog
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


@router.get("/{contact_id}/explain", summary="Why a contact was offered to whom, or why it waits")
async def get_explanation(
    request: Request, _caller: Service, contact_id: str, pool: Annotated[str, Query(max_length=200)]
) -> dict[str, Any]:
    """The explanation. 404 where the pool's log says nothing of the contact, 503 when too many ask or it takes too long."""
    explaining: Explaining = request.app.state.explaining
    if explaining.waiting >= WAITING_MAX:
        raise unavailable_problem("Too many explanations are asked for at once.")
    explaining.waiting += 1
    try:
        async with asyncio.timeout(TIMEOUT_S), explaining.turn:
            partition = partition_of(pool, explaining.log.partitions(ROUTING_EVENTS))
            return as_document(await explain_contact(explaining.log, contact_id, (partition,)))
    except TimeoutError:
        detail = "The explanation takes too long here; `centralino explain` takes its time."
        raise unavailable_problem(detail, retry_after_s=int(TIMEOUT_S)) from None
    except (ContactUnknownError, RecoveryImpossibleError) as error:
        raise ProblemError(404, "contact-unknown", "Unknown contact", str(error)) from error
    finally:
        explaining.waiting -= 1
