"""What a batch of facts needs to know of the tables, and what it changes in them: read at once, changed in memory, written at once.

A batch of a hundred facts so costs as many statements as one fact. It decides nothing: `intake` does. Everything happens in the caller's
transaction, which nobody else's can come between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.events.followup import MailKind
from libs.common.store import insert_or_leave, insert_or_replace
from services.followup import plan
from services.followup.store.tables import addresses, agents, bounces, contacts, mails, stops, texts

Row = dict[str, Any]


def _among(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return column.in_(sa.bindparam("wanted", expanding=True))


_CONTACTS: Final = sa.select(contacts).where(_among(contacts.c.contact_id))
_CONTACT_FIELDS: Final = tuple(column.name for column in contacts.columns)
_ADDRESSES: Final = sa.select(addresses).where(_among(addresses.c.handle))
_AGENTS: Final = sa.select(agents).where(_among(agents.c.agent_id))
_MAILS: Final = sa.select(mails.c.effect_id).where(_among(mails.c.effect_id))
_BOUNCES: Final = sa.select(bounces.c.address).where(_among(bounces.c.address))
_WRITTEN_TO: Final = sa.select(mails.c.address).where(_among(mails.c.address)).distinct()
_ACKNOWLEDGED: Final = sa.select(mails.c.address, mails.c.planned_ms).where(
    _among(mails.c.address),
    mails.c.kind == MailKind.ACKNOWLEDGEMENT.value,
    mails.c.planned_ms > sa.bindparam("after_ms"),
)
_TEXTS: Final = sa.select(texts.c.message_id).where(_among(texts.c.message_id))
_TOLD: Final = sa.select(texts.c.handle, texts.c.planned_ms).where(
    _among(texts.c.handle), texts.c.planned_ms > sa.bindparam("after_ms")
)

_STOPPED: Final = sa.select(stops.c.channel, stops.c.handle).where(_among(stops.c.handle), stops.c.stopped)


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The rows that a batch works with, by their keys. `load` fills it and `write` writes what has changed."""

    contacts: dict[str, Row] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    mails: set[str] = field(default_factory=set)
    bounced: set[str] = field(default_factory=set)
    acknowledged_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    texts: set[str] = field(default_factory=set)
    told_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    stopped: set[tuple[str, str]] = field(default_factory=set)
    new_texts: list[Row] = field(default_factory=list)
    new_mails: list[Row] = field(default_factory=list)
    _changed_contacts: dict[str, Row] = field(default_factory=dict)
    _changed_addresses: dict[str, Row] = field(default_factory=dict)
    _changed_agents: dict[str, Row] = field(default_factory=dict)

    async def load(
        self,
        connection: AsyncConnection,
        *,
        contact_ids: Iterable[str],
        handles: Iterable[str],
        agent_ids: Iterable[str],
        effect_ids: Iterable[str],
        mail_addresses: Iterable[str],
        acknowledged_after_ms: int | None,
    ) -> None:
        """Read what stands in the tables about these. `mail_addresses`: those that the facts name; those found here are added.

        `acknowledged_after_ms`: from when on acknowledgements count; None where none is to be decided on.
        """
        for row in await _rows(connection, _CONTACTS, contact_ids):
            self.contacts[row[0]] = dict(zip(_CONTACT_FIELDS, row, strict=True))
        self.addresses |= dict(await _rows(connection, _ADDRESSES, handles))
        self.agents |= dict(await _rows(connection, _AGENTS, agent_ids))
        self.mails |= {effect for (effect,) in await _rows(connection, _MAILS, effect_ids)}
        known = (row["address"] for row in self.contacts.values() if row["address"] is not None)
        everywhere = {*mail_addresses, *known, *self.addresses.values()}
        self.bounced |= {address for (address,) in await _rows(connection, _BOUNCES, everywhere)}
        if acknowledged_after_ms is not None:
            after = {"after_ms": acknowledged_after_ms}
            for address, planned_ms in await _rows(connection, _ACKNOWLEDGED, everywhere, after):
                self.acknowledged_ms[address].append(planned_ms)

    async def load_texts(
        self, connection: AsyncConnection, *, message_ids: Iterable[str], handles: Iterable[str], after_ms: int
    ) -> None:
        """Read which of these texts are planned, what was told to these handles since `after_ms`, and which of them want to be told nothing
        on which channel.
        """
        handles = set(handles)
        self.stopped |= {(channel, handle) for channel, handle in await _rows(connection, _STOPPED, handles)}
        self.texts |= {message_id for (message_id,) in await _rows(connection, _TEXTS, message_ids)}
        for handle, planned_ms in await _rows(connection, _TOLD, handles, {"after_ms": after_ms}):
            self.told_ms[handle].append(planned_ms)

    def plan_text(self, row: Row) -> bool:
        """Note a text. False where it was noted before."""
        if row["message_id"] in self.texts:
            return False
        self.texts.add(row["message_id"])
        self.new_texts.append(row)
        self.told_ms[row["handle"]].append(row["planned_ms"])
        return True

    def told_today(self, handle: str, now_ms: int) -> int:
        """How many texts were planned for this handle within a day."""
        return sum(planned_ms > now_ms - plan.DAY_MS for planned_ms in self.told_ms[handle])

    def change_contact(self, row: Row) -> None:
        """Put a contact in, or in the place of what is there."""
        self.contacts[row["contact_id"]] = self._changed_contacts[row["contact_id"]] = row

    def learn_address(self, handle: str, address: str) -> None:
        """From now on this handle's mail goes to this address."""
        self.addresses[handle] = address
        self._changed_addresses[handle] = {"handle": handle, "address": address}

    def name_agent(self, agent_id: str, name: str) -> None:
        """From now on the agent has this name."""
        self.agents[agent_id] = name
        self._changed_agents[agent_id] = {"agent_id": agent_id, "name": name}

    def plan_mail(self, row: Row) -> bool:
        """Note a mail. False where it was noted before."""
        if row["effect_id"] in self.mails:
            return False
        self.mails.add(row["effect_id"])
        self.new_mails.append(row)
        if row["kind"] == MailKind.ACKNOWLEDGEMENT.value and row["address"] is not None:
            self.acknowledged_ms[row["address"]].append(row["planned_ms"])
        return True

    def acknowledged_today(self, address: str, now_ms: int) -> int:
        """How many acknowledgements were planned for this address within a day."""
        return sum(planned_ms > now_ms - plan.DAY_MS for planned_ms in self.acknowledged_ms[address])

    async def write(self, connection: AsyncConnection) -> None:
        """Write what has changed."""
        for table, key, changed in (
            (contacts, "contact_id", self._changed_contacts),
            (addresses, "handle", self._changed_addresses),
            (agents, "agent_id", self._changed_agents),
        ):
            if changed:
                await connection.execute(insert_or_replace(connection, table, key), list(changed.values()))
        if self.new_mails:
            await connection.execute(insert_or_leave(connection, mails, "effect_id"), self.new_mails)
        if self.new_texts:
            await connection.execute(insert_or_leave(connection, texts, "message_id"), self.new_texts)


async def find_written_to(connection: AsyncConnection, mail_addresses: Iterable[str]) -> set[str]:
    """Those of the addresses to which mail was planned."""
    return {address for (address,) in await _rows(connection, _WRITTEN_TO, mail_addresses)}


async def _rows(
    connection: AsyncConnection, query: sa.Select[Any], wanted: Iterable[str], more: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    # In order, so that the same batch is the same statement.
    values = sorted(set(wanted))
    if not values:
        return []
    found = await connection.execute(query, {"wanted": values, **(more or {})})
    return [tuple(row) for row in found.all()]
