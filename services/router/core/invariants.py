"""What must be true of a pool's state after every fact, and what besides once it is settled.

`check` looks at everything and is slow; tests and the simulation call it after every step, the shell after restoring. It changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.router.core import limits
from services.router.core.calendars import next_turn_ms
from services.router.core.capability import numbers_of
from services.router.core.entities import Contact, Presence
from services.router.core.evictions import find_eviction
from services.router.core.expectation import paced
from services.router.core.index import Index
from services.router.core.matching import eligible_profiles
from services.router.core.model import PoolState, build_index
from services.router.core.overflow_times import overflow_due
from services.router.core.strategies import AgentOrder
from services.router.core.transitions import JOINABLE, OVER, WITH_AGENT, ContactState


class InvariantBrokenError(AssertionError):
    """The state is not one that the facts can lead to."""


def check(state: PoolState, *, settled_at_ms: int | None = None) -> None:
    """Raise InvariantBrokenError where something is not as it must be.

    `settled_at_ms`: the state was settled for this time, so that nothing may be due, nothing be held that must not be, and no waiting
    contact have an eligible agent with room.
    """
    _check_contacts(state)
    _check_offers(state)
    _check_agents(state)
    _check_drains(state)
    _check_windows(state)
    _check_forwarded(state)
    _check_requests(state)
    _check_index(state)
    if settled_at_ms is not None:
        _check_settled(state, max(settled_at_ms, state.now_ms))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvariantBrokenError(message)


def _check_contacts(state: PoolState) -> None:
    threads: dict[str, str] = {}
    sequences: dict[int, str] = {}
    for key, contact in state.contacts.items():
        _require(key == contact.id, f"contact {contact.id} is filed under {key}")
        _require(contact.state not in OVER, f"contact {contact.id} is {contact.state} and still there")
        _require(
            contact.state is ContactState.HELD or not (contact.frees_room or contact.awaited),
            f"contact {contact.id} is {contact.state} and counts as held",
        )
        _require(
            not contact.consults
            or (contact.state in {ContactState.ACTIVE, ContactState.HELD} and contact.agent_id not in contact.consults),
            f"contact {contact.id} is {contact.state} and looked at by {contact.consults}",
        )
        _require(
            (contact.state is ContactState.ABANDONED) == (contact.resumable_until_ms != 0),
            f"contact {contact.id} is {contact.state} and resumable until {contact.resumable_until_ms}",
        )
        _require(
            (contact.agent_id is not None) == (contact.state in WITH_AGENT),
            f"contact {contact.id} is {contact.state} and with {contact.agent_id}",
        )
        _require(
            contact.agent_id is None or contact.agent_id in state.agents,
            f"contact {contact.id} is with {contact.agent_id}, who is not there",
        )
        _require(
            (contact.offer_id is not None) == (contact.state is ContactState.OFFERED),
            f"contact {contact.id} is {contact.state} with offer {contact.offer_id}",
        )
        _require(
            (contact.wrap_up is not None) == (contact.state is ContactState.WRAP_UP),
            f"contact {contact.id} is {contact.state} with wrap-up {contact.wrap_up is not None}",
        )
        _require(
            1 <= contact.sequence <= state.arrivals and contact.sequence not in sequences,
            f"contact {contact.id} has the arrival number {contact.sequence}",
        )
        sequences[contact.sequence] = contact.id
        _require(
            len({decline.agent_id for decline in contact.declines})
            == len(contact.declines)
            <= limits.DECLINES_PER_CONTACT_MAX,
            f"contact {contact.id} has declines that are too many or double",
        )
        _require(
            contact.state is not ContactState.SCHEDULED or contact.callback is not None,
            f"contact {contact.id} is scheduled for nothing",
        )
        if contact.state in JOINABLE:
            _require(contact.thread_id not in threads, f"thread {contact.thread_id} has two open contacts")
            threads[contact.thread_id] = contact.id


def _check_offers(state: PoolState) -> None:
    for key, offer in state.offers.items():
        _require(key == offer.id, f"offer {offer.id} is filed under {key}")
        contact = state.contacts.get(offer.contact_id)
        _require(
            contact is not None and contact.offer_id == offer.id and contact.agent_id == offer.agent_id,
            f"offer {offer.id} and its contact do not agree",
        )
    offered = sum(contact.state is ContactState.OFFERED for contact in state.contacts.values())
    _require(offered == len(state.offers), f"{offered} contacts are offered by {len(state.offers)} offers")


def _check_agents(state: PoolState) -> None:
    for key, agent in state.agents.items():
        _require(key == agent.id, f"agent {agent.id} is filed under {key}")
        _require(
            all(limits.LEVEL_MIN <= level <= limits.LEVEL_MAX for level in agent.skills.values()),
            f"agent {agent.id} has a level out of bounds",
        )
        _require(agent.idle_since_ms <= state.now_ms, f"agent {agent.id} is idle since a time to come")
        _require(agent.seen_ms <= state.now_ms, f"agent {agent.id} was seen at a time to come")
    _require(len(state.agents) == len(state.index.desks), "agents and desks are not the same number")


def _check_drains(state: PoolState) -> None:
    for queue, to in state.drains.items():
        _require(queue in state.queues, f"queue {queue} is drained and not there")
        _require(to is None or (to in state.queues and to not in state.drains), f"queue {queue} is drained to {to}")


def _check_windows(state: PoolState) -> None:
    for window in (state.messages, state.commands, state.resolved):
        numbers = list(window.buckets)
        _require(numbers == sorted(numbers), "the buckets of a window are not in the order of time")
        ids = [seen_id for bucket in window.buckets.values() for seen_id in bucket]
        _require(len(ids) == len(window) and all(seen in window for seen in ids), "a window and its buckets differ")


def _check_index(state: PoolState) -> None:
    live = state.index
    anew = build_index(state, live.now_ms)
    for name in ("presences", "threads", "abandoned", "closed", "named", "unflagged"):
        _same(name, getattr(live, name), getattr(anew, name))
    _same("drained queues", live.moving.targets, anew.moving.targets)
    _same("contacts to move", list(live.moving.contacts), list(anew.moving.contacts))
    _same("numbers to call", live.callbacks.contacts, anew.callbacks.contacts)
    _same("watched agents", live.watch.seen_ms, anew.watch.seen_ms)
    _same("terms", live.terms.strategy_by_queue, anew.terms.strategy_by_queue)
    _same("orders", list(live.orders), list(anew.orders))
    for strategy, order in live.orders.items():
        fresh_order = anew.orders[strategy]
        _same(f"order {strategy}", list(order.keys), list(fresh_order.keys))
        _same(f"places in the order {strategy}", order.placed, fresh_order.placed)
        _same(f"off shift in the order {strategy}", live.off_shift[strategy].placed, anew.off_shift[strategy].placed)
        _same(f"peers in the order {strategy}", _peers(order), _peers(fresh_order))
    _same("waiting classes", _classes(live), _classes(anew))
    _same("heads", _heads(live), _heads(anew))
    _same("who was not told", sorted(live.lines.untold), sorted(anew.lines.untold))
    _same("lines", live.lines.keys(), anew.lines.keys())
    _same("agents on duty", sorted(live.lines.on_duty()), sorted(anew.lines.on_duty()))
    for agent_id, desk in live.desks.items():
        fresh = anew.desks[agent_id]
        _same(f"work of {agent_id}", sorted(desk.work), sorted(fresh.work))
        _same(f"held by {agent_id}", sorted(desk.held), sorted(fresh.held))
        _same(f"awaited by {agent_id}", sorted(desk.awaited), sorted(fresh.awaited))
        _same(f"loads of {agent_id}", desk.loads, fresh.loads)
        _same(f"offers of {agent_id}", desk.offers_open, fresh.offers_open)
        _same(f"availability of {agent_id}", desk.available, fresh.available)
        _same(f"skills of {agent_id}", desk.skills, fresh.skills)
    for channel in live.rooms:
        vacancies = live.room(channel)
        if live.capability.shared:
            profiles = list(numbers_of(vacancies.profiles))
            _same(f"profiles with room on {channel}", profiles, sorted(vacancies.members))
        room = sorted(vacancies)
        _same(f"room on {channel}", room, sorted(anew.room(channel)))
        with_room = sorted(agent_id for agent_id, desk in live.desks.items() if channel in desk.room)
        _same(f"room on {channel} by desk", with_room, room)
    missing = [timer for timer in anew.timers if timer not in live.timers]
    _require(not missing, f"timers {missing} are missing")


def _check_forwarded(state: PoolState) -> None:
    threads = {forwarding.contact_id: thread_id for thread_id, forwarding in state.forwarded.items()}
    _require(threads == state.forwarded_threads, "forwarded contacts and their threads do not agree")
    for contact_id in threads:
        _require(contact_id not in state.contacts, f"contact {contact_id} was forwarded and is still there")
    for handover_id, handover in state.outbox.items():
        _require(handover.pool != state.pool, f"{handover_id} is for this pool itself")
    for contact in state.contacts.values():
        _require(state.pool not in contact.passed, f"contact {contact.id} came back to a pool that forwarded it")


def _check_requests(state: PoolState) -> None:
    requests = state.requests
    for contact_id, joined in requests.by_contact.items():
        _require(contact_id in state.contacts, f"requests joined contact {contact_id}, which is not there")
        known = 0 < len(joined.ids) <= limits.REQUESTS_PER_CONTACT_MAX
        _require(known, f"{len(joined.ids)} requests joined contact {contact_id}")
        for request in joined.ids:
            _require(requests.find(request) == contact_id, f"request {request} and contact {contact_id} do not agree")
    ids = sum(len(joined.ids) for joined in requests.by_contact.values())
    _require(ids == len(requests), f"{len(requests)} requests are known, {ids} joined contacts")


def _same(name: str, live: Any, anew: Any) -> None:
    _require(live == anew, f"index, {name}: {live!r} instead of {anew!r}")


def _peers(order: AgentOrder) -> list[list[Any]]:
    # The masks depend on the order in which skills were met; who belongs together does not.
    return sorted(list(keys) for keys in order.peers.values() if keys)


def _classes(index: Index) -> dict[Any, list[Any]]:
    return {key: list(group.contacts) for key, group in index.waiting.classes.items()}


def _heads(index: Index) -> dict[str, dict[Any, list[Any]]]:
    return {
        channel: {anchor: list(keys) for anchor, keys in anchors.items()}
        for channel, anchors in index.waiting.heads.items()
    }


def _check_settled(state: PoolState, now_ms: int) -> None:
    for offer in state.offers.values():
        _require(offer.expires_ms > now_ms, f"offer {offer.id} has run out")
    for calendar in state.calendars.values():
        turn_ms = next_turn_ms(calendar)
        _require(turn_ms is None or turn_ms > now_ms, f"calendar {calendar.id} is to be turned")
    for agent in state.agents.values():
        _require(not agent.removed, f"agent {agent.id} is removed and still there")
        _require(find_eviction(state, agent, now_ms) is None, f"agent {agent.id} holds what he must not")
        offers = sum(state.contacts[contact_id].offer_id is not None for contact_id in state.index.desks[agent.id].work)
        _require(agent.presence is Presence.AVAILABLE or offers == 0, f"agent {agent.id} is away and has offers")
    _require(not state.index.lines.untold, f"it was not said that {list(state.index.lines.untold)} wait")
    for queue in state.paces:
        _require(paced(state, queue, now_ms) is None, f"it was not said how fast queue {queue} moves on")
    _require(not state.index.moving.contacts, f"contacts {list(state.index.moving.contacts)} wait in drained queues")
    _require(not state.index.unflagged, f"nobody was told about {list(state.index.unflagged)}")
    _check_nothing_to_offer(state, state.contacts.values(), now_ms)


def _check_nothing_to_offer(state: PoolState, contacts: Iterable[Contact], now_ms: int) -> None:
    anew = build_index(state, now_ms)
    for contact in contacts:
        if contact.wrap_up is not None:
            _require(not 0 < contact.wrap_up.until_ms <= now_ms, f"the wrap-up of contact {contact.id} is over")
        if contact.state is ContactState.SCHEDULED and contact.callback is not None:
            _require(contact.callback.not_before_ms > now_ms, f"contact {contact.id} is to be called back")
        if contact.state is ContactState.ABANDONED:
            _require(contact.resumable_until_ms > now_ms, f"the time of abandoned contact {contact.id} is over")
        if contact.state is ContactState.QUEUED:
            due = overflow_due(contact, anew.terms, state.calendars)
            _require(due is None or due[0] > now_ms, f"contact {contact.id} waits on though it overflows")
            profiles = eligible_profiles(anew, anew.waiting.by_contact[contact.id])
            _require(profiles == 0, f"contact {contact.id} waits though there are agents who could take it")
