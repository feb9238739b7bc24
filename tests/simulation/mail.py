"""The mail server of the simulated world, which can refuse, be away, lose a mail or its own reply; and a process's line to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from email import message_from_bytes

from libs.common.smtp import Mail, SmtpRefusedError, SmtpResult, SmtpUnavailableError
from tests.simulation.connection import Sky
from tests.simulation.process import Process
from tests.simulation.trouble import Troubles


class MailBox:
    """What the mail server has taken: recipient and Message-ID, in order."""

    def __init__(self, sky: Sky, troubles: Troubles) -> None:
        self.sky = sky
        self.troubles = troubles
        self.taken: list[tuple[str, str]] = []
        self._away_until_s = 0.0

    def check_there(self) -> None:
        """Raises SmtpUnavailableError while it is away; it may go now."""
        now_s = asyncio.get_running_loop().time()
        if self.sky.happens(self.troubles.now.mail_away):
            self._away_until_s = now_s + self.sky.rng.uniform(1, 60)
        if now_s < self._away_until_s:
            raise self.troubles.note_failure("mail server away", SmtpUnavailableError("nobody answers"))


class SimulatedTransport:
    """See `MailTransport`."""

    def __init__(self, box: MailBox, process: Process) -> None:
        self._box = box
        self._process = process

    async def check(self) -> None:
        await self._travel()
        self._box.check_there()

    async def send(
        self,
        message: Mail,
        sender: str,
        recipients: Sequence[str],
        *,
        before_data: Callable[[], Awaitable[None]] | None = None,
    ) -> SmtpResult:
        box, sky, troubles, trouble = self._box, self._box.sky, self._box.troubles, self._box.troubles.now
        await self._travel()
        box.check_there()
        if sky.happens(trouble.mail_refused):
            refusal = SmtpRefusedError("recipient", 550, "no such mailbox", permanent=True)
            raise troubles.note_failure("mail refused", refusal)
        if sky.happens(trouble.mail_later):
            refusal = SmtpRefusedError("recipient", 451, "try again later", permanent=False)
            raise troubles.note_failure("mail later", refusal)
        if before_data is not None:
            await before_data()
        if sky.happens(trouble.crash_at_mail):
            await troubles.crash(self._process)
        await self._travel()
        if sky.happens(trouble.mail_lost):
            raise troubles.note_failure("mail lost", SmtpUnavailableError("cut off", outcome_unknown=True))
        headers = message_from_bytes(message) if isinstance(message, bytes) else message
        box.taken.extend((recipient, str(headers["Message-ID"])) for recipient in recipients)
        if sky.happens(trouble.crash_at_mail):
            await troubles.crash(self._process)
        await self._travel()
        if sky.happens(trouble.mail_reply_lost):
            raise troubles.note_failure("mail's reply lost", SmtpUnavailableError("cut off", outcome_unknown=True))
        return SmtpResult(accepted=tuple(recipients), refused=(), reply="250 taken")

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _travel(self) -> None:
        await self._box.sky.travel()
        await self._process.awake()
