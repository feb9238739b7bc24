"""Contacts: looking at them, and working on one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from libs.common.events.inputs import AddNote, FinishWrapUp, ResolveContact
from libs.common.http.problem import ProblemError
from libs.common.log import streams
from services.agent_api.access import AnyViewer, ServiceParts, Viewer
from services.agent_api.commands import Append, IdempotencyKey, answer_of, carry_out
from services.agent_api.models import (
    Contact,
    Message,
    Note,
    NoteRequest,
    Page,
    ResolveRequest,
    State,
    TimelineEntry,
    WaitingContact,
)
from services.agent_api.models_explain import Explanation
from services.agent_api.paging import LIMIT_DEFAULT, Cursor, Limit, decode_cursor, page
from services.agent_api.parts import Parts
from services.agent_api.presentation import contact_body, message_body, timeline_body
from services.agent_api.problems import COMMANDED, PROBLEMS
from services.agent_api.store.lookups import look_up_contact
from services.agent_api.store.queries import (
    ContactAndCustomer,
    ContactFilter,
    list_contacts,
    list_messages,
    list_timeline,
)
from services.agent_api.store.waits import find_wait

router = APIRouter(prefix="/v1/contacts", tags=["contacts"], responses=PROBLEMS)

MakeEvent = Callable[..., msgspec.Struct]

Name = Annotated[str | None, Query(max_length=200)]


@router.get("", response_model=Page[Contact], summary="Contacts")
async def get_contacts(
    parts: ServiceParts,
    viewer: AnyViewer,
    state: Annotated[list[State] | None, Query(description="May be given several times.")] = None,
    queue: Name = None,
    agent: Name = None,
    customer: Name = None,
    channel: Name = None,
    flagged: Annotated[bool | None, Query(description="Whether somebody should look at it.")] = None,
    resumable: Annotated[
        bool | None,
        Query(description="Whether its customer left and finds it again by writing, until `resumable_until`."),
    ] = None,
    order: Annotated[Literal["newest", "due"], Query(description="Newest first, or what is due earliest.")] = "newest",
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The contacts of the caller's pool that meet every condition."""
    wanted = ContactFilter(
        pools=viewer.pools,
        state=state or (),
        queue=queue,
        agent=agent,
        customer=customer,
        channel=channel,
        flagged=flagged,
        resumable=resumable,
    )
    by_due = order == "due"
    after = decode_cursor(cursor, (int, str))
    async with parts.reading() as connection:
        rows = await list_contacts(connection, wanted, after=after, limit=limit, earliest_due_first=by_due)

    def key(row: ContactAndCustomer) -> tuple[int, str]:
        contact, _ = row
        return contact.due_ms if by_due else contact.received_ms, contact.contact_id

    return page(rows, limit, lambda row: contact_body(*row), key)


@router.get("/{contact_id}", response_model=WaitingContact, summary="One contact")
async def get_contact(parts: ServiceParts, viewer: AnyViewer, contact_id: str) -> dict[str, Any]:
    """The contact as it stands; while it waits with its place in its queue, and how long it will probably wait from now on."""
    contact, customer = await visible_contact(parts, viewer, contact_id)
    async with parts.reading() as connection:
        wait = await find_wait(connection, contact, parts.clock.now_ms())
    return {**contact_body(contact, customer), **wait}


