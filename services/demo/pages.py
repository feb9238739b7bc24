"""The demo's page: the mails and messages that customers received. Shows what others wrote, so nothing of it is trusted.

A mail's HTML is served by itself, in a sandbox without scripts, forms, same origin or anything fetched; the page around it shows text only.
"""

from __future__ import annotations

import re
from typing import Final

import jinja2
from fastapi import FastAPI
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, JSONResponse, Response

from libs.common.clock import rfc3339
from services.demo.mailbox import Mail, Mailbox
from services.demo.phones import Phones

SHOWN_MAX: Final = 100
_LINK: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")

_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'"
)
# Links may open in a tab of their own, which is how a survey is answered.
_MAIL_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
)
_SAFE: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


def create_app(mailbox: Mailbox, phones: Phones, console_url: str) -> FastAPI:
    """The page and the providers' stand-ins on one port."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("services.demo"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    templates.filters["clock"] = lambda time_ms: rfc3339(time_ms)[11:19]
    templates.filters["links"] = link_addresses
    app = FastAPI(title="Centralino demo", openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(phones.router())

    def render(template: str, **values: object) -> HTMLResponse:
        page = templates.get_template(template).render(**values)
        return HTMLResponse(page, headers={**_SAFE, "Content-Security-Policy": _PAGE_POLICY})

    @app.get("/")
    async def overview() -> Response:
        mails = [mail for mail, _ in zip(mailbox.mails(), range(SHOWN_MAX), strict=False)]
        texts = [text for text, _ in zip(phones.texts(), range(SHOWN_MAX), strict=False)]
        return render("overview.html", mails=mails, texts=texts, console_url=console_url)

    @app.get("/mails.json")
    async def list_mails() -> Response:
        return JSONResponse({"items": [_mail_body(mail) for mail in mailbox.mails()]}, headers=_SAFE)

    @app.get("/mails/{number}")
    async def show_mail(number: int) -> Response:
        mail = mailbox.mail(number)
        return render("mail.html", mail=mail) if mail else HTMLResponse("This mail is not here.", 404)

    @app.get("/mails/{number}/html")
    async def show_mail_html(number: int) -> Response:
        mail = mailbox.mail(number)
        if mail is None or mail.html is None:
            return HTMLResponse("This mail is not here.", 404)
        headers = {**_SAFE, "Content-Security-Policy": _MAIL_POLICY}
        # Without this a link would open inside the frame, where the page behind it has no rights.
        return HTMLResponse(f'<base target="_blank">{mail.html}', headers=headers)

    return app


def link_addresses(text: str) -> Markup:
    """Text as HTML, with its http and https addresses as links."""
    parts, end = [], 0
    for match in _LINK.finditer(text):
        link = '<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>'
        parts += [escape(text[end : match.start()]), Markup(link).format(match[0])]  # noqa: S704  # `format` escapes
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


def _mail_body(mail: Mail) -> dict[str, object]:
    return {
        "number": mail.number,
        "received_at": rfc3339(mail.received_ms),
        "from": mail.sender,
        "to": list(mail.recipients),
        "subject": mail.subject,
        "text": mail.text,
    }
