"""`POST /v1/forms/{account}`: a web form, urlencoded, multipart or JSON, from any page of the firm's site.

Known fields are `name`, `email`, `phone`, `subject`, `message` (or `text`), `language` and `submission_id`; every other one becomes an
attribute, files become attachments. A browser that posts the form itself gets a small page of thanks, a script gets JSON.
A form needs an address to answer to: an e-mail or a phone number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter, Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.responses import HTMLResponse, Response

from libs.common import ids
from libs.common.clock import Clock
from libs.common.events.message import Attachment, Message
from libs.common.http.correlation import current_correlation_id
from libs.common.http.limits import parse_json, read_body
from libs.common.http.problem import FieldError, ProblemError, malformed_problem
from services.ingest.channels import handles
from services.ingest.channels.port import AccountContext, AttachmentContent, Normalised
from services.ingest.channels.text import clean_line, clean_line_or_none, clean_text
from services.ingest.receive import Receiver
from services.ingest.routes_contacts import ContactAccepted

BODY_BYTES_MAX: Final = 15 * 1024 * 1024
FIELDS_MAX: Final = 100
FILES_MAX: Final = 10
PREFIX: Final = "/v1/forms/"
_KNOWN: Final = frozenset({"name", "email", "phone", "subject", "message", "text", "language", "submission_id"})
_LANGUAGES: Final = frozenset({"it", "en"})

_THANKS: Final = {
    "it": ("Grazie", "Abbiamo ricevuto il tuo messaggio e ti risponderemo al più presto."),
    "en": ("Thank you", "We have received your message and will answer as soon as we can."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a form held, as it was sent."""

    fields: Mapping[str, str]
    files: tuple[tuple[str, str, bytes], ...] = field(default=())


def forms_router(accounts: Mapping[str, AccountContext], receiver: Receiver, clock: Clock) -> APIRouter:
    """The route, for accounts of the channel webform."""
    router = APIRouter(tags=["contacts"])

    @router.options(PREFIX + "{account}", include_in_schema=False)
    async def preflight(account: str) -> Response:
        return Response(status_code=204, headers=_cross_origin())

    @router.post(PREFIX + "{account}", status_code=202, response_model=ContactAccepted, summary="Hand a web form in")
    async def post_form(account: str, request: Request) -> Response:
        context = accounts.get(account)
        if context is None or context.channel != "webform":
            raise ProblemError(404, "account-unknown", "Unknown account", "No web form has this name.")
        submission = await read_submission(request)
        key = request.headers.get("idempotency-key")
        normalised = normalise_form(submission, context, key, clock.now_ms())
        receipt = (await receiver.receive(context, normalised, current_correlation_id() or ""))[0]
        if "text/html" in request.headers.get("accept", ""):
            return _thanks(normalised.messages[0].language)
        accepted = ContactAccepted(
            contact_hint=receipt.contact_hint, message_id=receipt.message_id, duplicate=receipt.duplicate
        )
        return Response(
            accepted.model_dump_json(), status_code=202, media_type="application/json", headers=_cross_origin()
        )

    return router


