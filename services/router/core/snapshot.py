"""A pool's state as bytes, and back.

`freeze` copies the containers, which is quick, and shares what they contain, which never changes; the state goes on being changed while
`snapshot_chunks` encodes the frozen one piece by piece. `restore` reads the chunks in order and computes the index anew. Equal states
give equal bytes, so that `digest` tells whether two of them are the same.

Format: frames of a 4-byte big-endian length and a MessagePack array [kind, content], cut into chunks without regard to frames. The first
frame is the head, the last one counts what came between, so that a torn snapshot is not taken for a whole one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from libs.common.events.inputs import AnyHandover
from libs.common.events.pool import ChannelConfiguration, QueueConfiguration, RoutingRules
from services.router.core import limits
from services.router.core.entities import Agent, CalendarState, Contact, EndedOffer, Forwarding, Offer, Pace
from services.router.core.last_agents import LastAgents
from services.router.core.model import PoolState, rebuilding_index
from services.router.core.requests import Joined
from services.router.core.window import Window

FORMAT: Final = 1

_PIECE: Final = 200  # Items in one frame; encoding as many takes well under a millisecond.
_LENGTH_BYTES: Final = 4

_Buckets = dict[int, list[str]]
_T = TypeVar("_T")


class SnapshotUnreadableError(Exception):
    """The bytes are no snapshot of this pool, not of this format, or not all of one."""


class _Head(msgspec.Struct, frozen=True, array_like=True):
    format: int
    pool: str
    version: str | None
    now_ms: int
    arrivals: int
    offers_made: int
    channel_targets_ms: dict[str, int]
    channels: tuple[ChannelConfiguration, ...] = ()
    rules: RoutingRules = RoutingRules()
    heard_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSource:
    """A state as it was when it was frozen. It belongs to whoever froze it and may be encoded in another thread."""

    head: _Head
    queues: tuple[QueueConfiguration, ...]
    calendars: tuple[CalendarState, ...]
    agents: dict[str, Agent]
    contacts: dict[str, Contact]
    offers: dict[str, Offer]
    windows: dict[str, _Buckets]
    ended_offers: dict[int, dict[str, EndedOffer]]
    last_agents: dict[int, dict[str, str]]
    paces: dict[str, Pace]
    drains: dict[str, str | None]
    forwarded: dict[str, Forwarding]
    outbox: dict[str, AnyHandover]
    requests: dict[str, Joined]


# What a frame holds, by kind. The kinds are part of the format.
_HEAD: Final = 0
_QUEUES: Final = 1
_AGENTS: Final = 2
_CONTACTS: Final = 3
_OFFERS: Final = 4
_WINDOW: Final = 5
_ENDED_OFFERS: Final = 6
_END: Final = 7
_CALENDARS: Final = 8
_LAST_AGENTS: Final = 9
_PACES: Final = 10
_DRAINS: Final = 11
_FORWARDED: Final = 12
_OUTBOX: Final = 13
_REQUESTS: Final = 14
_BESIDE_CONTACTS: Final = (_FORWARDED, _OUTBOX, _REQUESTS)

_CONTENT: Final[dict[int, Any]] = {
    _HEAD: _Head,
    _QUEUES: list[QueueConfiguration],
    _AGENTS: list[Agent],
    _CONTACTS: list[Contact],
    _OFFERS: list[Offer],
    _WINDOW: tuple[str, int, list[str]],
    _ENDED_OFFERS: tuple[int, dict[str, EndedOffer]],
    _END: int,
    _CALENDARS: list[CalendarState],
    _LAST_AGENTS: tuple[int, dict[str, str]],
    _PACES: list[Pace],
    _DRAINS: dict[str, str | None],
    _FORWARDED: list[tuple[str, Forwarding]],
    _OUTBOX: list[tuple[str, AnyHandover]],
    _REQUESTS: list[tuple[str, Joined]],
}
# By name, and how long each keeps its ids.
_WINDOWS: Final = {
    "messages": limits.MESSAGES_KEPT_MS,
    "commands": limits.COMMANDS_KEPT_MS,
    "resolved": limits.RESOLVED_KEPT_MS,
}

# MessagePack text that is no UTF-8 raises an error of its own.
_DAMAGES: Final = (msgspec.DecodeError, UnicodeDecodeError)

_encoder: Final = msgspec.msgpack.Encoder(order="sorted")
_decoders: Final = {kind: msgspec.msgpack.Decoder(content) for kind, content in _CONTENT.items()}
_frame_decoder: Final = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])


def freeze(state: PoolState) -> SnapshotSource:
    """The state as it is now, whatever happens to it afterwards."""
    return run_to_the_end(freezing(state))


def freezing(state: PoolState) -> Generator[None, None, SnapshotSource]:
    """`freeze` in a few slices, each the shallow copy of one container. The state must not change in between."""
    # `copy` takes over a dict's table as it is, where `dict()` would insert every entry anew after deletions.
    ended_offers = dict(state.ended_offers)
    if ended_offers:
        newest = next(reversed(ended_offers))
        ended_offers[newest] = dict(ended_offers[newest])
    yield
    agents = state.agents.copy()
    yield
    contacts = state.contacts.copy()
    yield
    offers = state.offers.copy()
    yield
    windows = {}
    for name in _WINDOWS:
        windows[name] = getattr(state, name).frozen_buckets()
        yield
    last_agents = state.last_agents.frozen_buckets()
    paces = state.paces.copy()
    yield
    forwarded = state.forwarded.copy()
    outbox = state.outbox.copy()
    requests = state.requests.by_contact.copy()
    yield
    return SnapshotSource(
        head=_Head(
            FORMAT,
            state.pool,
            state.version,
            state.now_ms,
            state.arrivals,
            state.offers_made,
            state.channel_targets_ms,
            tuple(state.channels.values()),
            state.rules,
            state.heard_ms,
        ),
        queues=tuple(state.queues.values()),
        calendars=tuple(state.calendars.values()),
        agents=agents,
        contacts=contacts,
        offers=offers,
        windows=windows,
        ended_offers=ended_offers,
        last_agents=last_agents,
        paces=paces,
        drains=dict(state.drains),
        forwarded=forwarded,
        outbox=outbox,
        requests=requests,
    )


def snapshot_chunks(source: SnapshotSource, size: int) -> Iterator[bytes]:
    """The snapshot in chunks of `size` bytes (the last one may be shorter). Each is made when it is asked for."""
    assert size > 0, "a chunk holds something"
    buffer = bytearray()
    for frame in _frames(source):
        buffer += frame
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)


def restore(pool: str, chunks: Iterable[bytes]) -> PoolState:
    """The state that was frozen. Raises SnapshotUnreadableError where the chunks are not one whole snapshot of this pool."""
    return run_to_the_end(restoring(pool, chunks))


def restoring(pool: str, chunks: Iterable[bytes]) -> Generator[None, None, PoolState]:
    """`restore` in slices of some hundred entities."""
    state = PoolState(pool=pool)
    windows: dict[str, _Buckets] = {name: {} for name in _WINDOWS}
    last_agents: dict[int, dict[str, str]] = {}
    count = 0
    ended = False
    for kind, raw in _read_frames(chunks):
        if ended or (kind == _HEAD) != (count == 0) or kind not in _decoders:
            raise SnapshotUnreadableError(f"frame {count} of kind {kind} is out of place")
        try:
            content = _decoders[kind].decode(raw)
        except _DAMAGES as error:
            raise SnapshotUnreadableError(f"frame {count} of kind {kind}: {error}") from error
        if kind == _END:
            ended = content == count
        elif kind == _LAST_AGENTS:
            last_agents.setdefault(content[0], {}).update(content[1])
        else:
            _take(state, windows, kind, content)
        count += 1
        yield
    if not ended:
        raise SnapshotUnreadableError(f"the snapshot ends after {count} frames")
    for name, kept_ms in _WINDOWS.items():
        window = Window(kept_ms)
        for number, ids in windows[name].items():
            window.put_bucket(number, ids)
            yield
        setattr(state, name, window)
    state.last_agents = LastAgents(last_agents.items())
    yield
    yield from rebuilding_index(state)
    return state


def run_to_the_end(work: Generator[None, None, _T]) -> _T:
    """The result of something that is done in slices, with nothing in between."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: _T = end.value
            return result


