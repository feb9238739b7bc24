"""`POST /v1/contacts` and `.../left`: for integrations without an adapter of their own. Needs an integration's token.

The handle, the texts and the attachments go through the same cleaning as every channel's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from libs.common import ids
from libs.common.clock import Clock
from libs.common.configuration.models import PRIORITY_MAX, PRIORITY_MIN
from libs.common.events.inputs import CallbackWish
from libs.common.events.message import Attachment, Message
from libs.common.http.auth import Principal, require
from libs.common.http.correlation import current_correlation_id
from libs.common.http.problem import FieldError, ProblemError
from services.ingest.channels import handles
from services.ingest.channels.port import AccountContext, AttachmentContent, Normalised
from services.ingest.channels.text import clean_line, clean_line_or_none, clean_text
from services.ingest.receive import Receiver, Wishes

ATTACHMENT_BYTES_MAX: Final = 10 * 1024 * 1024
_IDENTIFIER_SCHEMES: Final = ("telegram", "messenger", "instagram", "whatsapp", "sms", "customer")

_Level = Annotated[int, Field(ge=1, le=5)]
_Short = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CustomerIn(_Body):
    """Who writes: an address as a URI, further ones, and a name."""

    handle: Annotated[str, Field(min_length=3, max_length=320, examples=["mailto:luca@example.com"])]
    handles: Annotated[list[str], Field(max_length=10)] = []
    name: Annotated[str, Field(max_length=200)] | None = None


class AttachmentIn(_Body):
    """A file, by its content or by a URL from which it is fetched later."""

    name: _Short
    content_type: _Short = "application/octet-stream"
    url: Annotated[str, Field(pattern=r"^https?://", max_length=2000)] | None = None
    content_base64: str | None = None


class CallbackIn(_Body):
    """The customer wants to be called at this number, from `not_before` on; none: as soon as may be."""

    handle: Annotated[str, Field(max_length=64, examples=["tel:+393331234567"])]
    not_before: AwareDatetime | None = None


class ContactIn(_Body):
    """A customer's message. With `callback` the customer waits for a call, not for an answer.

    An agent who gets it has all of `skills` and, where `any_of` is given, all of at least one of its sets. `preferred_agent` is offered it
    first, if he is available.
    """

    account: _Short
    external_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    customer: CustomerIn
    subject: Annotated[str, Field(max_length=1000)] | None = None
    text: str = ""
    occurred_at: AwareDatetime | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")] | None = None
    attributes: Annotated[dict[_Short, Annotated[str, Field(max_length=2000)]], Field(max_length=50)] = {}
    skills: Annotated[dict[_Short, _Level], Field(max_length=20)] = {}
    any_of: Annotated[
        list[Annotated[dict[_Short, _Level], Field(min_length=1, max_length=20)]], Field(max_length=8)
    ] = []
    preferred_agent: _Short | None = None
    priority: Annotated[int, Field(ge=PRIORITY_MIN, le=PRIORITY_MAX)] | None = None
    attachments: Annotated[list[AttachmentIn], Field(max_length=20)] = []
    callback: CallbackIn | None = None


class LeftIn(_Body):
    """Through which account the contact came in."""

    account: _Short


class ContactAccepted(BaseModel):
    """The message is on the log. `contact_hint`: the contact that it opens, unless it joins an open one of its thread.

    `duplicate`: it was seen before; false is no promise, but a second delivery makes nothing new in any case.
    """

    contact_hint: str
    message_id: str
    duplicate: bool


def contacts_router(accounts: Mapping[str, AccountContext], receiver: Receiver, clock: Clock) -> APIRouter:
    """The routes, for the accounts without a provider; that a customer left, for all of them."""
    router = APIRouter(tags=["contacts"])

    @router.post("/v1/contacts", status_code=202, response_model=ContactAccepted, summary="Hand a contact in")
    async def post_contact(
        body: ContactIn,
        principal: Annotated[Principal, Depends(require(kind="integration"))],
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> ContactAccepted:
        return await take_contact(
            body, find_account(accounts, body.account), receiver, principal, idempotency_key, clock
        )

    @router.post("/v1/contacts/{contact_id}/left", status_code=202, summary="The customer did not wait")
    async def post_left(
        contact_id: Annotated[str, Path(min_length=1, max_length=200)],
        body: LeftIn,
        _principal: Annotated[Principal, Depends(require(kind="integration"))],
    ) -> None:
        """For the `contact_hint` of a contact that was opened. What waits is taken out of its queue; a further message of the same
        customer brings it back to its old place for a while. It changes nothing for a contact that an agent has.
        """
        await receiver.tell_left(find_account(accounts, body.account), contact_id, current_correlation_id() or "")

    return router


def find_account(accounts: Mapping[str, AccountContext], name: str) -> AccountContext:
    """The account. Raises ProblemError 404."""
    account = accounts.get(name)
    if account is None:
        raise ProblemError(
            404, "account-unknown", "Unknown account", errors=(FieldError("no such account", pointer="/account"),)
        )
    return account


async def take_contact(
    body: ContactIn,
    account: AccountContext,
    receiver: Receiver,
    principal: Principal,
    idempotency_key: str | None,
    clock: Clock,
) -> ContactAccepted:
    """Put what an integration hands in on the log. Raises ProblemError 422, OutageError."""
    if account.provider is not None:
        detail = f"its contacts come in by its provider's webhook, {account.webhook_url}"
        raise ProblemError(422, "invalid", "Invalid request", errors=(FieldError(detail, pointer="/account"),))
    normalised = normalise_contact(body, account, principal.id, idempotency_key, clock.now_ms())
    wishes = Wishes(
        skills=body.skills,
        priority=body.priority,
        any_of=body.any_of,
        preferred_agent=body.preferred_agent,
        callback=_wish(body.callback),
    )
    receipts = await receiver.receive(account, normalised, current_correlation_id() or "", wishes)
    receipt = receipts[0]
    return ContactAccepted(
        contact_hint=receipt.contact_hint, message_id=receipt.message_id, duplicate=receipt.duplicate
    )


def _wish(callback: CallbackIn | None) -> CallbackWish | None:
    """The wish in the number's one spelling. Raises ProblemError 422 where it is no number that can be called from everywhere."""
    if callback is None:
        return None
    scheme, _, number = callback.handle.partition(":")
    handle = handles.phone_handle(number) if scheme == "tel" else None
    if handle is None:
        detail = "must be tel: and a number with its country, such as tel:+393331234567"
        raise ProblemError(422, "invalid", "Invalid request", errors=(FieldError(detail, "/callback/handle"),))
    return CallbackWish(handle=handle, not_before_ms=_milliseconds(callback.not_before))


