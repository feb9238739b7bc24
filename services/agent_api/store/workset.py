"""Everything that one batch of records works on: the shelves of rows, and what it adds that needs no look at what is there.

`view` fetches and writes it; the folding code (`view_routing`, `view_messages`, `view_customers`) changes it in memory and does no I/O.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from libs.common.ids import customer_id
from libs.common.plain_sql import PlainSession
from services.agent_api.store import tables
from services.agent_api.store.plain import PlainTable, inserting
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
from services.agent_api.store.shelves import Shelf, ShelfKind
from services.agent_api.store.tables import ID_CHARS_MAX, clean_text

MINUTE_MS = 60_000
# What is counted by the minute.
COUNTERS: Final = ("received", "assigned", "resolved", "abandoned", "cancelled")

_QUEUES: Final = ShelfKind(tables.queues, QueueRow, ("pool", "queue"))
_AGENTS: Final = ShelfKind(tables.agents, AgentRow, ("agent_id",))
_CONTACTS: Final = ShelfKind(tables.contacts, ContactRow, ("contact_id",))
_OFFERS: Final = ShelfKind(tables.offers, OfferRow, ("offer_id",))
_MESSAGES: Final = ShelfKind(tables.messages, MessageRow, ("message_id",))
_RECEIPTS: Final = ShelfKind(tables.receipts, ReceiptRow, ("account", "provider_id"))
_NOTES: Final = ShelfKind(tables.notes, NoteRow, ("note_id",))
_CUSTOMERS: Final = ShelfKind(tables.customers, CustomerRow, ("customer_id",))
_HANDLES: Final = ShelfKind(tables.handles, HandleRow, ("handle",))
# Who asked what was written by the request; only the outcome comes from the log.
_COMMANDS: Final = ShelfKind(
    tables.commands, CommandRow, ("command_id",), keep=frozenset({"principal", "kind", "digest", "asked_ms"})
)
_ATTACHMENTS: Final = PlainTable(tables.attachments, AttachmentRow)
_ADD_ATTACHMENTS: Final = inserting(_ATTACHMENTS.name, _ATTACHMENTS.names, ("attachment_id", "message_id"))
_TIMELINE: Final = PlainTable(tables.timeline, TimelineRow)
_ADD_TIMELINE: Final = inserting(_TIMELINE.name, _TIMELINE.names, ("entry_id",))
_FRAMES: Final = PlainTable(tables.frames, FrameRow)
_ADD_FRAMES: Final = inserting(_FRAMES.name, _FRAMES.names)
_FORGET_RECEIPT: Final = "DELETE FROM agent_receipts WHERE account = ? AND provider_id = ?"
_COUNT: Final = (
    f"INSERT INTO agent_throughput AS counted (minute_ms, pool, queue, channel, {', '.join(COUNTERS)})"  # noqa: S608  # names of our own
    f" VALUES (?, ?, ?, ?, {', '.join('?' * len(COUNTERS))}) ON CONFLICT (minute_ms, pool, queue, channel) DO UPDATE SET "
    + ", ".join(f"{name} = counted.{name} + excluded.{name}" for name in COUNTERS)
)


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
        self.queues = Shelf(_QUEUES)
        self.agents = Shelf(_AGENTS)
        self.contacts = Shelf(_CONTACTS)
        self.offers = Shelf(_OFFERS)
        self.messages = Shelf(_MESSAGES)
        self.receipts = Shelf(_RECEIPTS)
        self.notes = Shelf(_NOTES)
        self.customers = Shelf(_CUSTOMERS)
        self.handles = Shelf(_HANDLES)
        self.commands = Shelf(_COMMANDS)
        self.by_provider: dict[tuple[str, str], str] = {}
        self.attachments: list[AttachmentRow] = []
        self.timeline: list[TimelineRow] = []
        self.frames: list[FrameRow] = []
        self.throughput: dict[tuple[int, str, str, str], dict[str, int]] = defaultdict(
            lambda: dict.fromkeys(COUNTERS, 0)
        )
        self.touched_queues: set[tuple[str, str]] = set()
        self.used_receipts: set[tuple[str, str]] = set()

    async def fetch(self, session: PlainSession, needs: Needs) -> None:
        """Have at hand what the batch names, and what that points to."""
        await self.offers.fetch(session, needs.offers)
        await self.notes.fetch(session, needs.notes)
        await self.commands.fetch(session, needs.commands)
        await self.agents.fetch(session, needs.agents)
        await self.queues.fetch(session, needs.queues)
        for pool in sorted(needs.pools):
            await self.agents.fetch_where(session, "pool = ?", clean_text(pool, ID_CHARS_MAX))
            await self.queues.fetch_where(session, "pool = ?", clean_text(pool, ID_CHARS_MAX))
        await self._fetch_messages(session, needs)
        found = list(self.messages.present())
        await self.contacts.fetch(
            session, needs.contacts | {row.contact_id for row in found if row.contact_id is not None}
        )
        handles = {handle for handle in needs.handles if handle} | {
            handle for row in found for handle in (row.handle, *row.handles) if handle
        }
        await self.handles.fetch(session, handles)
        cards: set[str] = {customer_id(handle) for handle in handles}
        cards |= {row.customer_id for row in self.handles.present()}
        cards |= {row.customer_id for row in self.contacts.present() if row.customer_id is not None}
        await self.customers.fetch(session, cards)

    async def _fetch_messages(self, session: PlainSession, needs: Needs) -> None:
        await self.messages.fetch(session, needs.messages)
        for account, provider_id in sorted(needs.provider_ids):
            await self.messages.fetch_where(
                session, "account = ? AND provider_id = ?", *_RECEIPTS.asked((account, provider_id))
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
        await self.receipts.fetch(session, needs.provider_ids | learnt)

    async def write(self, session: PlainSession) -> None:
        """Write what changed, except queues and frames: supervisors are told about queues from what stands in the tables."""
        await self.agents.write(session)
        await self.contacts.write(session)
        await self.offers.write(session)
        await self.messages.write(session)
        await self.notes.write(session)
        await self.customers.write(session)
        await self.handles.write(session)
        await self.commands.write(session)
        await self.receipts.write(session)
        await self._write_additions(session)

    async def _write_additions(self, session: PlainSession) -> None:
        for account, provider_id in sorted(self.used_receipts):
            await session.execute(_FORGET_RECEIPT, *_RECEIPTS.asked((account, provider_id)))
        await session.execute_many(_ADD_ATTACHMENTS, [_ATTACHMENTS.values_of(row) for row in self.attachments])
        await session.execute_many(_ADD_TIMELINE, [_TIMELINE.values_of(row) for row in self.timeline])
        counted = [
            (minute_ms, *(clean_text(part, ID_CHARS_MAX) for part in places), *counts.values())
            for (minute_ms, *places), counts in sorted(self.throughput.items())
        ]
        await session.execute_many(_COUNT, counted)

    async def write_frames(self, session: PlainSession) -> None:
        """Write the frames and the number of the last one into the locked row."""
        if self.frames:
            await session.execute_many(_ADD_FRAMES, [_FRAMES.values_of(row) for row in self.frames])
            await session.execute("UPDATE agent_view_state SET frame_seq = ?", self.frame_seq)
