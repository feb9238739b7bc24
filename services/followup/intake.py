"""Folds facts and delivery events into the follow-up service's tables: what mails need to know, and the mails themselves.

Runs inside the transaction that moves the position, so a mail is planned exactly once for its fact. It sends nothing. The projection
calls `fold_facts` and `fold_deliveries`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common import ids
from libs.common.clock import Clock
from libs.common.configuration.models import Configuration
from libs.common.events.codec import encode_value
from libs.common.events.followup import MailKind
from libs.common.events.outbound import AddressBounced, TextsResumed, TextsStopped
from libs.common.events.routing import (
    ContactCancelled,
    ContactLapsed,
    ContactMerged,
    ContactQueued,
    ContactResolved,
    ContactReturned,
    CustomerNotice,
    MessageJoined,
    PoolConfigured,
    WaitExpected,
)
from libs.common.log.port import Record
from libs.common.outbox import NewItem, Outbox, OutboxState
from libs.common.projection import Folded
from libs.common.store import store_errors
from services.followup import plan
from services.followup import texts as texts_of
from services.followup.hindrances import note_bounce, note_stop
from services.followup.ledger import Ledger, Row, find_written_to
from services.followup.promise import promise_answer, promise_opening
from services.followup.store.tables import contacts, mails, texts

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
    answer_by_ms: int | None = None
    opens_ms: int | None = None
    timezone: str = "UTC"
    position: int | None = None
    expected_wait_ms: int | None = None
    email_message_id: str | None = None
    email_references: tuple[str, ...] = ()
    reason: str | None = None


_JOINED: Final = (MessageJoined, ContactReturned)
# Nobody is asked about these afterwards: nobody answered, or one is asked about another.
_ENDED: Final = (ContactCancelled, ContactLapsed, ContactMerged)
_TOLD: Final = (WaitExpected, CustomerNotice)
_HANDLED: Final = (ContactQueued, *_TOLD, *_JOINED, ContactResolved, *_ENDED, PoolConfigured)
_HANDLED_TYPES: Final = frozenset(str(kind.__struct_config__.tag) for kind in _HANDLED)


class Intake:
    """Plans mails from what happens to contacts."""

    def __init__(self, *, outbox: Outbox, configuration: Configuration, clock: Clock) -> None:
        self._outbox = outbox
        self._configuration = configuration
        self._settings = configuration.followup
        self._clock = clock
        self.planned = False
        self.suppressed = False
        self.told = False
        """Whether mails were planned, whether some were not, and whether texts were planned, since somebody last made these False."""

    @staticmethod
    def wants(record: Record) -> bool:
        """Whether a record of the router's may concern mails."""
        kind = record.header("ce_type")
        return kind is None or kind in _HANDLED_TYPES

    async def fold_facts(self, connection: AsyncConnection, folded: Sequence[Folded]) -> None:
        """Facts of the router."""
        ledger = await self._open(connection, [item.event for item in folded])
        ordered: list[NewItem] = []
        # What was said of a contact's wait in the moment in which it came stands right behind it.
        waits = {item.event.contact_id: item.event for item in folded if isinstance(item.event, WaitExpected)}
        for item in folded:
            match item.event:
                case ContactQueued() as fact:
                    ordered += self._queued(
                        ledger, fact, waits.get(fact.contact_id), item.record.header("correlationid") or ""
                    )
                case WaitExpected() as fact:
                    self._tell_wait(ledger, fact)
                case CustomerNotice() as fact:
                    self._tell_notice(ledger, fact)
                case MessageJoined() | ContactReturned() as fact:
                    _join(ledger, fact)
                case ContactCancelled() | ContactLapsed() | ContactMerged() as fact:
                    _end(ledger, fact)
                case ContactResolved() as fact:
                    ordered += self._resolved(ledger, fact)
                case PoolConfigured() as fact:
                    for agent in fact.agents:
                        ledger.name_agent(agent.id, agent.name)
                case _:
                    pass
        await ledger.write(connection)
        await self._outbox.add_all(connection, ordered)
        self.planned = self.planned or bool(ordered)
        self.told = self.told or bool(ledger.new_texts)
        self.suppressed = self.suppressed or any(item.state is OutboxState.SUPPRESSED for item in ordered)

    async def fold_deliveries(self, connection: AsyncConnection, folded: Sequence[Folded]) -> None:
        """Mail that came back: nothing more goes to an address where that is for good. Customers who want no automatic texts, or want them
        again.
        """
        bounced: dict[str, AddressBounced] = {}
        for item in folded:
            event = item.event
            if isinstance(event, TextsStopped | TextsResumed):
                await note_stop(connection, event)
            if isinstance(event, AddressBounced) and event.permanent:
                address = plan.mail_address(event.handle)
                if address is not None:
                    bounced.setdefault(address, event)
        # Anybody can send a bounce report; one for an address that got nothing from here is made up, or none of our business.
        for address in sorted(await find_written_to(connection, bounced)):
            await note_bounce(connection, address, bounced[address].reason, bounced[address].at_ms)

    async def forget(self, engine: AsyncEngine, *, before_ms: int) -> None:
        """Forget contacts that were over before, and the mails about them."""
        old = sa.select(contacts.c.contact_id).where(contacts.c.resolved_ms < before_ms)
        with store_errors():
            async with engine.begin() as connection:
                await connection.execute(sa.delete(mails).where(mails.c.contact_id.in_(old)))
                await connection.execute(sa.delete(texts).where(texts.c.contact_id.in_(old)))
                await connection.execute(sa.delete(contacts).where(contacts.c.resolved_ms < before_ms))

    async def _open(self, connection: AsyncConnection, facts: Sequence[Any]) -> Ledger:
        """All that these facts may ask for."""
        queued = [fact for fact in facts if isinstance(fact, ContactQueued)]
        resolved = [fact for fact in facts if isinstance(fact, ContactResolved)]
        touched = [
            fact for fact in facts if isinstance(fact, (ContactQueued, ContactResolved, *_TOLD, *_JOINED, *_ENDED))
        ]
        named = [(fact, plan.mail_address(fact.handle, fact.handles)) for fact in queued]
        ledger = Ledger()
        await ledger.load(
            connection,
            contact_ids=(fact.contact_id for fact in touched),
            handles=(fact.handle for fact, address in named if address is None),
            agent_ids=(fact.agent_id for fact in resolved),
            effect_ids=(
                *(ids.mail_effect_id(MailKind.ACKNOWLEDGEMENT.value, fact.contact_id) for fact in queued),
                *(ids.mail_effect_id(MailKind.FOLLOW_UP.value, fact.contact_id) for fact in resolved),
            ),
            mail_addresses=(address for _, address in named if address is not None),
            acknowledged_after_ms=min((fact.at_ms for fact in queued), default=plan.DAY_MS) - plan.DAY_MS
            if queued
            else None,
        )
        told = [fact for fact in facts if isinstance(fact, _TOLD)]
        if told:
            named_handles = [fact.handle for fact in queued]
            await ledger.load_texts(
                connection,
                message_ids=map(_text_id, told),
                handles=(*named_handles, *(row["handle"] for row in ledger.contacts.values())),
                after_ms=min(fact.at_ms for fact in told) - plan.DAY_MS,
            )
        return ledger

    def _tell_wait(self, ledger: Ledger, fact: WaitExpected) -> None:
        """Tell who waits for how long, where the firm wants that and it is still true."""
        row = ledger.contacts.get(fact.contact_id)
        if row is None or not self._settings.tell_wait:
            return
        if self._clock.now_ms() - fact.at_ms > texts_of.WAIT_TOLD_WITHIN_MS:
            return
        language = self._told_language(ledger, row, fact.at_ms, texts_of.KIND_WAIT)
        if language is None:
            return
        promise = promise_opening(self._configuration, str(row["queue"]), fact.at_ms)
        text = texts_of.wait_text(fact, promise, language, self._settings)
        self._tell(ledger, row, fact, texts_of.with_way_out(text, language, row["channel"]))

    def _tell_notice(self, ledger: Ledger, fact: CustomerNotice) -> None:
        """Tell what the router wants the customer to know."""
        row = ledger.contacts.get(fact.contact_id)
        if row is None or self._told_language(ledger, row, fact.at_ms, texts_of.KIND_NOTICE) is None:
            return
        self._tell(ledger, row, fact, texts_of.notice_text(fact, row["language"], self._settings))

    def _told_language(self, ledger: Ledger, row: Row, at_ms: int, kind: str) -> str | None:
        return texts_of.plan_text(
            row,
            self._settings,
            kind=kind,
            told_today=ledger.told_today(row["handle"], at_ms),
            bounced=plan.mail_address(row["handle"]) in ledger.bounced,
            stopped=(row["channel"], row["handle"]) in ledger.stopped,
        )

    def _tell(self, ledger: Ledger, row: Row, fact: WaitExpected | CustomerNotice, text: str | None) -> None:
        if text is None:
            return
        message_id = _text_id(fact)
        message = texts_of.compose_text(row, message_id, text, fact.at_ms)
        ledger.plan_text(
            {
                "message_id": message_id,
                "contact_id": fact.contact_id,
                "handle": row["handle"],
                "planned_ms": fact.at_ms,
                "payload": encode_value(message).decode(),
                "correlation_id": row["correlation_id"],
                "published": False,
            }
        )

    def _queued(
        self, ledger: Ledger, fact: ContactQueued, wait: WaitExpected | None, correlation_id: str
    ) -> Iterator[NewItem]:
        address = _learn_address(ledger, fact)
        if fact.contact_id not in ledger.contacts:
            ledger.change_contact(
                {
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
                    "resolved_ms": None,
                    "thread_id": fact.thread_id,
                    "account": fact.account,
                    "channel": fact.channel,
                    "queue": fact.queue,
                }
            )
        if fact.passed:
            return  # It was acknowledged where it came from.
        planned = plan.plan_acknowledgement(
            fact,
            self._settings,
            bounced=address in ledger.bounced,
            acknowledged_today=0 if address is None else ledger.acknowledged_today(address, fact.at_ms),
        )
        if planned is None:
            return
        promise = promise_answer(self._configuration, fact)
        within_ms, wait_ms = promise.within_ms, None if wait is None else wait.expected_wait_ms
        if wait is None or promise.opens_ms is not None or not texts_of.is_worth_saying(wait_ms, self._settings):
            wait = wait_ms = None
        elif within_ms is not None and wait_ms is not None and wait_ms > within_ms:
            within_ms = None  # Both cannot be true, and what is measured is nearer to the truth than what is aimed at.
        order = MailOrder(
            kind=MailKind.ACKNOWLEDGEMENT,
            contact_id=fact.contact_id,
            name=fact.name,
            subject=fact.subject,
            answer_within_ms=within_ms,
            position=None if wait is None else wait.position,
            expected_wait_ms=wait_ms,
            answer_by_ms=promise.by_ms,
            opens_ms=promise.opens_ms,
            timezone=promise.timezone,
            email_message_id=fact.email_message_id,
            email_references=fact.email_references,
        )
        yield from self._order(ledger, order, planned, fact.at_ms, correlation_id)

    def _resolved(self, ledger: Ledger, fact: ContactResolved) -> Iterator[NewItem]:
        row = ledger.contacts.get(fact.contact_id)
        if row is None:
            # Resolved before this service was ever started: there is nobody to write to.
            return
        ledger.change_contact({**row, "resolved_ms": fact.at_ms})
        planned = plan.plan_follow_up(
            address=row["address"],
            language=row["language"],
            automatic=row["automatic"],
            wanted=fact.follow_up,
            bounced=row["address"] in ledger.bounced,
            resolved_ms=fact.at_ms,
            settings=self._settings,
        )
        order = MailOrder(
            kind=MailKind.FOLLOW_UP,
            contact_id=fact.contact_id,
            name=row["name"],
            subject=row["subject"],
            agent_name=ledger.agents.get(fact.agent_id),
            email_message_id=row["email_message_id"],
            email_references=tuple(str(row["email_references"]).split()),
        )
        # The id of the webhook that opened the contact, not that of the agent's click: one id leads from the one to the other.
        yield from self._order(ledger, order, planned, fact.at_ms, row["correlation_id"])

    def _order(
        self, ledger: Ledger, order: MailOrder, planned: plan.Plan, at_ms: int, correlation_id: str
    ) -> Iterator[NewItem]:
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
        if not ledger.plan_mail(row):
            return
        now_ms = self._clock.now_ms()
        if isinstance(planned, plan.Suppressed):
            yield NewItem(
                effect_id=effect_id,
                payload=encode_value(order),
                correlation_id=correlation_id,
                due_ms=now_ms,
                now_ms=now_ms,
                state=OutboxState.SUPPRESSED,
                detail=planned.reason,
            )
            return
        complete = msgspec.structs.replace(
            order, address=planned.address, language=planned.language, due_ms=planned.due_ms
        )
        yield NewItem(
            effect_id=effect_id,
            payload=encode_value(complete),
            correlation_id=correlation_id,
            due_ms=planned.due_ms,
            now_ms=now_ms,
        )


