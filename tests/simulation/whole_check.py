"""What must be true of the whole when all is quiet: the view is what the log says, every resolve has one mail or one word why not.

Everything is read at one moment: from the log and from the database files, beside the services.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from libs.common.clock import Clock
from libs.common.errors import PoisonError
from libs.common.events.codec import decode_event
from libs.common.events.followup import FollowUpFailed, FollowUpScheduled, FollowUpSent, FollowUpSuppressed
from libs.common.events.outbound import ReplyRequested
from libs.common.events.routing import ContactQueued, ContactResolved, CustomerNotice, WaitExpected
from libs.common.ids import automatic_text_id, mail_effect_id
from libs.common.log import streams
from libs.common.log.fence import Fence
from libs.common.log.memory import MemoryLog
from libs.common.log.port import Record
from libs.common.outbox import REASON_UNKNOWN
from services.agent_api.store import tables
from services.agent_api.tailer import FOLLOWED
from services.agent_api.view import Advance, Place, Reading, apply_batch
from tests.simulation.connection import Sky
from tests.simulation.database import StoreLine
from tests.simulation.desktop import Desktop
from tests.simulation.history import require
from tests.simulation.installation import POOLS
from tests.simulation.mail import MailBox
from tests.simulation.process import Process
from tests.simulation.stores import AGENT_API, Row, Stores
from tests.simulation.trouble import Troubles
from tests.support.history import read_records

# What differs between a view that grew and one that was built at once, and why.
_ITS_OWN: Final[dict[str, frozenset[str]]] = {
    # When supervisors were told, and whether they are to be told.
    "agent_queues": frozenset({"changed", "announced_ms"}),
    # A request wrote down when it came and what it asked; the log knows when the command was appended.
    "agent_commands": frozenset({"asked_ms", "digest"}),
}
# The customer who stops the automatic texts by sms.
STOPPING: Final = 2
# Compared by themselves (frames), or holding what the log does not know.
_APART: Final = frozenset({"agent_view_state", "agent_frames", "agent_positions"})
_ANNOUNCED: Final = "queue.changed"  # How often depends on when.
_OUTCOMES: Final = (FollowUpSent, FollowUpFailed, FollowUpSuppressed)


class Whole(Protocol):
    """What the checks need of their world."""

    log: MemoryLog
    clock: Any
    sky: Sky
    folder: Path
    stores: Stores
    templates: Stores
    box: MailBox
    desktops: dict[str, Desktop]


async def check_stores(world: Whole) -> int:
    """All of it; how many customers were told by a text how long they have to wait. Raises AssertionError."""
    records = {stream: await _admitted(world.log, stream) for stream in FOLLOWED}
    live = {table.name: world.stores.table(AGENT_API, table) for table in tables.metadata.sorted_tables}
    taken = list(world.box.taken)
    seen = {pool: (desktop.begun_after, tuple(desktop.frames)) for pool, desktop in world.desktops.items()}
    facts = [decode_event(record) for record in records[streams.ROUTING_EVENTS]]
    said = [decode_event(record) for record in records[streams.FOLLOWUP_EVENTS]]
    check_mails(facts, said, taken)
    check_frames(live["agent_frames"], live["agent_view_state"][0]["frame_seq"], seen)
    check_view(live, await _rebuild(world, records))
    return check_texts(facts, [decode_event(record) for record in records[streams.OUTBOUND_MESSAGES]])


async def _admitted(log: MemoryLog, stream: str) -> list[Record]:
    fences: defaultdict[int, Fence] = defaultdict(lambda: Fence(None))
    return [
        record
        for record in await read_records(log, stream)
        if stream != streams.ROUTING_EVENTS or fences[record.partition].admit(record)
    ]


def check_mails(facts: list[Any], said: list[Any], taken: list[tuple[str, str]]) -> None:
    """Each resolve has exactly one outcome, each acknowledgement too, and no mail was taken twice or against its outcome."""
    outcomes: dict[str, Any] = {}
    scheduled: set[str] = set()
    for event in said:
        if isinstance(event, FollowUpScheduled):
            scheduled.add(event.effect_id)
        else:
            # Said again after a crash, in the same words.
            known = outcomes.setdefault(event.effect_id, event)
            require(known == event, f"mail {event.effect_id} came to {known} and to {event}")
    resolved = {mail_effect_id("follow-up", fact.contact_id) for fact in facts if isinstance(fact, ContactResolved)}
    queued = {mail_effect_id("acknowledgement", fact.contact_id) for fact in facts if isinstance(fact, ContactQueued)}
    require(resolved <= outcomes.keys(), f"resolved and no word of a mail: {sorted(resolved - outcomes.keys())[:3]}")
    require(outcomes.keys() <= resolved | queued, "a mail that nothing asked for")
    require(scheduled <= outcomes.keys(), f"announced and no outcome: {sorted(scheduled - outcomes.keys())[:3]}")
    for effect_id, outcome in outcomes.items():
        require(isinstance(outcome, _OUTCOMES), f"{effect_id}: {outcome} is no outcome")
        unsaid = effect_id not in scheduled and not isinstance(outcome, FollowUpSuppressed)
        require(not unsaid, f"{effect_id} was never announced")
    count = Counter(message_id for _, message_id in taken)
    require(not count or max(count.values()) == 1, f"taken twice: {count.most_common(1)}")
    by_effect = {message_id.strip("<>").partition("@")[0]: message_id for message_id in count}
    for effect_id, outcome in outcomes.items():
        if isinstance(outcome, FollowUpSent):
            require(effect_id in by_effect, f"{effect_id} is said to be sent, and the mail server has no such mail")
        elif getattr(outcome, "reason", None) != REASON_UNKNOWN:
            require(effect_id not in by_effect, f"{effect_id} was taken, and is said to be {outcome}")
    require(by_effect.keys() <= outcomes.keys(), "a mail without an outcome")


def check_texts(facts: list[Any], outbound: list[Any]) -> int:
    """Every automatic text follows from a fact, is the same however often it was published, and goes to nobody who stopped them; how many
    say how long somebody has to wait.
    """
    told = [event for event in outbound if isinstance(event, ReplyRequested) and event.automatic]
    known: dict[str, ReplyRequested] = {}
    for text in told:
        require(known.setdefault(text.message_id, text) == text, f"text {text.message_id} differs from its first copy")
        stopped = text.channel == "sms" and text.handle in {f"tel:+39333{len(pool)}{STOPPING}" for pool in POOLS}
        require(not stopped, f"text {text.message_id} goes to somebody who stopped them")
    waits = {automatic_text_id("wait", fact.contact_id) for fact in facts if isinstance(fact, WaitExpected)}
    notices = {
        automatic_text_id("notice", fact.contact_id, fact.cause, str(fact.notice))
        for fact in facts
        if isinstance(fact, CustomerNotice)
    }
    require(known.keys() <= waits | notices, "a text that nothing asked for")
    return len(known.keys() & waits)


def check_frames(
    frames: list[Row], frame_seq: int, seen: dict[str, tuple[int | None, tuple[tuple[int, str], ...]]]
) -> None:
    """Frames have no gap, and every desktop saw those of its pool once and in order, over all its connections."""
    require([frame["seq"] for frame in frames] == list(range(1, frame_seq + 1)), "the frames have gaps")
    for pool, (begun_after, shown) in seen.items():
        if begun_after is None:
            continue
        last = shown[-1][0] if shown else begun_after
        due = [
            (frame["seq"], frame["body"])
            for frame in frames
            if frame["pool"] == pool and begun_after < frame["seq"] <= last
        ]
        require(list(shown) == due, f"the desktop of {pool} was not shown what happened")


def check_view(live: dict[str, list[Row]], rebuilt: dict[str, list[Row]]) -> None:
    """The view that grew through everything is the one that the log gives."""
    for name in live.keys() - _APART:
        own = _ITS_OWN.get(name, frozenset())
        old, new = (
            {json.dumps({key: value for key, value in row.items() if key not in own}, sort_keys=True) for row in rows}
            for rows in (live[name], rebuilt[name])
        )
        if name == "agent_commands":
            # A request that died before its append: nobody knows of it but this row.
            asked = {row["command_id"] for row in rebuilt[name]}
            old = {row for row in old if json.loads(row)["command_id"] in asked}
        require(
            old == new, f"{name}: only in the view {sorted(old - new)[:2]}, only on the log {sorted(new - old)[:2]}"
        )
    shown, due = (
        Counter(_plain(frame) for frame in frames["agent_frames"] if _is_of_facts(frame)) for frames in (live, rebuilt)
    )
    require(shown == due, f"frames: only shown {list(shown - due)[:2]}, only due {list(due - shown)[:2]}")


def _is_of_facts(frame: Row) -> bool:
    """Whether facts alone say when a frame is told and what it says. Texts stand on a stream that has no common order with them."""
    return frame["type"] != _ANNOUNCED and json.loads(frame["body"]).get("change") != "reply"


def _plain(frame: Row) -> str:
    """A frame without its number."""
    body = json.loads(frame["body"])
    del body["cursor"]
    return json.dumps([frame["pool"], frame["agent_id"], frame["type"], frame["at_ms"], body], sort_keys=True)


async def _rebuild(world: Whole, records: dict[str, list[Record]]) -> dict[str, list[Row]]:
    """The view's tables, folded anew in one transaction."""
    folder = world.folder / f"rebuilt-{world.clock.now_ms()}"
    stores = world.templates.copy_to(folder)
    line = StoreLine(Process("rebuilding"), world.sky, Troubles(), folder / AGENT_API)
    engine = line.open_engine()
    readings = []
    # As a tailer reads them: stream by stream, and each in the order in which it was written.
    told = (record for stream in FOLLOWED for record in sorted(records[stream], key=lambda one: one.timestamp_ms))
    for record in told:
        # Rubbish is a dead letter to everybody.
        with suppress(PoisonError):
            readings.append(Reading(record=record, event=decode_event(record)))
    advances: dict[Place, Advance] = {}
    for reading in readings:
        place = (reading.record.stream, reading.record.partition)
        advances[place] = Advance(from_offset=0, next_offset=reading.record.offset + 1)
    clock: Clock = world.clock
    async with engine.write_plain() as session:
        await apply_batch(session, readings, advances, now_ms=clock.now_ms(), seen_seq=0, awaited=())
    await engine.dispose()
    return {table.name: stores.table(AGENT_API, table) for table in tables.metadata.sorted_tables}
