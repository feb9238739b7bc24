"""Reading contacts, messages, customers and work out of the view, each as one page or one thing. Called by the routes and the stream."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.agent_api.store import tables
from services.agent_api.store.rows import (
    AGENT_STATES,
    AgentRow,
    ContactRow,
    CustomerRow,
    FrameRow,
    HandleRow,
    MessageRow,
    OfferRow,
    TimelineRow,
)

# Nobody has more work at once; a stream's first frame must have an end.
WORK_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFilter:
    """Which contacts: every condition given must hold. `pools` None: all."""

    pools: frozenset[str] | None
    state: Collection[str] = ()
    queue: str | None = None
    agent: str | None = None
    customer: str | None = None
    channel: str | None = None
    flagged: bool | None = None
    resumable: bool | None = None


ContactAndCustomer = tuple[ContactRow, CustomerRow | None]


def _contacts() -> sa.Select[Any]:
    return sa.select(tables.contacts, tables.customers.c.name.label("customer_name")).select_from(
        tables.contacts.outerjoin(tables.customers, tables.customers.c.customer_id == tables.contacts.c.customer_id)
    )


def _contact_and_customer(row: sa.Row[Any]) -> ContactAndCustomer:
    values = dict(row._mapping)
    name = values.pop("customer_name")
    contact = ContactRow(**values)
    if contact.customer_id is None:
        return contact, None
    return contact, CustomerRow(customer_id=contact.customer_id, name=name)


async def list_contacts(
    connection: AsyncConnection,
    wanted: ContactFilter,
    *,
    after: Sequence[Any] | None,
    limit: int,
    earliest_due_first: bool = False,
) -> list[ContactAndCustomer]:
    """Contacts, one more than `limit`: newest first, or in the order in which they are due.

    `after`: received_ms (or due_ms) and contact id of the last one seen.
    """
    columns = tables.contacts.c
    time = columns.due_ms if earliest_due_first else columns.received_ms
    order = (time, columns.contact_id) if earliest_due_first else (time.desc(), columns.contact_id.desc())
    query = _contacts().order_by(*order).limit(limit + 1)
    if wanted.pools is not None:
        query = query.where(columns.pool.in_(sorted(wanted.pools)))
    if wanted.state:
        query = query.where(columns.state.in_(sorted(wanted.state)))
    if wanted.flagged is not None:
        query = query.where(columns.flag.is_not(None) if wanted.flagged else columns.flag.is_(None))
    if wanted.resumable is not None:
        until = columns.resumable_until_ms
        query = query.where(until.is_not(None) if wanted.resumable else until.is_(None))
    for column, value in (
        (columns.queue, wanted.queue),
        (columns.agent_id, wanted.agent),
        (columns.customer_id, wanted.customer),
        (columns.channel, wanted.channel),
    ):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(_behind(time, columns.contact_id, after, descending=not earliest_due_first))
    return [_contact_and_customer(row) for row in await connection.execute(query)]


async def find_contact(connection: AsyncConnection, contact_id: str) -> ContactAndCustomer | None:
    """One contact with its customer's name."""
    row = (await connection.execute(_contacts().where(tables.contacts.c.contact_id == contact_id))).first()
    return None if row is None else _contact_and_customer(row)


