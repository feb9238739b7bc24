"""Files that a provider keeps for us: noted when their message is on the log, fetched afterwards, kept under the attachment's id.

Never inside the webhook, which has to answer at once. Fetched twice after a crash they are the same bytes under the same id, so nothing
is reported; the agent API finds them in the blob store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.clock import Clock
from libs.common.events.codec import encode_value
from libs.common.events.inputs import ContactReceived
from libs.common.events.message import Attachment
from libs.common.log.port import Record
from libs.common.outbox import Outbox, OutboxItem, Outcome
from libs.common.outbox_runner import BeginDelivery, Later, Refused, Result, Sent
from libs.common.projection import Folded
from services.ingest.channels.port import AccountContext
from services.ingest.media import Fetched, MediaOutcome, NotFetchable, TryLater


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One file to fetch, from which account's provider."""

    account: str
    attachment: Attachment


# No text of a customer's can hold these bytes, whose quotation marks JSON would write with a backslash.
_REMOTE: Final = b'"remote":'

Fetch = Callable[[Attachment, AccountContext], Awaitable[MediaOutcome]]

_decoder: Final = msgspec.json.Decoder(Errand)


class MediaIntake:
    """Notes and fetches remote attachments; `fetch` is what knows the providers."""

    def __init__(self, *, outbox: Outbox, accounts: Mapping[str, AccountContext], fetch: Fetch, clock: Clock) -> None:
        self._outbox = outbox
        self._accounts = accounts
        self._fetch = fetch
        self._clock = clock
        self.noted = False
        """Whether files were noted since somebody last made this False."""

    @staticmethod
    def wants(record: Record) -> bool:
        """Whether the record may hold a message with a remote file. Most do not, and need not be decoded to see it."""
        return _REMOTE in record.value

    async def fold(self, connection: AsyncConnection, folded: Sequence[Folded]) -> None:
        """Note the remote files of the messages, in the transaction that moves the position."""
        for item in folded:
            if not isinstance(item.event, ContactReceived):
                continue
            message = item.event.message
            for attachment in message.attachments:
                if attachment.remote is not None:
                    self.noted = True
                    await self._outbox.add(
                        connection,
                        effect_id=attachment.id,
                        payload=encode_value(Errand(account=message.account, attachment=attachment)),
                        correlation_id=item.record.header("correlationid") or "",
                        due_ms=message.received_ms,
                        now_ms=self._clock.now_ms(),
                    )

    async def send(self, item: OutboxItem, begin_delivery: BeginDelivery) -> Result:
        """Fetch one file."""
        errand = _decoder.decode(item.payload)
        account = self._accounts.get(errand.account)
        if account is None:
            return Refused(reason="the account is gone")
        await begin_delivery()
        match await self._fetch(errand.attachment, account):
            case Fetched():
                return Sent()
            case NotFetchable(reason=reason):
                return Refused(reason=reason)
            case TryLater(reason=reason, retry_after_ms=retry_after_ms):
                return Later(reason=reason, after_ms=retry_after_ms or 0)

    async def report(self, outcomes: Sequence[Outcome]) -> None:
        """Nothing waits for word of it: whether the bytes are there is seen in the blob store."""