def digest(state: PoolState) -> str:
    """A number in hexadecimal that is the same for equal states, on any machine, and otherwise different but for a chance of 2^-120.

    Not against somebody who wants two states to look alike: it is the remainder of the snapshot by the prime 2^127 - 1.
    """
    whole = b"".join(_frames(freeze(state), ordered=True))
    return f"{int.from_bytes(whole, 'big') % ((1 << 127) - 1):032x}"


def state_equal(one: PoolState, other: PoolState) -> bool:
    """Whether two states are the same in everything that decides. The order in which contacts, offers and agents are held does not."""
    return list(_frames(freeze(one), ordered=True)) == list(_frames(freeze(other), ordered=True))


def _frames(source: SnapshotSource, *, ordered: bool = False) -> Iterator[bytes]:
    count = 0
    for kind, content in _contents(source, ordered=ordered):
        yield _frame(kind, content)
        count += 1
    yield _frame(_END, count)


def _frame(kind: int, content: Any) -> bytes:
    data = _encoder.encode((kind, content))
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _contents(source: SnapshotSource, *, ordered: bool) -> Iterator[tuple[int, Any]]:
    yield _HEAD, source.head
    yield from ((_QUEUES, piece) for piece in _pieces(source.queues))
    yield from ((_CALENDARS, piece) for piece in _pieces(source.calendars))
    if source.drains:
        yield _DRAINS, source.drains
    held: tuple[tuple[int, dict[str, Any]], ...] = (
        (_AGENTS, source.agents),
        (_CONTACTS, source.contacts),
        (_OFFERS, source.offers),
        (_PACES, source.paces),
    )
    for kind, entities in held:
        values = [entities[key] for key in sorted(entities)] if ordered else list(entities.values())
        yield from ((kind, piece) for piece in _pieces(values))
    for name, buckets in source.windows.items():
        for number, ids in buckets.items():
            yield from ((_WINDOW, (name, number, piece)) for piece in _pieces(ids))
    for number, bucket in source.ended_offers.items():
        yield from ((_ENDED_OFFERS, (number, piece)) for piece in _parts(bucket))
    # In their order also where the rest stands in that of the ids: what comes first goes first, and is forgotten first.
    yield from ((_FORWARDED, piece) for piece in _pieces(list(source.forwarded.items())))
    yield from ((_OUTBOX, piece) for piece in _pieces(list(source.outbox.items())))
    requests = sorted(source.requests.items()) if ordered else list(source.requests.items())
    yield from ((_REQUESTS, piece) for piece in _pieces(requests))
    for number, agents in source.last_agents.items():
        yield from ((_LAST_AGENTS, (number, piece)) for piece in _parts(agents))


