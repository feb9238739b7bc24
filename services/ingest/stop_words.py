"""Words by which customers stop automatic texts, and take them again. Pure: no I/O. `receive` calls it.

A message counts where it is one of these words and nothing else, whatever its case and the marks around it: who writes a sentence with
"stop" in it is not taken at that word. On SMS the words are those that carriers and providers know (CTIA's messaging principles, and
Twilio's own lists), besides the Italian ones; a bot of Telegram is told `/stop` and `/start`.
"""

from __future__ import annotations

import re
from typing import Final

from libs.common.events.message import Channel, Message
from libs.common.events.outbound import TextsResumed, TextsStopped

# Channels on which automatic texts go out.
CHANNELS: Final = frozenset(
    {Channel.SMS, Channel.WHATSAPP, Channel.TELEGRAM, Channel.MESSENGER, Channel.INSTAGRAM, Channel.WEBCHAT}
)
_STOP: Final = frozenset({"stop", "unsubscribe", "ferma", "basta", "disiscrivi", "cancellami"})
_RESUME: Final = frozenset({"start", "unstop", "riprendi", "iscrivi"})
# What else a provider takes for a stop by itself: on other channels these words may be an answer.
_STOP_BY_SMS: Final = frozenset({"stopall", "cancel", "end", "quit", "optout", "revoke"})
_MARKS: Final = re.compile(r"^[\W_]+|[\W_]+$")


def stop_of(message: Message) -> TextsStopped | TextsResumed | None:
    """What the message says about automatic texts; None where it is not about them."""
    if message.channel not in CHANNELS:
        return None
    word = _MARKS.sub("", message.text).casefold()
    stops = _STOP | _STOP_BY_SMS if message.channel == Channel.SMS else _STOP
    kind: type[TextsStopped | TextsResumed]
    if word in stops:
        kind = TextsStopped
    elif word in _RESUME:
        kind = TextsResumed
    else:
        return None
    return kind(message_id=message.id, at_ms=message.received_ms, handle=message.handle, channel=str(message.channel))
