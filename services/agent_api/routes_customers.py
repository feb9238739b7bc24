"""Customers: finding a card, and the card with every contact and its light."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from libs.common.clock import rfc3339
from libs.common.http.problem import ProblemError
from services.agent_api.access import AnyViewer, ServiceParts
from services.agent_api.models import Customer, CustomerCard, Page
from services.agent_api.paging import LIMIT_DEFAULT, Cursor, Limit, decode_cursor, page
from services.agent_api.presentation import contact_body
from services.agent_api.problems import PROBLEMS
from services.agent_api.store.queries import ContactFilter, find_customer, list_contacts, list_customers
from services.agent_api.store.rows import CustomerRow

# More contacts than a card can show are found by `GET /v1/contacts?customer=`.
CARD_CONTACTS_MAX = 500

router = APIRouter(prefix="/v1/customers", tags=["customers"], responses=PROBLEMS)


@router.get("", response_model=Page[Customer], summary="Customers, those seen last first")
async def get_customers(
    parts: ServiceParts,
    viewer: AnyViewer,
    q: Annotated[str | None, Query(max_length=200, description="Part of a name or of a handle.")] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The customers with a contact in the caller's pool."""
    after = decode_cursor(cursor, (int, str))
    async with parts.reading() as connection:
        rows = await list_customers(connection, viewer.pools, q, after=after, limit=limit)
    return page(rows, limit, _show, lambda row: (row[0].last_seen_ms, row[0].customer_id))


def _show(row: tuple[CustomerRow, list[str]]) -> dict[str, Any]:
    customer, handles = row
    return {
        "id": customer.customer_id,
        "name": customer.name,
        "handles": handles,
        "first_seen_at": rfc3339(customer.first_seen_ms),
        "last_seen_at": rfc3339(customer.last_seen_ms),
    }


@router.get("/{customer_id}", response_model=CustomerCard, summary="A customer's card")
async def get_customer(parts: ServiceParts, viewer: AnyViewer, customer_id: str) -> dict[str, Any]:
    """Handles, attributes, and every contact that the caller may see, newest first."""
    wanted = ContactFilter(pools=viewer.pools, customer=customer_id)
    async with parts.reading() as connection:
        found = await find_customer(connection, customer_id)
        contacts = await list_contacts(connection, wanted, after=None, limit=CARD_CONTACTS_MAX)
    # A customer of other pools alone is none of the caller's business.
    if found is None or (not contacts and viewer.pools is not None):
        raise ProblemError(404, "customer-unknown", "Unknown customer", "There is no such customer for you.")
    customer, handles = found
    return {
        "id": customer.customer_id,
        "name": customer.name,
        "handles": [
            {"handle": item.handle, "first_seen_at": rfc3339(item.first_seen_ms), "bounced": item.bounced}
            for item in handles
        ],
        "attributes": customer.attributes,
        "first_seen_at": rfc3339(customer.first_seen_ms),
        "last_seen_at": rfc3339(customer.last_seen_ms),
        "contacts": [contact_body(*contact) for contact in contacts[:CARD_CONTACTS_MAX]],
    }
