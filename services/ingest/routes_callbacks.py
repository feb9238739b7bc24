"""`POST /v1/callbacks`: customers who want to be called, from an IVR or a form of the firm's own. Needs an integration's token.

A callback is a contact like any other, handed in without a message of many words; `routes_contacts` takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query
from pydantic import AwareDatetime, Field

from libs.common.clock import Clock
from libs.common.http.auth import Principal, require
from libs.common.http.correlation import current_correlation_id
from libs.common.http.problem import FieldError, ProblemError
from services.ingest.channels import handles
from services.ingest.channels.port import AccountContext
from services.ingest.receive import Receiver
from services.ingest.routes_contacts import (
    CallbackIn,
    ContactAccepted,
    ContactIn,
    CustomerIn,
    find_account,
    take_contact,
)


class CallbackRequestIn(CallbackIn):
    """Whom to call, when and what about. `account`: one without a provider, through whose rules it finds its queue."""

    account: Annotated[str, Field(min_length=1, max_length=200)]
    external_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    subject: Annotated[str, Field(max_length=1000)] | None = None
    text: str = ""
    requested_at: AwareDatetime | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")] | None = None
    attributes: dict[str, Annotated[str, Field(max_length=2000)]] = Field(default_factory=dict, max_length=50)
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict, max_length=20)


def callbacks_router(accounts: Mapping[str, AccountContext], receiver: Receiver, clock: Clock) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["callbacks"])

    @router.post("/v1/callbacks", status_code=202, response_model=ContactAccepted, summary="Ask for a call")
    async def post_callback(
        body: CallbackRequestIn,
        principal: Annotated[Principal, Depends(require(kind="integration"))],
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> ContactAccepted:
        """The customer has the place of a contact that came now. A number that is to be called already is called once, at the time that was
        asked for last.
        """
        account = find_account(accounts, body.account)
        _, _, number = body.handle.partition(":")
        handle = handles.phone_handle(number) if body.handle.startswith("tel:") else None
        if handle is None:
            detail = "must be tel: and a number with its country, such as tel:+393331234567"
            raise ProblemError(422, "invalid", "Invalid request", errors=(FieldError(detail, "/handle"),))
        contact = ContactIn(
            account=body.account,
            external_id=body.external_id,
            customer=CustomerIn(handle=handle, name=body.name),
            subject=body.subject,
            text=body.text,
            occurred_at=body.requested_at,
            language=body.language,
            attributes=body.attributes,
            skills=body.skills,
            callback=CallbackIn(handle=handle, not_before=body.not_before),
        )
        return await take_contact(contact, account, receiver, principal, idempotency_key, clock)

    @router.delete("/v1/callbacks/{contact_id}", status_code=202, summary="The customer wants no call any more")
    async def delete_callback(
        contact_id: Annotated[str, Path(min_length=1, max_length=200)],
        account: Annotated[str, Query(min_length=1, max_length=200, description="Through which it was asked for.")],
        _principal: Annotated[Principal, Depends(require(kind="integration"))],
    ) -> None:
        """For the `contact_hint` of any request for the call. A contact that was open before waits for its answer again. It changes
        nothing once an agent has it in hand.
        """
        known = find_account(accounts, account)
        await receiver.tell_left(known, contact_id, current_correlation_id() or "", declines_callback=True)

    return router
