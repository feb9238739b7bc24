"""Short texts that tell a customer something about a contact that waits: whom, whether, and in which words. Pure: no clock, no I/O.

They go out on the contact's own channel, as automatic messages. Nothing is told to a machine, to an address that nobody reads, or to
anybody more than a few times a day. `intake` calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from libs.common.configuration.models import Followup
from libs.common.events.message import Channel
from libs.common.events.outbound import ReplyRequested
from libs.common.events.routing import CustomerNotice, WaitExpected
from services.followup.plan import choose_language, is_no_reply, mail_address
from services.followup.promise import Promise
from services.followup.say import say_point, say_wait

# Where somebody who has just written looks for an answer; mail has its acknowledgement, a call is no text.
TOLD_CHANNELS: Final = frozenset(
    {
        Channel.SMS.value,
        Channel.WHATSAPP.value,
        Channel.TELEGRAM.value,
        Channel.MESSENGER.value,
        Channel.INSTAGRAM.value,
        Channel.WEBCHAT.value,
    }
)
NOTICED_CHANNELS: Final = TOLD_CHANNELS | {Channel.EMAIL.value, Channel.WEBFORM.value}
TEXTS_A_DAY_MAX: Final = 10
# What was expected longer ago than this is told to nobody any more.
WAIT_TOLD_WITHIN_MS: Final = 120_000
# A wait that is longer is not put into a number: too much happens until then.
WAIT_SAID_MAX_MS: Final = 8 * 3_600_000

KIND_WAIT: Final = "wait"
KIND_NOTICE: Final = "notice"

_WORDS: Final = {
    "it": {
        "next": "Abbiamo ricevuto il tuo messaggio. Sei la prossima persona in coda: ti rispondiamo tra circa {wait}.",
        "place": "Abbiamo ricevuto il tuo messaggio. Sei al numero {position} in coda: ti rispondiamo tra circa {wait}.",
        "closed": "Abbiamo ricevuto il tuo messaggio. In questo momento siamo chiusi e riapriamo {opens}.",
    },
    "en": {
        "next": "We have received your message. You are next in line; we expect to answer in about {wait}.",
        "place": "We have received your message. You are number {position} in line; we expect to answer in about {wait}.",
        "closed": "We have received your message. We are closed now and open again on {opens}.",
    },
}

_WAY_OUT: Final = {
    "it": "Per non ricevere più questi avvisi scrivi FERMA.",
    "en": "Send STOP to get no more of these notices.",
}


def is_worth_saying(wait_ms: int | None, settings: Followup) -> bool:
    """Whether a wait is known, long enough to be told and short enough to be believed."""
    return wait_ms is not None and settings.tell_wait_from_ms <= wait_ms <= WAIT_SAID_MAX_MS


def wait_text(fact: WaitExpected, promise: Promise, language: str, settings: Followup) -> str | None:
    """What is told to who waits; None where there is nothing true to tell."""
    words = _WORDS[language]
    if promise.opens_ms is not None:
        return words["closed"].format(opens=say_point(promise.opens_ms, language, promise.timezone))
    wait_ms = fact.expected_wait_ms
    if wait_ms is None or not is_worth_saying(wait_ms, settings):
        return None
    text = words["next" if fact.position == 1 else "place"]
    return text.format(position=fact.position, wait=say_wait(wait_ms, language))


def with_way_out(text: str | None, language: str, channel: str) -> str | None:
    """The text with the word by which its customer gets no more of them. Who chats on the site leaves it anyway."""
    if text is None or channel == Channel.WEBCHAT.value:
        return text
    return f"{text} {_WAY_OUT[language]}"


def notice_text(fact: CustomerNotice, language: str | None, settings: Followup) -> str | None:
    """A notice in the customer's language, else in the firm's first one that it is written in, else in any."""
    base = (language or "").partition("-")[0]
    for name in (base, *(one.partition("-")[0] for one in settings.languages), *fact.texts):
        if fact.texts.get(name):
            return fact.texts[name]
    return None


def plan_text(
    contact: Mapping[str, Any], settings: Followup, *, kind: str, told_today: int, bounced: bool, stopped: bool = False
) -> str | None:
    """The language to tell a contact something in; None where nothing is to be told. `told_today`: what its customer was told so within a
    day. `stopped`: the customer wants no automatic texts on the contact's channel.
    """
    channels = TOLD_CHANNELS if kind == KIND_WAIT else NOTICED_CHANNELS
    if (
        stopped
        or contact["channel"] not in channels
        or contact["automatic"]
        or bounced
        or told_today >= TEXTS_A_DAY_MAX
    ):
        return None
    address = mail_address(contact["handle"])
    if address is not None and is_no_reply(address):
        return None
    return choose_language(contact["language"], settings)


def compose_text(contact: Mapping[str, Any], message_id: str, text: str, at_ms: int) -> ReplyRequested:
    """The message as the senders need it: by nobody, and part of the customer's own mail thread where there is one."""
    mail = mail_address(contact["handle"]) is not None
    return ReplyRequested(
        message_id=message_id,
        contact_id=contact["contact_id"],
        thread_id=contact["thread_id"],
        pool=contact["pool"],
        account=contact["account"],
        channel=contact["channel"],
        handle=contact["handle"],
        agent_id="",
        requested_ms=at_ms,
        text=text,
        name=contact["name"],
        subject=contact["subject"] if mail else None,
        email_in_reply_to=contact["email_message_id"] if mail else None,
        email_references=tuple(str(contact["email_references"]).split()) if mail else (),
        automatic=True,
    )