async def list_messages(
    connection: AsyncConnection, contact_id: str, *, after: Sequence[Any] | None, limit: int
) -> list[MessageRow]:
    """A contact's messages, and those of contacts that were merged into it, oldest first, one more than `limit`. `after`: time and entry of
    the last one seen.
    """
    columns = tables.messages.c
    merged = sa.select(tables.contacts.c.contact_id).where(tables.contacts.c.merged_into == contact_id)
    query = (
        sa.select(tables.messages)
        .where(sa.or_(columns.contact_id == contact_id, columns.contact_id.in_(merged)))
        .order_by(columns.at_ms, columns.entry_id)
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(_behind(columns.at_ms, columns.entry_id, after))
    return [MessageRow(**row._mapping) for row in await connection.execute(query)]


async def list_timeline(
    connection: AsyncConnection, contact_id: str, *, after: Sequence[Any] | None, limit: int
) -> list[TimelineRow]:
    """A contact's history, oldest first, one more than `limit`. `after`: time and id of the last entry seen."""
    columns = tables.timeline.c
    query = (
        sa.select(tables.timeline)
        .where(columns.contact_id == contact_id)
        .order_by(columns.at_ms, columns.entry_id)
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(_behind(columns.at_ms, columns.entry_id, after))
    return [TimelineRow(**row._mapping) for row in await connection.execute(query)]


def _behind(
    time: sa.Column[Any], key: sa.Column[Any], after: Sequence[Any], *, descending: bool = False
) -> sa.ColumnElement[bool]:
    at_ms, last = after
    if descending:
        return sa.or_(time < at_ms, sa.and_(time == at_ms, key < last))
    return sa.or_(time > at_ms, sa.and_(time == at_ms, key > last))


async def find_attachment(connection: AsyncConnection, attachment_id: str) -> list[tuple[MessageRow, ContactRow]]:
    """The messages with this attachment, each with its contact."""
    query = (
        sa.select(tables.messages.c.message_id, tables.messages.c.contact_id)
        .join(tables.attachments, tables.attachments.c.message_id == tables.messages.c.message_id)
        .where(tables.attachments.c.attachment_id == attachment_id)
    )
    found = []
    for message_id, contact_id in (await connection.execute(query)).all():
        message = (
            await connection.execute(sa.select(tables.messages).where(tables.messages.c.message_id == message_id))
        ).one()
        contact = None if contact_id is None else await find_contact(connection, contact_id)
        if contact is not None:
            found.append((MessageRow(**message._mapping), contact[0]))
    return found


async def list_customers(
    connection: AsyncConnection,
    pools: frozenset[str] | None,
    text: str | None,
    *,
    after: Sequence[Any] | None,
    limit: int,
) -> list[tuple[CustomerRow, list[str]]]:
    """Customers with a contact in these pools, those seen last first, with their handles. `text`: part of a name or handle."""
    columns = tables.customers.c
    query = (
        sa.select(tables.customers).order_by(columns.last_seen_ms.desc(), columns.customer_id.desc()).limit(limit + 1)
    )
    if pools is not None:
        contacts = tables.contacts.c
        query = query.where(
            sa.exists().where(contacts.customer_id == columns.customer_id, contacts.pool.in_(sorted(pools)))
        )
    if text:
        query = query.where(columns.search.contains(" ".join(text.lower().split()), autoescape=True))
    if after is not None:
        seen_ms, customer_id = after
        query = query.where(
            sa.or_(
                columns.last_seen_ms < seen_ms,
                sa.and_(columns.last_seen_ms == seen_ms, columns.customer_id < customer_id),
            )
        )
    customers = [CustomerRow(**row._mapping) for row in await connection.execute(query)]
    handles = await _handles_of(connection, [customer.customer_id for customer in customers])
    return [
        (customer, [handle.handle for handle in handles if handle.customer_id == customer.customer_id])
        for customer in customers
    ]


async def find_customer(connection: AsyncConnection, customer_id: str) -> tuple[CustomerRow, list[HandleRow]] | None:
    """A customer and its handles."""
    row = (
        await connection.execute(sa.select(tables.customers).where(tables.customers.c.customer_id == customer_id))
    ).first()
    if row is None:
        return None
    return CustomerRow(**row._mapping), await _handles_of(connection, [customer_id])


async def _handles_of(connection: AsyncConnection, customer_ids: Sequence[str]) -> list[HandleRow]:
    columns = tables.handles.c
    found = await connection.execute(
        sa.select(tables.handles)
        .where(columns.customer_id.in_(customer_ids))
        .order_by(columns.first_seen_ms, columns.handle)
    )
    return [HandleRow(**row._mapping) for row in found]


async def find_agent(connection: AsyncConnection, agent_id: str) -> AgentRow | None:
    """One agent."""
    row = (await connection.execute(sa.select(tables.agents).where(tables.agents.c.agent_id == agent_id))).first()
    return None if row is None else AgentRow(**row._mapping)


async def read_work(
    connection: AsyncConnection, agent_id: str
) -> tuple[list[tuple[OfferRow, ContactAndCustomer]], list[ContactAndCustomer]]:
    """The agent's open offers, each with its contact, and the agent's contacts; oldest first."""
    contacts = tables.contacts.c
    own = await connection.execute(
        _contacts()
        .where(contacts.agent_id == agent_id, contacts.state.in_(AGENT_STATES))
        .order_by(contacts.assigned_ms, contacts.contact_id)
        .limit(WORK_MAX)
    )
    offered = await connection.execute(
        _contacts()
        .where(contacts.offered_to == agent_id)
        .order_by(contacts.due_ms, contacts.contact_id)
        .limit(WORK_MAX)
    )
    by_offer = {row.offer_id: _contact_and_customer(row) for row in offered}
    offers = await connection.execute(
        sa.select(tables.offers).where(tables.offers.c.offer_id.in_([key for key in by_offer if key is not None]))
    )
    rows = {row.offer_id: OfferRow(**row._mapping) for row in offers}
    return (
        [(rows[offer_id], contact) for offer_id, contact in by_offer.items() if offer_id in rows],
        [_contact_and_customer(row) for row in own],
    )


async def read_consults(connection: AsyncConnection, agent_id: str) -> list[ContactAndCustomer]:
    """The contacts of others that this agent was asked to look at; oldest first."""
    contacts = tables.contacts.c
    # The column as the text that it is stored as: a list of ids in JSON.
    looked_at_by = sa.type_coerce(contacts.consults, sa.Text)
    found = await connection.execute(
        _contacts()
        .where(
            contacts.consults.is_not(None),
            looked_at_by.contains(msgspec.json.encode(agent_id).decode(), autoescape=True),
        )
        .order_by(contacts.assigned_ms, contacts.contact_id)
        .limit(WORK_MAX)
    )
    return [_contact_and_customer(row) for row in found]


async def read_view_state(connection: AsyncConnection) -> tuple[str, int, int]:
    """The view's epoch, the number of its newest frame, and that of the newest frame that was pruned."""
    row = (await connection.execute(sa.select(tables.view_state))).one()
    return row.epoch, row.frame_seq, row.pruned_seq


async def list_missed_frames(
    connection: AsyncConnection,
    agent_id: str,
    pools: frozenset[str] | None,
    *,
    after_seq: int,
    until_seq: int,
    limit: int,
) -> list[FrameRow]:
    """The frames for this agent, and of the pools that are supervised (None: all), between two cursors; one more than `limit`."""
    columns = tables.frames.c
    query = (
        sa.select(tables.frames)
        .where(columns.seq > after_seq, columns.seq <= until_seq)
        .order_by(columns.seq)
        .limit(limit + 1)
    )
    if pools is not None:
        query = query.where(sa.or_(columns.agent_id == agent_id, columns.pool.in_(sorted(pools))))
    return [FrameRow(**row._mapping) for row in await connection.execute(query)]
