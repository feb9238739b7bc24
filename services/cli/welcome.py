"""What `up` says once everything listens: where things are and how to post a first contact. Text only; it starts nothing."""

from __future__ import annotations

import json
import shlex

from libs.common.configuration import Configuration
from libs.common.events.message import Channel
from libs.common.settings import CommonSettings


def render(settings: CommonSettings, configuration: Configuration, demo: str | None) -> str:
    """The whole text. `demo` is the demo's own part, which stands first: it is what a newcomer came for."""
    parts = [demo or "Centralino is running. Ctrl-C ends it.", _places(settings)]
    if demo is None:
        parts += [_password(settings, configuration), first_contact(settings, configuration)]
    return "\n" + "\n\n".join(part for part in parts if part) + "\n"


def _places(settings: CommonSettings) -> str:
    router = f"http://localhost:{settings.router_port}"
    lines = (
        ("Console", f"{settings.agent_api_url}   agents sign in here; the API's documents are at /docs"),
        ("Ingest", f"{settings.ingest_url}   webhooks, forms and POST /v1/contacts"),
        ("Follow-up", f"{settings.followup_url}   the mails about a contact, for integrations"),
        ("Router", router),
        ("Metrics", f"{settings.ingest_url}/metrics, and /metrics, /livez, /readyz at each of these"),
        ("Log", settings.log),
        ("Data", str(settings.data.resolve())),
    )
    return "\n".join(f"  {name:<10} {text}" for name, text in lines)


def _password(settings: CommonSettings, configuration: Configuration) -> str:
    if not configuration.agents:
        return ""
    agent = next(iter(configuration.agents))
    return f"Set an agent's password, then sign in:\n\n  centralino password --agent {agent}{_data_option(settings)}"


def first_contact(settings: CommonSettings, configuration: Configuration) -> str:
    """How to post a contact with curl, by the API where there is an account for it, else by a form; empty where there is neither."""
    by_channel = {account.channel: name for name, account in reversed(configuration.accounts.items())}
    contact = {"customer": {"handle": "mailto:luca@example.com", "name": "Luca"}, "subject": "Il mio ordine 4711"}
    contact |= {"text": "Buongiorno, dove si trova il mio ordine?", "language": "it"}
    if Channel.API in by_channel:
        body = json.dumps({"account": by_channel[Channel.API], "external_id": "first-1", **contact})
        return (
            "Post a first contact:\n\n"
            f"  TOKEN=$(centralino token --integration shop{_data_option(settings)})\n"
            f'  curl -X POST {settings.ingest_url}/v1/contacts -H "Authorization: Bearer $TOKEN" \\\n'
            f"    -H 'Content-Type: application/json' -d {shlex.quote(body)}"
        )
    if Channel.WEBFORM in by_channel:
        url = f"{settings.ingest_url}/v1/forms/{by_channel[Channel.WEBFORM]}"
        fields = (
            f"--data-urlencode email=luca@example.com --data-urlencode {shlex.quote('message=' + str(contact['text']))}"
        )
        return f"Post a first contact:\n\n  curl -X POST {url} {fields}"
    return ""


def _data_option(settings: CommonSettings) -> str:
    return "" if str(settings.data) == "data" else f" --data {shlex.quote(str(settings.data))}"
