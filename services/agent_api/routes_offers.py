"""Answering offers. The router decides; the answer is the fact that it caused."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from libs.common.events.inputs import AcceptOffer, RejectOffer
from libs.common.http.problem import ProblemError
from libs.common.log import streams
from services.agent_api.access import AnyViewer, ServiceParts, Viewer
from services.agent_api.commands import Append, IdempotencyKey, answer_of, carry_out
from services.agent_api.models import Contact, RejectRequest
from services.agent_api.parts import Parts
from services.agent_api.problems import COMMANDED, PROBLEMS
from services.agent_api.store.lookups import look_up_offer
from services.agent_api.store.rows import OfferRow

router = APIRouter(prefix="/v1/offers", tags=["offers"], responses={**PROBLEMS, **COMMANDED})


@router.post("/{offer_id}/accept", response_model=Contact, summary="Take the contact")
async def accept_offer(parts: ServiceParts, viewer: AnyViewer, offer_id: str, key: IdempotencyKey = None) -> Response:
    """200 with the contact, which is the caller's from now on."""
    offer = await _visible_offer(parts, viewer, offer_id)

    def make(command_id: str, _asked_ms: int) -> Append:
        event = AcceptOffer(pool=offer.pool, command_id=command_id, agent_id=viewer.id, offer_id=offer_id)
        return Append(stream=streams.ROUTING_INPUTS, key=offer.pool, event=event, subject=offer_id)

    return answer_of(await carry_out(parts, viewer, key, "accept-offer", offer_id, None, make))


@router.post("/{offer_id}/reject", response_model=Contact, summary="Decline the contact")
async def reject_offer(
    parts: ServiceParts,
    viewer: AnyViewer,
    offer_id: str,
    body: RejectRequest | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """200 with the contact, which waits again in its old place."""
    offer = await _visible_offer(parts, viewer, offer_id)
    asked = body or RejectRequest()

    def make(command_id: str, _asked_ms: int) -> Append:
        event = RejectOffer(
            pool=offer.pool, command_id=command_id, agent_id=viewer.id, offer_id=offer_id, reason=asked.reason
        )
        return Append(stream=streams.ROUTING_INPUTS, key=offer.pool, event=event, subject=offer_id)

    return answer_of(await carry_out(parts, viewer, key, "reject-offer", offer_id, asked, make))


async def _visible_offer(parts: Parts, viewer: Viewer, offer_id: str) -> OfferRow:
    async with parts.looking_up() as session:
        offer = await look_up_offer(session, offer_id)
    if offer is None or not viewer.sees(offer.pool):
        raise ProblemError(404, "offer-unknown", "Unknown offer", "There is no such offer for you.")
    return offer
