"""What is done with a contact besides answering and resolving it: passing it on, putting it aside, taking it by name, finishing up for
longer; and what supervisors do with any contact of their pool. The router decides; the answer is the fact that it caused.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from libs.common.events.inputs import (
    AssignContact,
    CancelContact,
    ChangeContact,
    EndConsult,
    ExtendWrapUp,
    HoldContact,
    PullContact,
    ReportNotReached,
    RequestCallback,
    RequeueContact,
    StartConsult,
    TransferContact,
    UnholdContact,
)
from services.agent_api.access import AnyViewer, ServiceParts, SupervisingViewer
from services.agent_api.commands import IdempotencyKey
from services.agent_api.models import Contact
from services.agent_api.models_handling import (
    AssignedContact,
    AssignRequest,
    CallbackRequest,
    CancelRequest,
    ChangeRequest,
    ConsultRequest,
    ExtendRequest,
    TransferredContact,
    TransferRequest,
)
from services.agent_api.problems import COMMANDED, PROBLEMS
from services.agent_api.routes_contacts import command_contact

router = APIRouter(prefix="/v1/contacts/{contact_id}", responses={**PROBLEMS, **COMMANDED})


@router.post("/transfer", response_model=TransferredContact, tags=["contacts"], summary="Pass the contact on")
async def transfer_contact(
    parts: ServiceParts, viewer: AnyViewer, contact_id: str, body: TransferRequest, key: IdempotencyKey = None
) -> Response:
    """200 with the contact, which waits again in its old place: in another queue, for other skills or an agent. It keeps its history."""

    def event(*, command_id: str, **fields: Any) -> TransferContact:
        # One command, one note.
        note_id = None if body.note is None else f"not_{command_id.removeprefix('cmd_')}"
        return TransferContact(
            **fields,
            command_id=command_id,
            queue=body.queue,
            target_agent_id=body.agent,
            skills=body.skills,
            note_id=note_id,
            text=body.note,
        )

    return await command_contact(parts, viewer, contact_id, key, "transfer-contact", body, event)


@router.post("/hold", response_model=Contact, tags=["contacts"], summary="Put the contact aside")
async def hold_contact(parts: ServiceParts, viewer: AnyViewer, contact_id: str, key: IdempotencyKey = None) -> Response:
    """200 with the contact, held. It comes back to its agent when the customer writes, as soon as there is room for it."""
    return await command_contact(parts, viewer, contact_id, key, "hold-contact", None, HoldContact)


@router.post("/resume", response_model=Contact, tags=["contacts"], summary="Go on with a held contact")
async def resume_contact(
    parts: ServiceParts, viewer: AnyViewer, contact_id: str, key: IdempotencyKey = None
) -> Response:
    """200 with the contact, active, also where the agent has no room for it any more."""
    return await command_contact(parts, viewer, contact_id, key, "resume-contact", None, UnholdContact)


@router.post("/pull", response_model=Contact, tags=["contacts"], summary="Take a waiting contact")
async def pull_contact(parts: ServiceParts, viewer: AnyViewer, contact_id: str, key: IdempotencyKey = None) -> Response:
    """200 with the contact, active. Only out of a queue with `pull`, by somebody available who has the skills and room for it."""
    return await command_contact(parts, viewer, contact_id, key, "pull-contact", None, PullContact)


@router.post("/consult", response_model=Contact, tags=["contacts"], summary="Ask a colleague to look at the contact")
async def start_consult(
    parts: ServiceParts, viewer: AnyViewer, contact_id: str, body: ConsultRequest, key: IdempotencyKey = None
) -> Response:
    """200 with the contact. The colleague sees it in `consults` of the own work; it takes up no room, and stays with its agent."""
    event = partial(StartConsult, target_agent_id=body.agent)
    return await command_contact(parts, viewer, contact_id, key, "start-consult", body, event)


@router.delete("/consult", response_model=Contact, tags=["contacts"], summary="A colleague has looked at the contact")
async def end_consult(
    parts: ServiceParts,
    viewer: AnyViewer,
    contact_id: str,
    agent: Annotated[str | None, Query(max_length=200, description="The colleague; without it the caller.")] = None,
    key: IdempotencyKey = None,
) -> Response:
    """200 with the contact. It ends by itself when the contact is passed on, taken back or resolved."""
    asked = ConsultRequest(agent=agent or viewer.id)
    event = partial(EndConsult, target_agent_id=asked.agent)
    return await command_contact(parts, viewer, contact_id, key, "end-consult", asked, event)


@router.post("/wrap-up/extend", response_model=Contact, tags=["contacts"], summary="Finish up for longer")
async def extend_wrap_up(
    parts: ServiceParts, viewer: AnyViewer, contact_id: str, body: ExtendRequest, key: IdempotencyKey = None
) -> Response:
    """200 with the contact and its new end of wrap-up, at most a day from now."""
    event = partial(ExtendWrapUp, by_ms=body.by_ms)
    return await command_contact(parts, viewer, contact_id, key, "extend-wrap-up", body, event)


@router.post("/callback", response_model=Contact, tags=["contacts"], summary="Call the customer back")
async def request_callback(
    parts: ServiceParts,
    viewer: AnyViewer,
    contact_id: str,
    body: CallbackRequest | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """200 with the contact, which keeps its place: at the time asked for, within its queue's hours, an agent is offered it to call the
    number. For a contact that waits, or that the caller has in hand; asked for again it is at the new time.
    """
    asked = body or CallbackRequest()
    not_before_ms = None if asked.not_before is None else int(asked.not_before.timestamp() * 1000)
    event = partial(RequestCallback, handle=asked.handle, not_before_ms=not_before_ms)
    return await command_contact(parts, viewer, contact_id, key, "request-callback", asked, event)


@router.post("/callback/not-reached", response_model=Contact, tags=["contacts"], summary="Nobody answered the call")
async def report_not_reached(
    parts: ServiceParts, viewer: AnyViewer, contact_id: str, key: IdempotencyKey = None
) -> Response:
    """200 with the contact, which the caller has no more: scheduled again after a pause; in the end cancelled (`not-reached`)."""
    return await command_contact(parts, viewer, contact_id, key, "report-not-reached", None, ReportNotReached)


@router.post("/assign", response_model=AssignedContact, tags=["supervision"], summary="Give the contact to an agent")
async def assign_contact(
    parts: ServiceParts, viewer: SupervisingViewer, contact_id: str, body: AssignRequest, key: IdempotencyKey = None
) -> Response:
    """200 with the contact, which is this agent's from now on, wherever it stood, and with a warning where that is beyond capacity."""
    event = partial(AssignContact, target_agent_id=body.agent)
    return await command_contact(parts, viewer, contact_id, key, "assign-contact", body, event)


