"""Folds facts and delivery events into the follow-up service's tables: what mails need to know, and the mails themselves.

Runs inside the transaction that moves the position, so a mail is planned exactly once for its fact. It sends nothing. The projection
calls `fold_facts` and `fold_deliveries`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common import ids
from libs.common.clock import Clock
from libs.common.configuration.models import Followup
from libs.common.events.codec import encode_value
from libs.common.events.followup import MailKind
from libs.common.events.outbound import AddressBounced
from libs.common.events.routing import ContactQueued, ContactResolved, MessageJoined, PoolConfigured
from libs.common.outbox import Outbox, OutboxState
from libs.common.projection import Folded
from libs.common.store import store_errors, upsert
from services.followup import plan
from services.followup.store.tables import addresses, agents, bounces, contacts, mails

_SEPARATOR: Final = " "


class MailOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the outbox keeps of a mail: enough to write it, nothing of the customer's text."""

    kind: MailKind
    contact_id: str
    address: str = ""
    language: str = ""
    due_ms: int = 0
    name: str | None = None
    subject: str | None = None
    agent_name: str | None = None
    answer_within_ms: int | None = None
    email_message_id: str | None = None
    email_references: tuple[str, ...] = ()
    reason: str | None = None


class Intake:
    """Plans mails from what happens to contacts."""

    def __init__(self, *, outbox: Outbox, settings: Followup, clock: Clock) -> None:
        self._outbox = outbox
        self._settings = settings
        self._clock = clock

    async def fold_facts(self, connection: AsyncConnection, folded: Sequence[Folded]) -> None:
        """Facts of the router."""
        for item in folded:
            correlation_id = item.record.header("correlationid") or ""
            match item.event:
                case ContactQueued() as fact:
                    await self._queued(connection, fact, correlation_id)
                case MessageJoined() as fact:
                    await self._joined(connection, fact)
                case ContactResolved() as fact:
                    await self._resolved(connection, fact)
                case PoolConfigured() as fact:
                    await self._configured(connection, fact)
                case _:
                    pass

    async def fold_deliveries(self, connection: AsyncConnection, folded: Sequence[Folded]) -> None:
        """Mail that came back: nothing more goes to an address where that is for good."""
        for item in folded:
            event = item.event
            if isinstance(event, AddressBounced) and event.permanent:
                address = plan.mail_address(event.handle)
                if address is not None and await self._was_written_to(connection, address):
                    await note_bounce(connection, address, event.reason, event.at_ms)

    async def forget(self, engine: AsyncEngine, *, before_ms: int) -> None:
        """Forget contacts that were resolved before, and the mails about them."""
        old = sa.select(contacts.c.contact_id).where(contacts.c.resolved_ms < before_ms)
        with store_errors():
            async with engine.begin() as connection:
                await connection.execute(sa.delete(mails).where(mails.c.contact_id.in_(old)))
                await connection.execute(sa.delete(contacts).where(contacts.c.resolved_ms < before_ms))

    async def _configured(self, connection: AsyncConnection, fact: PoolConfigured) -> None:
        rows = [{"agent_id": agent.id, "name": agent.name} for agent in fact.agents]
        if rows:
            await connection.execute(upsert(connection, agents, rows, key=("agent_id",), change=None))

    async def _queued(self, connection: AsyncConnection, fact: ContactQueued, correlation_id: str) -> None:
        address = await self._learn_address(connection, fact)
        row = {
            "contact_id": fact.contact_id,
            "pool": fact.pool,
            "handle": fact.handle,
            "address": address,
            "name": fact.name,
            "subject": fact.subject,
            "language": fact.language,
            "automatic": fact.automatic,
            "email_message_id": fact.email_message_id,
            "email_references": _SEPARATOR.join(fact.email_references),
            "correlation_id": correlation_id,
        }
        await connection.execute(upsert(connection, contacts, row, key=("contact_id",)))
        bounced = address is not None and await self._bounced(connection, address)
        today = 0 if address is None else await self._acknowledged_today(connection, address, fact.at_ms)
        planned = plan.plan_acknowledgement(fact, self._settings, bounced=bounced, acknowledged_today=today)
        if planned is None:
            return
        order = MailOrder(
            kind=MailKind.ACKNOWLEDGEMENT,
            contact_id=fact.contact_id,
            name=fact.name,
            subject=fact.subject,
            answer_within_ms=max(0, fact.due_ms - fact.received_ms),
            email_message_id=fact.email_message_id,
            email_references=fact.email_references,
        )
        await self._order(connection, order, planned, fact.at_ms, correlation_id)

    async def _learn_address(self, connection: AsyncConnection, fact: ContactQueued) -> str | None:
        """The customer's mail address: from this message, or from an earlier one that carried it beside this handle."""
        address = plan.mail_address(fact.handle, fact.handles)
        if address is None:
            query = sa.select(addresses.c.address).where(addresses.c.handle == fact.handle)
            return (await connection.execute(query)).scalar_one_or_none()
        others = {handle for handle in (fact.handle, *fact.handles) if not handle.startswith("mailto:")}
        if others and not fact.automatic:
            rows = [{"handle": handle, "address": address} for handle in sorted(others)]
            await connection.execute(upsert(connection, addresses, rows, key=("handle",), change=None))
        return address

    async def _joined(self, connection: AsyncConnection, fact: MessageJoined) -> None:
        if fact.email_message_id is None:
            return
        columns = contacts.c
        row = await self._contact(connection, fact.contact_id)
        if row is None:
            return
        # The newest mail is the one that is answered; those before it are its thread.
        chain = [*str(row["email_references"]).split(), *filter(None, [row["email_message_id"]])]
        await connection.execute(
            sa.update(contacts)
            .where(columns.contact_id == fact.contact_id)
            .values(
                email_message_id=fact.email_message_id,
                email_references=_SEPARATOR.join(chain[-20:]),
            )
        )

    async def _resolved(self, connection: AsyncConnection, fact: ContactResolved) -> None:
        row = await self._contact(connection, fact.contact_id)
        if row is None:
            # Resolved before this service was ever started: there is nobody to write to.
            return
        await connection.execute(
            sa.update(contacts).where(contacts.c.contact_id == fact.contact_id).values(resolved_ms=fact.at_ms)
        )
        address: str | None = row["address"]
        bounced = address is not None and await self._bounced(connection, address)
        planned = plan.plan_follow_up(
            address=address,
            language=row["language"],
            automatic=row["automatic"],
            wanted=fact.follow_up,
            bounced=bounced,
            resolved_ms=fact.at_ms,
            settings=self._settings,
        )
        name = await connection.execute(sa.select(agents.c.name).where(agents.c.agent_id == fact.agent_id))
        order = MailOrder(
            kind=MailKind.FOLLOW_UP,
            contact_id=fact.contact_id,
            name=row["name"],
            subject=row["subject"],
            agent_name=name.scalar_one_or_none(),
            email_message_id=row["email_message_id"],
            email_references=tuple(str(row["email_references"]).split()),
        )
        # The id of the webhook that opened the contact, not that of the agent's click: one id leads from the one to the other.
        await self._order(connection, order, planned, fact.at_ms, row["correlation_id"])

    async def _order(
        self, connection: AsyncConnection, order: MailOrder, planned: plan.Plan, at_ms: int, correlation_id: str
    ) -> None:
        effect_id = ids.mail_effect_id(order.kind.value, order.contact_id)
        address = planned.address if isinstance(planned, plan.Planned) else None
        due_ms = planned.due_ms if isinstance(planned, plan.Planned) else None
        row = {
            "effect_id": effect_id,
            "contact_id": order.contact_id,
            "kind": order.kind.value,
            "address": address,
            "planned_ms": at_ms,
            "due_ms": due_ms,
            # What is not sent has nothing to announce; its suppression is reported.
            "announced": due_ms is None,
        }
        inserted = await connection.execute(upsert(connection, mails, row, key=("effect_id",)))
        if inserted.rowcount != 1:
            return
        now_ms = self._clock.now_ms()
        if isinstance(planned, plan.Suppressed):
            await self._outbox.add_final(
                connection,
                effect_id=effect_id,
                payload=encode_value(order),
                correlation_id=correlation_id,
                state=OutboxState.SUPPRESSED,
                detail=planned.reason,
                now_ms=now_ms,
            )
            return
        complete = msgspec.structs.replace(
            order, address=planned.address, language=planned.language, due_ms=planned.due_ms
        )
        await self._outbox.add(
            connection,
            effect_id=effect_id,
            payload=encode_value(complete),
            correlation_id=correlation_id,
            due_ms=planned.due_ms,
            now_ms=now_ms,
        )

    async def _contact(self, connection: AsyncConnection, contact_id: str) -> Any:
        query = sa.select(contacts).where(contacts.c.contact_id == contact_id)
        return (await connection.execute(query)).mappings().one_or_none()

    async def _bounced(self, connection: AsyncConnection, address: str) -> bool:
        query = sa.select(bounces.c.address).where(bounces.c.address == address)
        return (await connection.execute(query)).first() is not None

    async def _was_written_to(self, connection: AsyncConnection, address: str) -> bool:
        # Anybody can send a bounce report; one for an address that got nothing from here is made up, or none of our business.
        query = sa.select(mails.c.effect_id).where(mails.c.address == address).limit(1)
        return (await connection.execute(query)).first() is not None

    async def _acknowledged_today(self, connection: AsyncConnection, address: str, now_ms: int) -> int:
        query = sa.select(sa.func.count()).where(
            mails.c.address == address,
            mails.c.kind == MailKind.ACKNOWLEDGEMENT.value,
            mails.c.planned_ms > now_ms - plan.DAY_MS,
        )
        return int((await connection.execute(query)).scalar_one())


async def note_bounce(connection: AsyncConnection, address: str, reason: str, at_ms: int) -> None:
    """From now on nothing is sent to this address."""
    row = {"address": address, "reason": reason, "at_ms": at_ms}
    await connection.execute(upsert(connection, bounces, row, key=("address",)))