@router.get("/{contact_id}/messages", response_model=Page[Message], summary="What was said, oldest first")
async def get_messages(
    parts: ServiceParts,
    viewer: AnyViewer,
    contact_id: str,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The customer's messages and the replies, with how far these came."""
    await visible_contact(parts, viewer, contact_id)
    after = decode_cursor(cursor, (int, str))
    async with parts.reading() as connection:
        rows = await list_messages(connection, contact_id, after=after, limit=limit)
    return page(rows, limit, message_body, lambda row: (row.at_ms, row.entry_id))


@router.get("/{contact_id}/timeline", response_model=Page[TimelineEntry], summary="What happened, oldest first")
async def get_timeline(
    parts: ServiceParts,
    viewer: AnyViewer,
    contact_id: str,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The contact's history: queued, offered (with why), assigned, notes, mails."""
    await visible_contact(parts, viewer, contact_id)
    after = decode_cursor(cursor, (int, str))
    async with parts.reading() as connection:
        rows = await list_timeline(connection, contact_id, after=after, limit=limit)
    return page(rows, limit, timeline_body, lambda row: (row.at_ms, row.entry_id))


@router.get("/{contact_id}/explain", response_model=Explanation, summary="Why it was offered to whom, or why it waits")
async def get_explanation(parts: ServiceParts, viewer: AnyViewer, contact_id: str) -> Response:
    """Every decision about the contact with its candidates and who was left out and why; while it waits, what would have to change.

    Computed by the router from the log when it is asked for, which may take some seconds.
    """
    contact, _ = await visible_contact(parts, viewer, contact_id)
    return Response(await parts.explanations.fetch(contact.pool, contact_id), media_type="application/json")


@router.post(
    "/{contact_id}/notes", response_model=Note, status_code=201, responses=COMMANDED, summary="Add an internal note"
)
async def add_note(
    parts: ServiceParts, viewer: AnyViewer, contact_id: str, body: NoteRequest, key: IdempotencyKey = None
) -> Response:
    """201 with the note, which stands in the contact's history. Anybody who sees the contact may add one."""
    contact, _ = await visible_contact(parts, viewer, contact_id)

    def make(command_id: str, _asked_ms: int) -> Append:
        event = AddNote(
            pool=contact.pool,
            command_id=command_id,
            agent_id=viewer.id,
            contact_id=contact_id,
            # One command, one note.
            note_id=f"not_{command_id.removeprefix('cmd_')}",
            text=body.text,
        )
        return Append(stream=streams.ROUTING_INPUTS, key=contact.pool, event=event, subject=contact_id)

    return answer_of(await carry_out(parts, viewer, key, "add-note", contact_id, body, make), 201)


@router.post("/{contact_id}/resolve", response_model=Contact, responses=COMMANDED, summary="The work is done")
async def resolve_contact(
    parts: ServiceParts,
    viewer: AnyViewer,
    contact_id: str,
    body: ResolveRequest | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """200 with the contact: resolved, or in wrap-up where its queue or channel has one. Supervisors resolve any contact of their pool."""
    asked = body or ResolveRequest()
    event = partial(ResolveContact, disposition=asked.disposition, summary=asked.summary, follow_up=asked.follow_up)
    return await command_contact(parts, viewer, contact_id, key, "resolve-contact", asked, event)


@router.post(
    "/{contact_id}/wrap-up/done", response_model=Contact, responses=COMMANDED, summary="Ready before the time is over"
)
async def finish_wrap_up(
    parts: ServiceParts, viewer: AnyViewer, contact_id: str, key: IdempotencyKey = None
) -> Response:
    """200 with the contact, resolved."""
    return await command_contact(parts, viewer, contact_id, key, "finish-wrap-up", None, FinishWrapUp)


async def command_contact(
    parts: Parts, viewer: Viewer, contact_id: str, key: str | None, kind: str, body: BaseModel | None, event: MakeEvent
) -> Response:
    """Let the router carry `event` out on a contact that the viewer sees, and answer with what became of it."""
    contact, _ = await visible_contact(parts, viewer, contact_id)

    def make(command_id: str, _asked_ms: int) -> Append:
        command = event(
            pool=contact.pool,
            command_id=command_id,
            agent_id=viewer.id,
            supervising=viewer.supervises,
            contact_id=contact_id,
        )
        return Append(stream=streams.ROUTING_INPUTS, key=contact.pool, event=command, subject=contact_id)

    return answer_of(await carry_out(parts, viewer, key, kind, contact_id, body, make))


async def visible_contact(parts: Parts, viewer: Viewer, contact_id: str) -> ContactAndCustomer:
    """The contact, if the viewer may see it. Raises ProblemError 404."""
    async with parts.looking_up() as session:
        found = await look_up_contact(session, contact_id)
    if found is None or not viewer.sees(found[0].pool):
        raise ProblemError(404, "contact-unknown", "Unknown contact", "There is no such contact for you.")
    return found