@router.post("/requeue", response_model=Contact, tags=["supervision"], summary="Take the contact back from its agent")
async def requeue_contact(
    parts: ServiceParts, viewer: SupervisingViewer, contact_id: str, key: IdempotencyKey = None
) -> Response:
    """200 with the contact, which waits again in its old place; for a while it is not offered to the same agent."""
    return await command_contact(parts, viewer, contact_id, key, "requeue-contact", None, RequeueContact)


@router.patch("", response_model=Contact, tags=["supervision"], summary="Change priority, skills or queue")
async def change_contact(
    parts: ServiceParts, viewer: SupervisingViewer, contact_id: str, body: ChangeRequest, key: IdempotencyKey = None
) -> Response:
    """200 with the contact. It acts at once: a waiting contact has a new place, an offer that may not suit any more is taken back."""
    event = partial(ChangeContact, priority=body.priority, skills=body.skills, queue=body.queue)
    return await command_contact(parts, viewer, contact_id, key, "change-contact", body, event)


@router.post("/cancel", response_model=Contact, tags=["supervision"], summary="End the contact without an answer")
async def cancel_contact(
    parts: ServiceParts,
    viewer: SupervisingViewer,
    contact_id: str,
    body: CancelRequest | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """200 with the contact, cancelled: no work for anybody, and no mail asks about it."""
    asked = body or CancelRequest()
    event = partial(CancelContact, reason=asked.reason)
    return await command_contact(parts, viewer, contact_id, key, "cancel-contact", asked, event)
