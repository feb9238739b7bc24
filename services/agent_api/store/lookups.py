"""What every request looks up by its key before it does anything: plain SQL, because SQLAlchemy would cost more than all the rest of it.

Each look-up by itself sees what is committed. Pages and sums are in `queries` and `statistics`. Called by routes and `access`.
"""

from __future__ import annotations

from typing import Final

from libs.common.plain_sql import PlainSession
from services.agent_api.store import tables
from services.agent_api.store.plain import PlainTable
from services.agent_api.store.queries import ContactAndCustomer
from services.agent_api.store.rows import ContactRow, CustomerRow, MessageRow, OfferRow

_VIEWER: Final = "SELECT pool, name FROM agent_agents WHERE agent_id = ? AND active"
_CONTACTS: Final = PlainTable(tables.contacts, ContactRow)
_CONTACT: Final = f"{_CONTACTS.select} WHERE contact_id = ?"
_CUSTOMER_NAME: Final = "SELECT name FROM agent_customers WHERE customer_id = ?"
_OFFERS: Final = PlainTable(tables.offers, OfferRow)
_OFFER: Final = f"{_OFFERS.select} WHERE offer_id = ?"
_MESSAGES: Final = PlainTable(tables.messages, MessageRow)
_LAST_INBOUND: Final = (
    f"{_MESSAGES.select} WHERE contact_id = ? AND direction = 'in' ORDER BY at_ms DESC, entry_id DESC LIMIT 1"
)


async def look_up_viewer(session: PlainSession, agent_id: str) -> tuple[str, str] | None:
    """The pool and the name of a configured agent."""
    found = await session.fetch(_VIEWER, _id(agent_id))
    return (found[0][0], found[0][1]) if found else None


async def look_up_contact(session: PlainSession, contact_id: str) -> ContactAndCustomer | None:
    """One contact with its customer's name."""
    found = await session.fetch(_CONTACT, _id(contact_id))
    if not found:
        return None
    contact = _CONTACTS.row_of(found[0])
    if contact.customer_id is None:
        return contact, None
    names = await session.fetch(_CUSTOMER_NAME, contact.customer_id)
    return contact, CustomerRow(customer_id=contact.customer_id, name=names[0][0] if names else None)


async def look_up_offer(session: PlainSession, offer_id: str) -> OfferRow | None:
    """One offer."""
    found = await session.fetch(_OFFER, _id(offer_id))
    return _OFFERS.row_of(found[0]) if found else None


async def look_up_last_inbound(session: PlainSession, contact_id: str) -> MessageRow | None:
    """The customer's newest message of a contact."""
    found = await session.fetch(_LAST_INBOUND, _id(contact_id))
    return _MESSAGES.row_of(found[0]) if found else None


def _id(text: str) -> str | None:
    # What comes in an address may hold anything.
    return tables.clean_text(text, tables.ID_CHARS_MAX)