def normalise_contact(
    body: ContactIn, account: AccountContext, integration: str, idempotency_key: str | None, now_ms: int
) -> Normalised:
    """The body as our message. Raises ProblemError 422 with the fields that cannot be used."""
    faults: list[FieldError] = []
    handle = parse_handle(body.customer.handle)
    if handle is None:
        faults.append(
            FieldError("must be an address such as mailto:, tel: (+country) or telegram:", "/customer/handle")
        )
    others = []
    for place, text in enumerate(body.customer.handles):
        other = parse_handle(text)
        if other is None:
            faults.append(FieldError("must be an address such as mailto: or tel:", f"/customer/handles/{place}"))
        others.append(other)
    attachments, contents = _attachments(body.attachments, faults)
    if faults or handle is None:
        raise ProblemError(422, "invalid", "Invalid request", "Some fields are not as they must be.", errors=faults)
    provider_id = body.external_id or (f"{integration}/{idempotency_key}" if idempotency_key else ids.new_id("ext"))
    message = Message(
        id=ids.message_id(account.name, provider_id),
        thread_id=ids.thread_id(account.name, handle),
        account=account.name,
        channel=account.channel,
        provider_id=provider_id,
        handle=handle,
        received_ms=now_ms,
        occurred_ms=_milliseconds(body.occurred_at),
        handles=handles.unique_handles(handle, *others),
        name=clean_line_or_none(body.customer.name, 200),
        subject=clean_line_or_none(body.subject),
        text=clean_text(body.text),
        language=body.language or account.language,
        attachments=attachments,
        attributes={clean_line(name, 200): clean_line(value, 2000) for name, value in body.attributes.items()},
    )
    return Normalised(messages=(message,), attachments=contents)


def parse_handle(text: str) -> str | None:
    """A handle as written by an integration, in its one spelling; None where it is none."""
    scheme, _, rest = text.partition(":")
    if scheme == "mailto":
        return handles.mail_handle(rest)
    if scheme == "tel":
        return handles.phone_handle(rest)
    return handles.identifier_handle(scheme, rest) if scheme in _IDENTIFIER_SCHEMES else None


def _attachments(
    given: list[AttachmentIn], faults: list[FieldError]
) -> tuple[tuple[Attachment, ...], tuple[AttachmentContent, ...]]:
    attachments: list[Attachment] = []
    contents: list[AttachmentContent] = []
    for place, item in enumerate(given):
        common: dict[str, Any] = {
            "name": clean_line(item.name, 200),
            "content_type": clean_line(item.content_type, 200),
        }
        if (item.url is None) == (item.content_base64 is None):
            faults.append(FieldError("needs either url or content_base64", f"/attachments/{place}"))
        elif item.url is not None:
            attachments.append(Attachment(id=ids.attachment_id("url", item.url), remote=item.url, **common))
        elif item.content_base64 is not None:
            data = _decode(item.content_base64)
            if data is None or len(data) > ATTACHMENT_BYTES_MAX:
                detail = f"must be base64 of at most {ATTACHMENT_BYTES_MAX} bytes"
                faults.append(FieldError(detail, f"/attachments/{place}/content_base64"))
                continue
            key = ids.attachment_id("content", hashlib.sha256(data).hexdigest())
            attachments.append(Attachment(id=key, size_bytes=len(data), **common))
            contents.append(AttachmentContent(id=key, content_type=common["content_type"], data=data))
    return tuple(attachments), tuple(contents)


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