def _parts(items: dict[str, _T]) -> Iterator[dict[str, _T]]:
    left = iter(items.items())
    while part := dict(islice(left, _PIECE)):
        yield part


def _pieces(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), _PIECE):
        yield items[start : start + _PIECE]


def _read_frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, msgspec.Raw]]:
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        start = 0
        while len(buffer) - start >= _LENGTH_BYTES:
            length = int.from_bytes(buffer[start : start + _LENGTH_BYTES], "big")
            end = start + _LENGTH_BYTES + length
            if end > len(buffer):
                break
            try:
                yield _frame_decoder.decode(bytes(buffer[start + _LENGTH_BYTES : end]))
            except _DAMAGES as error:
                raise SnapshotUnreadableError(f"a frame cannot be read: {error}") from error
            start = end
        del buffer[:start]
    if buffer:
        raise SnapshotUnreadableError(f"{len(buffer)} bytes are left over after the last whole frame")


def _take(state: PoolState, windows: dict[str, _Buckets], kind: int, content: Any) -> None:
    if kind == _HEAD:
        _take_head(state, content)
    elif kind == _QUEUES:
        state.queues.update((queue.id, queue) for queue in content)
    elif kind == _CALENDARS:
        state.calendars.update((calendar.id, calendar) for calendar in content)
    elif kind == _DRAINS:
        state.drains.update(content)
    elif kind == _AGENTS:
        state.agents.update((agent.id, agent) for agent in content)
    elif kind == _CONTACTS:
        state.contacts.update((contact.id, contact) for contact in content)
    elif kind == _OFFERS:
        state.offers.update((offer.id, offer) for offer in content)
    elif kind == _PACES:
        state.paces.update((pace.queue, pace) for pace in content)
    elif kind in _BESIDE_CONTACTS:
        _take_beside_contacts(state, kind, content)
    elif kind == _WINDOW:
        name, number, ids = content
        if name not in windows:
            raise SnapshotUnreadableError("a window of ids has an unknown name")
        windows[name].setdefault(number, []).extend(ids)
    else:
        number, bucket = content
        state.ended_offers.setdefault(number, {}).update(bucket)


def _take_beside_contacts(state: PoolState, kind: int, content: Any) -> None:
    if kind == _OUTBOX:
        state.outbox.update(content)
        return
    if kind == _REQUESTS:
        for contact_id, joined in content:
            state.requests.put(contact_id, joined)
        return
    for thread_id, forwarding in content:
        state.forwarded[thread_id] = forwarding
        state.forwarded_threads[forwarding.contact_id] = thread_id


def _take_head(state: PoolState, head: _Head) -> None:
    if head.format != FORMAT:
        raise SnapshotUnreadableError(f"format {head.format}, not {FORMAT}")
    if head.pool != state.pool:
        raise SnapshotUnreadableError(f"a snapshot of pool {head.pool}, not {state.pool}")
    state.version = head.version
    state.now_ms = head.now_ms
    state.arrivals = head.arrivals
    state.offers_made = head.offers_made
    state.channel_targets_ms = head.channel_targets_ms
    state.channels = {channel.id: channel for channel in head.channels}
    state.rules = head.rules
    state.heard_ms = head.heard_ms
