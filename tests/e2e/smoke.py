"""Carries one contact through a system that runs already, to the mails in its mail catcher: `python -m tests.e2e.smoke`.

For the containers of docker-compose.yml, whose ports are the usual ones; needs CENTRALINO_SECRET in the environment (or in .env). It
says what it sees and ends with 1 where something does not come.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx

from libs.common.clock import SystemClock
from libs.common.http.auth import Principal, TokenAuthority
from tests.support.waiting import eventually

INGEST = os.environ.get("CENTRALINO_INGEST_URL", "http://localhost:8001")
AGENT_API = os.environ.get("CENTRALINO_AGENT_API_URL", "http://localhost:8002")
MAILPIT = os.environ.get("CENTRALINO_MAILPIT_URL", "http://localhost:8025")
AGENT = "anna"
FOLLOW_UP_TIMEOUT_S = 120


def find_secret() -> str:
    """CENTRALINO_SECRET, from the environment or the .env that Compose reads."""
    given = os.environ.get("CENTRALINO_SECRET")
    if given:
        return given
    for line in Path(".env").read_text().splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "CENTRALINO_SECRET":
            return value.strip().strip("'\"")
    raise SystemExit("CENTRALINO_SECRET is neither in the environment nor in .env")


async def carry_contact() -> None:
    """Hand a form in, take the offer, answer, resolve, and find the three mails."""
    token = TokenAuthority(find_secret(), SystemClock()).mint(Principal(kind="agent", id=AGENT), 600_000)[0]
    address = f"luca-{uuid.uuid4().hex[:8]}@mail.example"
    async with httpx.AsyncClient(timeout=15, trust_env=False, headers={"authorization": f"Bearer {token}"}) as client:
        answer = await client.put(f"{AGENT_API}/v1/me/presence", json={"status": "available"})
        print("presence:", answer.status_code)
        form = {
            "name": "Luca",
            "email": address,
            "subject": "Il mio ordine 4711",
            "message": "Dov'è?",
            "language": "it",
        }
        received = await client.post(f"{INGEST}/v1/forms/contact-form", data=form)
        print("form:", received.status_code, received.json()["contact_hint"])
        contact = received.json()["contact_hint"]

        async def offer() -> Any:
            offers = (await client.get(f"{AGENT_API}/v1/me/work")).json()["offers"]
            return next((item for item in offers if item["contact"]["id"] == contact), None)

        made = await eventually(offer)
        print("offer:", made["id"], made["reason"])
        accepted = await client.post(f"{AGENT_API}/v1/offers/{made['id']}/accept")
        print("accept:", accepted.status_code, accepted.json()["state"])
        replied = await client.post(f"{AGENT_API}/v1/contacts/{contact}/messages", json={"text": "Arriva domani."})
        print("reply:", replied.status_code)
        resolved = await client.post(f"{AGENT_API}/v1/contacts/{contact}/resolve", json={"disposition": "solved"})
        print("resolve:", resolved.status_code, resolved.json()["state"])

        async def mails() -> list[dict[str, Any]]:
            found = (await client.get(f"{MAILPIT}/api/v1/messages")).json()["messages"]
            own = [mail for mail in found if any(to["Address"] == address for to in mail["To"])]
            return own if len(own) >= 3 else []

        for mail in await eventually(mails, FOLLOW_UP_TIMEOUT_S, 0.5):
            print("mail:", mail["Subject"], "-", mail.get("Snippet", "")[:80])


def main() -> None:
    """Run it."""
    try:
        asyncio.run(carry_contact())
    except AssertionError as error:
        sys.exit(f"it did not arrive: {error}")
    print("One contact went from the form to its follow-up mail.")


if __name__ == "__main__":
    main()
