"""Replies on their way out: from `outbound.messages` into the outbox, to the provider, and what became of them to `delivery.events`.

A reply is sent at least once: where the process dies between the provider's answer and our note of it, it goes out again, with the same
Message-ID where there is one. A reply lost would be worse. What a provider refuses for good is told to the agent in plain words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.clock import Clock
from libs.common.errors import OutageError
from libs.common.events.codec import encode_record
from libs.common.events.outbound import MessageFailed, MessageSent, ReplyRequested
from libs.common.log.publisher import Publisher
from libs.common.log.streams import DELIVERY_EVENTS
from libs.common.logging import correlated, get_logger
from libs.common.metrics import Metrics
from libs.common.outbox import NewItem, Outbox, OutboxItem, OutboxState, Outcome
from libs.common.outbox_runner import BeginDelivery, Later, Refused, Result, Sent
from libs.common.projection import Folded
from services.ingest.channels.port import (
    AccountContext,
    Means,
    ProviderUnavailableError,
    Sender,
    SendRefusedError,
)

SOURCE: Final = "centralino/ingest"
_LATER_MS: Final = 60_000
_decoder: Final = msgspec.json.Decoder(ReplyRequested)


class Senders:
    """Sends replies on the accounts' channels. `find_sender` gives the adapter for an account and a customer's handle."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        accounts: Mapping[str, AccountContext],
        find_sender: Callable[[AccountContext, str], Sender | None],
        means: Means,
        publisher: Publisher,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._outbox = outbox
        self._accounts = accounts
        self._find_sender = find_sender
        self._means = means
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics
        self.requested = False
        """Whether replies were asked for since somebody last made this False."""

    async def fold(self, connection: AsyncConnection, folded: Sequence[Folded]) -> None:
        """Take the replies that were asked for into the outbox, in the transaction that moves the position."""
        now_ms = self._clock.now_ms()
        replies: list[NewItem] = []
        for item in folded:
            reply: ReplyRequested = item.event
            replies.append(
                NewItem(
                    effect_id=reply.message_id,
                    payload=item.record.value,
                    correlation_id=item.record.header("correlationid") or "",
                    due_ms=reply.requested_ms,
                    now_ms=now_ms,
                )
            )
        await self._outbox.add_all(connection, replies)
        self.requested = self.requested or bool(replies)

    async def send(self, item: OutboxItem, begin_delivery: BeginDelivery) -> Result:
        """Hand one reply to its provider."""
        reply = _decoder.decode(item.payload)
        account = self._accounts.get(reply.account)
        sender = None if account is None else self._find_sender(account, reply.handle)
        if account is None or sender is None:
            return Refused(reason="there is no way to reach this customer on this account")
        already = tuple(part for part in item.progress.split(",") if part)
        means = replace(self._means, already_sent=already)
        if not await begin_delivery():
            return Later(reason="another process took this reply over")
        with correlated(item.correlation_id or None), self._metrics.delivery_seconds.labels(reply.channel).time():
            result = await self._try(sender, reply, account, means)
            get_logger(__name__).info(
                "reply", message=reply.message_id, contact=reply.contact_id, outcome=type(result).__name__
            )
        outcome = {Sent: "sent", Refused: "failed", Later: "postponed"}[type(result)]
        self._metrics.deliveries.labels(reply.channel, outcome).inc()
        return result

    async def _try(self, sender: Sender, reply: ReplyRequested, account: AccountContext, means: Means) -> Result:
        try:
            outcome = await sender.send(reply, account, means)
        except SendRefusedError as error:
            if error.permanent:
                return Refused(reason=error.reason)
            return Later(reason=error.reason, after_ms=_LATER_MS, progress=",".join(error.sent))
        except ProviderUnavailableError as error:
            return Later(
                reason="the provider does not answer",
                after_ms=error.retry_after_ms or 0,
                progress=",".join(error.sent),
                outage=True,
            )
        except OutageError as error:
            return Later(reason=(type(error).__doc__ or "").strip().split("\n")[0], outage=True)
        return Sent(detail=outcome.provider_id or "")

    async def report(self, outcomes: Sequence[Outcome]) -> None:
        """Put what became of replies on the log; each report has an id of its own that a repetition keeps."""
        appends = []
        for outcome in outcomes:
            reply = _decoder.decode(outcome.payload)
            event: MessageSent | MessageFailed
            if outcome.state is OutboxState.SENT:
                event = MessageSent(
                    message_id=reply.message_id,
                    at_ms=outcome.at_ms,
                    contact_id=reply.contact_id,
                    thread_id=reply.thread_id,
                    provider_id=outcome.detail or None,
                )
            else:
                event = MessageFailed(
                    message_id=reply.message_id,
                    at_ms=outcome.at_ms,
                    contact_id=reply.contact_id,
                    thread_id=reply.thread_id,
                    reason=outcome.detail,
                    account=reply.account,
                )
            record = encode_record(
                event,
                key=reply.thread_id,
                event_id=f"{reply.message_id}-{outcome.state.value}",
                source=SOURCE,
                time_ms=outcome.at_ms,
                correlation_id=outcome.correlation_id,
                subject=reply.contact_id,
                causation_id=reply.command_id or reply.message_id,
            )
            appends.append(self._publisher.append(DELIVERY_EVENTS, reply.thread_id, [record]))
        # At once, in this order: the log makes one group of what comes together, where one after the other would each wait for the disk.
        await asyncio.gather(*appends)
