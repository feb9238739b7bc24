"""What an agent has to do, as one body: for `GET /v1/me/work` and for the stream's first frame."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.agent_api.access import Viewer
from services.agent_api.parts import Parts
from services.agent_api.presentation import contact_body, offer_body
from services.agent_api.routes_session import agent_or_configured
from services.agent_api.store.queries import find_agent, read_consults, read_view_state, read_work
from services.agent_api.view_frames import cursor_of


async def work_body(parts: Parts, connection: AsyncConnection, viewer: Viewer) -> dict[str, Any]:
    """Presence, capacity, open offers and contacts, and the cursor of the same moment: `connection` is one snapshot."""
    epoch, frame_seq, _ = await read_view_state(connection)
    agent = agent_or_configured(parts, viewer, await find_agent(connection, viewer.id))
    offers, contacts = await read_work(connection, viewer.id)
    return {
        "presence": agent.presence,
        "capacity": agent.capacity,
        "offers": [offer_body(offer, contact_body(*contact)) for offer, contact in offers],
        "contacts": [contact_body(*contact) for contact in contacts],
        "consults": [contact_body(*contact) for contact in await read_consults(connection, viewer.id)],
        "cursor": cursor_of(epoch, frame_seq),
    }
