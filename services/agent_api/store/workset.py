"""Everything that one batch of records works on: the shelves of rows, and what it adds that needs no look at what is there.

`view` fetches and writes it; the folding code (`view_routing`, `view_messages`, `view_customers`) changes it in memory and does no I/O.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, fields

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.ids import customer_id
from services.agent_api.store import tables
from services.agent_api.store.rows import (
    AgentRow,
    AttachmentRow,
    CommandRow,
    ContactRow,
    CustomerRow,
    FrameRow,
    HandleRow,
    MessageRow,
    NoteRow,
    OfferRow,
    QueueRow,
    ReceiptRow,
    TimelineRow,
)
from services.agent_api.store.shelves import Shelf
from services.agent_api.store.statements import merge_rows

MINUTE_MS = 60_000
THROUGHPUT_KEY = ("minute_ms", "pool", "queue", "channel")


@dataclass(slots=True)
class Needs:
    """The keys that a batch names. `pools`: those whose queues and agents are configured anew."""

    contacts: set[str] = field(default_factory=set)
    messages: set[str] = field(default_factory=set)
    offers: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)
    commands: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    queues: set[tuple[str, str]] = field(default_factory=set)
    pools: set[str] = field(default_factory=set)
    handles: set[str] = field(default_factory=set)
    # Account and the provider's id of a message.
    provider_ids: set[tuple[str, str]] = field(default_factory=set)
    # Our id of a message and the provider's, learnt when it was sent.
    sent: set[tuple[str, str]] = field(default_factory=set)
    # Our id of an outbound message and its account.
    accounts: dict[str, str] = field(default_factory=dict)


class Workset:
    """The rows of one transaction. `epoch` and `frame_seq` are those of the view's locked row."""

    def __init__(self, *, epoch: str, frame_seq: int) -> None:
        self.epoch = epoch
        self.frame_seq = frame_seq
        self.queues = Shelf(tables.queues, QueueRow, ("pool", "queue"))
        self.agents = Shelf(tables.agents, AgentRow, ("agent_id",))
        self.contacts = Shelf(tables.contacts, ContactRow, ("contact_id",))
        self.offers = Shelf(tables.offers, OfferRow, ("offer_id",))
        self.messages = Shelf(tables.messages, MessageRow, ("message_id",))
        self.receipts = Shelf(tables.receipts, ReceiptRow, ("account", "provider_id"))
        self.notes = Shelf(tables.notes, NoteRow, ("note_id",))
        self.customers = Shelf(tables.customers, CustomerRow, ("customer_id",))
        self.handles = Shelf(tables.handles, HandleRow, ("handle",))
        self.commands = Shelf(tables.commands, CommandRow, ("command_id",))
        self.by_provider: dict[tuple[str, str], str] = {}
        self.attachments: list[AttachmentRow] = []
        self.timeline: list[TimelineRow] = []
        self.frames: list[FrameRow] = []
        self.throughput: dict[tuple[int, str, str, str], dict[str, int]] = defaultdict(
            lambda: {"received": 0, "assigned": 0, "resolved": 0}
        )
        self.touched_queues: set[tuple[str, str]] = set()
        self.used_receipts: set[tuple[str, str]] = set()

    async def fetch(self, connection: AsyncConnection, needs: Needs) -> None:
        """Have at hand what the batch names, and what that points to."""
        await self.offers.fetch(connection, needs.offers)
        await self.notes.fetch(connection, needs.notes)
        await self.commands.fetch(connection, needs.commands)
        await self.agents.fetch(connection, needs.agents)
        await self.queues.fetch(connection, needs.queues)
        if needs.pools:
            await self.agents.fetch_where(connection, tables.agents.c.pool.in_(sorted(needs.pools)))
            await self.queues.fetch_where(connection, tables.queues.c.pool.in_(sorted(needs.pools)))
        await self._fetch_messages(connection, needs)
        found = list(self.messages.present())
        await self.contacts.fetch(
            connection, needs.contacts | {row.contact_id for row in found if row.contact_id is not None}
        )
        handles = {handle for handle in needs.handles if handle} | {
            handle for row in found for handle in (row.handle, *row.handles) if handle
        }
        await self.handles.fetch(connection, handles)
        cards: set[str] = {customer_id(handle) for handle in handles}
        cards |= {row.customer_id for row in self.handles.present()}
        cards |= {row.customer_id for row in self.contacts.present() if row.customer_id is not None}
        await self.customers.fetch(connection, cards)

    async def _fetch_messages(self, connection: AsyncConnection, needs: Needs) -> None:
        await self.messages.fetch(connection, needs.messages)
        for account, provider_id in sorted(needs.provider_ids):
            columns = tables.messages.c
            await self.messages.fetch_where(
                connection, sa.and_(columns.account == account, columns.provider_id == provider_id)
            )
        accounts = {row.message_id: row.account for row in self.messages.present()} | needs.accounts
        self.by_provider = {
            (row.account, row.provider_id): row.message_id
            for row in self.messages.present()
            if row.provider_id is not None and row.direction == "out"
        }
        known = {(row.message_id, row.provider_id) for row in self.messages.present() if row.provider_id is not None}
        learnt = {
            (accounts[message_id], provider_id)
            for message_id, provider_id in needs.sent | known
            if accounts.get(message_id)
        }
        await self.receipts.fetch(connection, needs.provider_ids | learnt)

    async def write(self, connection: AsyncConnection) -> None:
        """Write what changed, except queues and frames: supervisors are told about queues from what stands in the tables."""
        await self.agents.write(connection)
        await self.contacts.write(connection)
        await self.offers.write(connection)
        await self.messages.write(connection)
        await self.notes.write(connection)
        await self.customers.write(connection)
        await self.handles.write(connection)
        # Who asked what was written by the request; only the outcome comes from the log.
        await self.commands.write(connection, keep=frozenset({"principal", "kind", "digest", "asked_ms"}))
        await self.receipts.write(connection)
        await self._write_additions(connection)

    async def _write_additions(self, connection: AsyncConnection) -> None:
        if self.used_receipts:
            columns = tables.receipts.c
            for account, provider_id in sorted(self.used_receipts):
                await connection.execute(
                    sa.delete(tables.receipts).where(columns.account == account, columns.provider_id == provider_id)
                )
        for table, key, rows in (
            (tables.attachments, ("attachment_id", "message_id"), self.attachments),
            (tables.timeline, ("entry_id",), self.timeline),
        ):
            if rows:
                values = [{item.name: getattr(row, item.name) for item in fields(row)} for row in rows]
                await merge_rows(connection, table, values, key=key, change=())
        if self.throughput:
            counters = ("received", "assigned", "resolved")
            values = [
                {**dict(zip(THROUGHPUT_KEY, key, strict=True)), **counts}
                for key, counts in sorted(self.throughput.items())
            ]
            await merge_rows(connection, tables.throughput, values, key=THROUGHPUT_KEY, change=counters, add=True)

    async def write_frames(self, connection: AsyncConnection) -> None:
        """Write the frames and the number of the last one into the locked row."""
        if not self.frames:
            return
        values = [{item.name: getattr(row, item.name) for item in fields(FrameRow)} for row in self.frames]
        await connection.execute(sa.insert(tables.frames), values)
        await connection.execute(sa.update(tables.view_state).values(frame_seq=self.frame_seq))