def _learn_address(ledger: Ledger, fact: ContactQueued) -> str | None:
    """The customer's mail address: from this message, or from an earlier one that carried it beside this handle."""
    address = plan.mail_address(fact.handle, fact.handles)
    if address is None:
        return ledger.addresses.get(fact.handle)
    if not fact.automatic:
        for handle in (fact.handle, *fact.handles):
            if not handle.startswith("mailto:"):
                ledger.learn_address(handle, address)
    return address


def _text_id(fact: WaitExpected | CustomerNotice) -> str:
    if isinstance(fact, WaitExpected):
        return ids.automatic_text_id(texts_of.KIND_WAIT, fact.contact_id)
    return ids.automatic_text_id(texts_of.KIND_NOTICE, fact.contact_id, fact.cause, str(fact.notice))


def _end(ledger: Ledger, fact: ContactCancelled | ContactLapsed | ContactMerged) -> None:
    row = ledger.contacts.get(fact.contact_id)
    if row is not None:
        ledger.change_contact({**row, "resolved_ms": fact.at_ms})


def _join(ledger: Ledger, fact: MessageJoined | ContactReturned) -> None:
    row = ledger.contacts.get(fact.contact_id)
    if fact.email_message_id is None or row is None:
        return
    # The newest mail is the one that is answered; those before it are its thread.
    chain = [*str(row["email_references"]).split(), *filter(None, [row["email_message_id"]])]
    ledger.change_contact(
        {
            **row,
            "email_message_id": fact.email_message_id,
            "email_references": _SEPARATOR.join(chain[-20:]),
        }
    )
