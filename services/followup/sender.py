"""Sends the mails that are due, and says on `followup.events` what became of each.

A mail is sent at most once. The addresses are negotiated first; the outbox notes the point of no return right before the content goes over
the wire, and a mail whose sender died beyond it is given up and reported as `outcome-unknown`: to be asked twice whether all is
well is worse than not to be asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from email.errors import MessageError
from typing import Final, Protocol

import msgspec

from libs.common.clock import Clock
from libs.common.configuration.models import Followup
from libs.common.errors import OutageError
from libs.common.events.codec import encode_record
from libs.common.events.followup import AnyFollowUp, FollowUpFailed, FollowUpSent, FollowUpSuppressed
from libs.common.http.health import Health
from libs.common.log.publisher import Publisher
from libs.common.log.streams import FOLLOWUP_EVENTS
from libs.common.logging import correlated, get_logger
from libs.common.metrics import Metrics
from libs.common.outbox import REASON_UNKNOWN, OutboxItem, OutboxState, Outcome
from libs.common.outbox_runner import BeginDelivery, Later, Refused, Result, Sent
from libs.common.plain_sql import LIST_MAX
from libs.common.smtp import Mail, SmtpRefusedError, SmtpResult, SmtpUnavailableError
from libs.common.store import store_errors
from libs.common.store_engine import StoreEngine
from libs.common.together import Together
from services.followup.hindrances import note_bounce
from services.followup.intake import MailOrder
from services.followup.render import Letter, Renderer, message_id, split_address

SOURCE: Final = "centralino/followup"
PART: Final = "smtp"
_GREYLISTED_MS: Final = 60_000
_decoder: Final = msgspec.json.Decoder(MailOrder)
_BOUNCED: Final = "SELECT address FROM followup_bounces WHERE address IN ?"


class SmtpMissingError(OutageError):
    """No mail server is configured (CENTRALINO_SMTP_URL): mails wait."""


class LeaseLostError(Exception):
    """Another process has taken this mail over."""


class MailTransport(Protocol):
    """What hands mails to a mail server: see `SmtpTransport`, which is one."""

    async def send(
        self,
        message: Mail,
        sender: str,
        recipients: Sequence[str],
        *,
        before_data: Callable[[], Awaitable[None]] | None = None,
    ) -> SmtpResult:
        """Hand over one mail. Raises SmtpRefusedError, SmtpUnavailableError."""
        ...

    async def check(self) -> None:
        """Reach the server. Raises SmtpUnavailableError."""
        ...

    async def close(self) -> None:
        """Let go of the server."""
        ...


class MailSender:
    """Sends one mail at a time. `transport` None: no mail server is configured, and everything waits."""

    def __init__(
        self,
        *,
        settings: Followup,
        transport: MailTransport | None,
        engine: StoreEngine,
        publisher: Publisher,
        clock: Clock,
        health: Health,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._engine = engine
        self._publisher = publisher
        self._clock = clock
        self._health = health
        self._metrics = metrics
        self._renderer = Renderer()
        self._bounced = Together(self._find_bounced)
        self._answering = False

    async def gate(self) -> None:
        """Make sure that the mail server answers; raises OutageError while it does not."""
        if self._answering:
            return
        try:
            if self._transport is None:
                raise SmtpMissingError
            await self._transport.check()
        except OutageError as error:
            self._health.set(PART, ok=False, detail=str(error))
            raise
        self._answering = True
        self._health.set(PART, ok=True)

    async def send(self, item: OutboxItem, begin_delivery: BeginDelivery) -> Result:
        """Write and hand over one mail."""
        order = _decoder.decode(item.payload)
        with correlated(item.correlation_id or None):
            result = await self._try(item, order, begin_delivery)
            get_logger(__name__).info(
                "mail", kind=order.kind.value, contact=order.contact_id, outcome=type(result).__name__
            )
        outcome = {Sent: "sent", Refused: "failed", Later: "postponed"}[type(result)]
        self._metrics.mails.labels(order.kind.value, outcome).inc()
        return result

    async def _try(self, item: OutboxItem, order: MailOrder, begin_delivery: BeginDelivery) -> Result:
        sender = self._settings.sender
        if sender is None or self._transport is None:
            return Refused(reason="disabled", state=OutboxState.SUPPRESSED)
        if await self._bounced.ask(order.address):
            # Between the plan and now: the follow-up waits for its delay.
            return Refused(reason="bounced", state=OutboxState.SUPPRESSED)
        try:
            mail = self._renderer.render(self._letter(item, order, sender))
        except (ValueError, MessageError):
            return Refused(reason="the address cannot be written to")

        async def before_data() -> None:
            if not await begin_delivery():
                raise LeaseLostError

        try:
            await self._transport.send(mail, split_address(sender)[1], [order.address], before_data=before_data)
        except LeaseLostError:
            return Later(reason="another process took this mail over")
        except SmtpRefusedError as error:
            return await self._refused(order, error)
        except SmtpUnavailableError as error:
            return self._unavailable(error)
        return Sent(detail=message_id(item.effect_id, sender))

    def _letter(self, item: OutboxItem, order: MailOrder, sender: str) -> Letter:
        return Letter(
            effect_id=item.effect_id,
            kind=order.kind,
            language=order.language,
            sender=sender,
            reply_to=self._settings.reply_to,
            to_address=order.address,
            to_name=order.name,
            subject=order.subject,
            sent_ms=self._clock.now_ms(),
            agent_name=order.agent_name,
            answer_within_ms=order.answer_within_ms,
            answer_by_ms=order.answer_by_ms,
            opens_ms=order.opens_ms,
            timezone=order.timezone,
            position=order.position,
            expected_wait_ms=order.expected_wait_ms,
            in_reply_to=order.email_message_id,
            references=order.email_references,
        )

    async def _refused(self, order: MailOrder, error: SmtpRefusedError) -> Result:
        if not error.permanent:
            return Later(reason=f"smtp-{error.code}", after_ms=_GREYLISTED_MS)
        if error.scope == "recipient":
            with store_errors():
                async with self._engine.begin() as connection:
                    await note_bounce(connection, order.address, f"smtp-{error.code}", self._clock.now_ms())
        return Refused(reason=f"smtp-{error.code}")

    def _unavailable(self, error: SmtpUnavailableError) -> Result:
        self._answering = False
        self._health.set(PART, ok=False, detail=str(error))
        if error.outcome_unknown:
            get_logger(__name__).warning("mail_outcome_unknown")
            return Refused(reason=REASON_UNKNOWN)
        return Later(reason="smtp-unavailable", outage=True)

    async def _find_bounced(self, addresses: Sequence[str]) -> list[bool]:
        """Which of the addresses mail came back from for good."""
        asked = sorted(set(addresses))
        found: set[str] = set()
        with store_errors():
            async with self._engine.read_plain() as session:
                for start in range(0, len(asked), LIST_MAX):
                    rows = await session.fetch_in(_BOUNCED, asked[start : start + LIST_MAX])
                    found.update(address for (address,) in rows)
        return [address in found for address in addresses]

    async def report(self, outcomes: Sequence[Outcome]) -> None:
        """Put what became of mails on the log; a report's id is the same when it is repeated."""
        appends = []
        for outcome in outcomes:
            order = _decoder.decode(outcome.payload)
            event = _event(outcome, order)
            record = encode_record(
                event,
                key=order.contact_id,
                event_id=f"{outcome.effect_id}-{outcome.state.value}",
                source=SOURCE,
                time_ms=outcome.at_ms,
                correlation_id=outcome.correlation_id,
                subject=order.contact_id,
            )
            appends.append(self._publisher.append(FOLLOWUP_EVENTS, order.contact_id, [record]))
        # At once, in this order: the log makes one group of what comes together, where one after the other would each wait for the disk.
        await asyncio.gather(*appends)


def _event(outcome: Outcome, order: MailOrder) -> AnyFollowUp:
    effect_id, contact_id, kind, at_ms = outcome.effect_id, order.contact_id, order.kind.value, outcome.at_ms
    match outcome.state:
        case OutboxState.SENT:
            return FollowUpSent(
                effect_id=effect_id, contact_id=contact_id, kind=kind, at_ms=at_ms, email_message_id=outcome.detail
            )
        case OutboxState.SUPPRESSED:
            return FollowUpSuppressed(
                effect_id=effect_id, contact_id=contact_id, kind=kind, at_ms=at_ms, reason=outcome.detail
            )
        case _:
            return FollowUpFailed(
                effect_id=effect_id, contact_id=contact_id, kind=kind, at_ms=at_ms, reason=outcome.detail
            )