async def read_submission(request: Request) -> Submission:
    """The form in the request's body. Raises ProblemError 400, 413 or 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request, BODY_BYTES_MAX)
    if kind == "application/json":
        document = parse_json(body)
        if not isinstance(document, dict):
            raise malformed_problem("The body is not a JSON object.")
        return Submission(fields={name: _scalar(name, value) for name, value in document.items()})
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        raise ProblemError(415, "unsupported-media-type", "Unsupported media type", "Send a form or JSON.")
    # The body is in memory and bounded: the parser reads it from there.
    request._body = body
    fields: dict[str, str] = {}
    files: list[tuple[str, str, bytes]] = []
    try:
        async with request.form(max_files=FILES_MAX, max_fields=FIELDS_MAX) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    content = await value.read()
                    if content:
                        kind = value.content_type or "application/octet-stream"
                        files.append((value.filename or name, kind, content))
                else:
                    fields[name] = f"{fields[name]}, {value}" if name in fields else value
    except (MultiPartException, FormParserError) as error:
        raise malformed_problem(f"The form cannot be read: {error}") from error
    return Submission(fields=fields, files=tuple(files))


def normalise_form(
    submission: Submission, account: AccountContext, idempotency_key: str | None, now_ms: int
) -> Normalised:
    """The form as our message. Raises ProblemError 422 with the fields that cannot be used."""
    given = {name.strip().lower(): value for name, value in submission.fields.items() if value.strip()}
    mail, phone = handles.mail_handle(given.get("email")), handles.phone_handle(given.get("phone"), "IT")
    text = clean_text(given.get("message") or given.get("text") or "")
    faults = []
    if "email" in given and mail is None:
        faults.append(FieldError("is not an e-mail address", pointer="/email"))
    if "phone" in given and phone is None:
        faults.append(FieldError("is not a phone number", pointer="/phone"))
    if mail is None and phone is None and not faults:
        faults.append(FieldError("an e-mail address or a phone number is needed to answer", pointer="/email"))
    if not text and not submission.files:
        faults.append(FieldError("is empty", pointer="/message"))
    handle = mail or phone
    if faults or handle is None:
        raise ProblemError(422, "invalid", "Invalid form", "Some fields are not as they must be.", errors=faults)
    provider_id = given.get("submission_id") or idempotency_key or ids.new_id("form")
    attachments, contents = _attachments(submission)
    message = Message(
        id=ids.message_id(account.name, provider_id),
        thread_id=ids.thread_id(account.name, handle),
        account=account.name,
        channel=account.channel,
        provider_id=clean_line(provider_id, 200),
        handle=handle,
        received_ms=now_ms,
        handles=handles.unique_handles(mail, phone),
        name=clean_line_or_none(given.get("name"), 200),
        subject=clean_line_or_none(given.get("subject")),
        text=text,
        language=_language(given.get("language")) or account.language,
        attachments=attachments,
        attributes={
            clean_line(name, 200): clean_line(value, 2000) for name, value in given.items() if name not in _KNOWN
        },
    )
    return Normalised(messages=(message,), attachments=contents)


def _attachments(submission: Submission) -> tuple[tuple[Attachment, ...], tuple[AttachmentContent, ...]]:
    attachments, contents = [], []
    for name, content_type, data in submission.files:
        key = ids.attachment_id("content", hashlib.sha256(data).hexdigest())
        kind = clean_line(content_type, 200)
        attachments.append(Attachment(id=key, name=clean_line(name, 200), content_type=kind, size_bytes=len(data)))
        contents.append(AttachmentContent(id=key, content_type=kind, data=data))
    return tuple(attachments), tuple(contents)


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: ""}[value]
    if isinstance(value, int | float):
        return str(value)
    raise ProblemError(
        422, "invalid", "Invalid form", errors=(FieldError("must be a text or a number", pointer=f"/{name}"),)
    )


def _language(text: str | None) -> str | None:
    language = (text or "").strip().lower().partition("-")[0]
    return language if 2 <= len(language) <= 3 and language.isascii() and language.isalpha() else None


def _cross_origin() -> dict[str, str]:
    # A form's page is on the firm's own site. Nothing here is done for a cookie, so any site may post.
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "content-type, idempotency-key, x-correlation-id",
    }


def _thanks(language: str | None) -> HTMLResponse:
    chosen = language if language in _LANGUAGES else "it"
    title, words = _THANKS[chosen]
    page = (
        f'<!doctype html><html lang="{chosen}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f'<body style="font:1.1rem system-ui;max-width:32rem;margin:20vh auto;padding:0 1rem"><h1>{title}</h1><p>{words}</p>'
    )
    return HTMLResponse(page, status_code=202)
