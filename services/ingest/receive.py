"""From normalised messages to the log: attachments kept, each message classified, appended, and only then answered for.

It decides no routing and remembers nothing that matters: whether a message is new is the router's to say, which sees all
replicas' messages in one order. The routes call it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from libs.common import ids
from libs.common.blobs import BlobStore
from libs.common.clock import Clock
from libs.common.configuration.models import Configuration
from libs.common.errors import OutageError
from libs.common.events.codec import encode_record
from libs.common.events.inputs import CallbackWish, ContactReceived, CustomerLeft
from libs.common.events.message import Message
from libs.common.events.outbound import AnyDelivery, TextsResumed, TextsStopped
from libs.common.log.port import NewRecord
from libs.common.log.publisher import Publisher
from libs.common.log.streams import DEAD_LETTERS, DELIVERY_EVENTS, ROUTING_INPUTS
from libs.common.logging import get_logger
from libs.common.metrics import Metrics
from services.ingest.channels.port import AccountContext, AttachmentContent, ItemProblem, Normalised
from services.ingest.classify import RuleInPlace, classify
from services.ingest.stop_words import stop_of

SOURCE: Final = "centralino/ingest"
RECENT_MAX: Final = 100_000
_BATCH_RECORDS: Final = 100
_BATCH_BYTES: Final = 512 * 1024
_PROBLEM_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What an integration asks for on top of the rules."""

    skills: Mapping[str, int] = field(default_factory=dict)
    priority: int | None = None
    any_of: Sequence[Mapping[str, int]] = ()
    preferred_agent: str | None = None
    callback: CallbackWish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A message that is on the log. `duplicate`: this process put it there before; the router knows for certain."""

    message_id: str
    contact_hint: str
    duplicate: bool


class Receiver:
    """Puts what came in on the log."""

    def __init__(
        self, *, configuration: Configuration, publisher: Publisher, blobs: BlobStore, clock: Clock, metrics: Metrics
    ) -> None:
        self._rules: dict[str, tuple[RuleInPlace, ...]] = {
            pool: configuration.rules_of(pool) for pool in configuration.pools
        }
        self._publisher = publisher
        self._blobs = blobs
        self._clock = clock
        self._metrics = metrics
        self._recent: OrderedDict[str, None] = OrderedDict()

    async def receive(
        self, account: AccountContext, normalised: Normalised, correlation_id: str, wishes: Wishes | None = None
    ) -> list[Receipt]:
        """Keep the attachments, append everything, and say what was taken. On return it is durable.

        Raises OutageError when not all of it is: the caller answers 503 and the provider sends it again, which is harmless
        because the ids are the same.
        """
        try:
            await self._keep(normalised.attachments)
            # Before the messages, so that none of them is answered by an automatic text because its word was not known yet.
            stops = [stop for message in normalised.messages if (stop := stop_of(message)) is not None]
            await self._append_stops(stops, correlation_id)
            receipts = await self._append_messages(account, normalised.messages, correlation_id, wishes or Wishes())
            await self._append_deliveries(account, normalised.deliveries, correlation_id)
            await self._append_problems(account, normalised.problems, correlation_id)
        except OutageError:
            self._count(account, "unavailable", len(normalised.messages))
            raise
        self._count(account, "accepted", len(receipts))
        self._count(account, "problem", len(normalised.problems))
        self._count(account, "ignored", len(normalised.ignored))
        return receipts

    async def tell_left(
        self, account: AccountContext, contact_id: str, correlation_id: str, *, declines_callback: bool = False
    ) -> None:
        """The customer of a contact that came in through this account did not wait, or wants no call any more. Raises OutageError when that
        is not on the log.
        """
        record = encode_record(
            CustomerLeft(
                pool=account.pool,
                contact_id=contact_id,
                declines_callback=declines_callback,
                correlation_id=correlation_id,
            ),
            key=account.pool,
            event_id=ids.new_id("left"),
            source=SOURCE,
            time_ms=self._clock.now_ms(),
            correlation_id=correlation_id,
            subject=contact_id,
        )
        await self._publisher.append(ROUTING_INPUTS, account.pool, [record])

    async def _keep(self, attachments: Sequence[AttachmentContent]) -> None:
        for attachment in attachments:
            await self._blobs.put(attachment.id, attachment.data, attachment.content_type)

    async def _append_messages(
        self, account: AccountContext, messages: Sequence[Message], correlation_id: str, wishes: Wishes
    ) -> list[Receipt]:
        records, receipts = [], []
        for written in messages:
            # A word that stops automatic texts is answered by none.
            message = written if stop_of(written) is None else msgspec.structs.replace(written, automatic=True)
            found = classify(
                message,
                self._rules.get(account.pool, ()),
                to=_addressees(message, account),
                skills=wishes.skills,
                priority=wishes.priority,
                any_of=wishes.any_of,
            )
            for place in found.failed:
                self._metrics.rules_failed.labels(account.pool).inc()
                get_logger(__name__).warning("rule_failed", rule=place, account=account.name, message=message.id)
            contact = ids.contact_id(ids.MessageId(message.id))
            received = ContactReceived(
                pool=account.pool,
                message=message,
                contact_id=contact,
                queue=found.queue,
                skills=found.skills,
                priority=found.priority,
                rule=found.rule,
                any_of=found.any_of,
                preferred_agent=wishes.preferred_agent,
                callback=wishes.callback,
                correlation_id=correlation_id,
            )
            records.append(
                encode_record(
                    received,
                    key=account.pool,
                    event_id=message.id,
                    source=SOURCE,
                    time_ms=message.received_ms,
                    correlation_id=correlation_id,
                    subject=message.id,
                )
            )
            receipts.append(Receipt(message_id=message.id, contact_hint=contact, duplicate=message.id in self._recent))
        for batch in _batches(records):
            await self._publisher.append(ROUTING_INPUTS, account.pool, batch)
        for receipt in receipts:
            self._remember(receipt.message_id)
            get_logger(__name__).info(
                "message_received", account=account.name, message=receipt.message_id, contact=receipt.contact_hint
            )
        return receipts

    async def _append_deliveries(
        self, account: AccountContext, deliveries: Sequence[AnyDelivery], correlation_id: str
    ) -> None:
        for index, delivery in enumerate(deliveries):
            key = delivery.message_id or getattr(delivery, "provider_id", None) or account.name
            record = encode_record(
                delivery,
                key=key,
                event_id=f"{correlation_id}-{index}",
                source=SOURCE,
                time_ms=delivery.at_ms,
                correlation_id=correlation_id,
            )
            await self._publisher.append(DELIVERY_EVENTS, key, [record])

    async def _append_stops(self, stops: Sequence[TextsStopped | TextsResumed], correlation_id: str) -> None:
        for stop in stops:
            record = encode_record(
                stop,
                key=stop.message_id,
                event_id=f"{stop.message_id}-texts",  # The same message again says the same.
                source=SOURCE,
                time_ms=stop.at_ms,
                correlation_id=correlation_id,
            )
            await self._publisher.append(DELIVERY_EVENTS, stop.message_id, [record])

    async def _append_problems(
        self, account: AccountContext, problems: Sequence[ItemProblem], correlation_id: str
    ) -> None:
        # There is no record to put back: the letter holds the item as the provider sent it, for somebody to look at.
        for problem in problems:
            # The same item again (the provider tries again) is the same letter.
            digest = hashlib.sha256(problem.place.encode() + b"\0" + problem.raw).hexdigest()[:32]
            record = NewRecord(
                key=f"webhook/{account.name}",
                value=problem.raw[:_PROBLEM_BYTES],
                headers=(
                    ("ce_specversion", b"1.0"),
                    ("ce_id", f"{account.name}-{digest}".encode()),
                    ("ce_source", SOURCE.encode()),
                    ("ce_type", b"centralino.webhook.item.v1"),
                    ("correlationid", correlation_id.encode()),
                    ("dlq_service", b"ingest"),
                    ("dlq_account", account.name.encode()),
                    ("dlq_place", problem.place.encode()),
                    ("dlq_error", problem.detail.encode()),
                ),
            )
            await self._publisher.append(DEAD_LETTERS, record.key, [record])

    def _remember(self, message_id: str) -> None:
        self._recent[message_id] = None
        self._recent.move_to_end(message_id)
        if len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)

    def _count(self, account: AccountContext, outcome: str, number: int) -> None:
        if number:
            self._metrics.webhook_messages.labels(account.name, outcome).inc(number)


def _addressees(message: Message, account: AccountContext) -> list[str]:
    """The addresses that the message was sent to, as far as they are known; the account's own is one in any case."""
    named = message.attributes.get("to", "").split(", ")
    return [*filter(None, named), *([account.address] if account.address else [])]


def _batches(records: Sequence[NewRecord]) -> list[list[NewRecord]]:
    """The records in order, in batches that an append takes; one POST may hold a thousand messages."""
    batches: list[list[NewRecord]] = []
    size = 0
    for record in records:
        if not batches or len(batches[-1]) >= _BATCH_RECORDS or size + len(record.value) > _BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(record)
        size += len(record.value)
    return batches
