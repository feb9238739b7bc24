"""The checks themselves: a state that was tampered with is found out, whatever was changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from libs.common.testing.builders import START_MS, a_queue, an_agent
from services.router.core.entities import Decline, Offer, Presence
from services.router.core.invariants import InvariantBrokenError, check
from services.router.core.model import PoolState, rebuild_index
from services.router.core.transitions import ContactState
from tests.unit.router.pool import Pool, a_pool


def a_pool_at_work() -> Pool:
    """`con_1` active with anna, `con_2` offered to bruno, `con_3` and `con_4` waiting, `con_5` in wrap-up with carla."""
    pool = a_pool("anna", "bruno", an_agent("carla", skills={"it": 1}), queue=a_queue("orders", wrap_up_ms=9_000))
    pool.active("anna", 1)
    pool.active("carla", 5, skills={"it": 1})
    pool.resolve("carla", "con_5")
    pool.receive(2)
    pool.receive(3)
    pool.receive(4)
    return pool


def change(pool: PoolState, contact_id: str, **fields: object) -> None:
    pool.contacts[contact_id] = replace(pool.contacts[contact_id], **fields)


def misfile_contact(state: PoolState) -> None:
    state.contacts["con_x"] = state.contacts.pop("con_3")


def lose_an_offer(state: PoolState) -> None:
    state.offers.clear()


def offer_twice(state: PoolState) -> None:
    state.offers["off_9"] = Offer("off_9", "con_1", "bruno", START_MS)


def assign_without_an_agent(state: PoolState) -> None:
    change(state, "con_1", agent_id=None)


def assign_to_nobody(state: PoolState) -> None:
    change(state, "con_1", agent_id="nobody")


def keep_a_resolved_contact(state: PoolState) -> None:
    change(state, "con_1", state=ContactState.RESOLVED)


def wrap_up_for_ever(state: PoolState) -> None:
    change(state, "con_5", wrap_up=None)


def count_arrivals_wrongly(state: PoolState) -> None:
    change(state, "con_3", sequence=99)


def arrive_twice(state: PoolState) -> None:
    change(state, "con_3", sequence=state.contacts["con_4"].sequence)


def open_a_thread_twice(state: PoolState) -> None:
    change(state, "con_3", thread_id=state.contacts["con_4"].thread_id)


def decline_twice(state: PoolState) -> None:
    change(state, "con_3", declines=(Decline("anna", 1, 0), Decline("anna", 2, 0)))


def idle_since_tomorrow(state: PoolState) -> None:
    state.agents["anna"] = replace(state.agents["anna"], idle_since_ms=START_MS * 2)


def forget_a_bucket(state: PoolState) -> None:
    state.messages.buckets.clear()


def change_rank_behind_the_index(state: PoolState) -> None:
    change(state, "con_3", due_ms=1)


def change_presence_behind_the_index(state: PoolState) -> None:
    state.agents["bruno"] = replace(state.agents["bruno"], presence=Presence.BREAK)


def take_room_behind_the_index(state: PoolState) -> None:
    state.index.desks["anna"].loads["email"] = 2


def lose_a_timer(state: PoolState) -> None:
    state.index.timers.clear()


def count_waiting_wrongly(state: PoolState) -> None:
    state.index.lines.remove(next(c for c in state.contacts.values() if c.state == "queued"))


def flip_a_bit_of_room(state: PoolState) -> None:
    state.index.rooms["email"].profiles ^= 1


def forget_an_open_offer(state: PoolState) -> None:
    state.index.desks["bruno"].offers_open += 1


def misplace_an_agent_by_strategy(state: PoolState) -> None:
    state.index.orders["longest_idle"].placed.clear()


def keep_for_an_agent_behind_the_index(state: PoolState) -> None:
    change(state, "con_3", only_agent="bruno", only_until_ms=START_MS + 9_000)


def tell_nobody_about_declines(state: PoolState) -> None:
    change(state, "con_3", declines=tuple(Decline(name, 1, 0) for name in ("anna", "bruno", "carla")))


@pytest.mark.parametrize(
    "tamper",
    [
        forget_an_open_offer,
        misplace_an_agent_by_strategy,
        keep_for_an_agent_behind_the_index,
        tell_nobody_about_declines,
        misfile_contact,
        lose_an_offer,
        offer_twice,
        assign_without_an_agent,
        assign_to_nobody,
        keep_a_resolved_contact,
        wrap_up_for_ever,
        count_arrivals_wrongly,
        arrive_twice,
        open_a_thread_twice,
        decline_twice,
        idle_since_tomorrow,
        forget_a_bucket,
        change_rank_behind_the_index,
        change_presence_behind_the_index,
        take_room_behind_the_index,
        lose_a_timer,
        count_waiting_wrongly,
        flip_a_bit_of_room,
    ],
)
def test_a_state_that_was_tampered_with_is_found_out(tamper: Callable[[PoolState], None]) -> None:
    state = a_pool_at_work().state
    check(state)
    tamper(state)
    with pytest.raises(InvariantBrokenError):
        check(state)


def give_room(state: PoolState) -> None:
    state.agents["anna"] = replace(state.agents["anna"], capacity={"email": 2})


def go_with_an_offer(state: PoolState) -> None:
    state.agents["bruno"] = replace(state.agents["bruno"], presence=Presence.BREAK)


def sign_out_with_a_contact(state: PoolState) -> None:
    state.agents["anna"] = replace(state.agents["anna"], presence=Presence.OFFLINE)


def remove_an_agent(state: PoolState) -> None:
    state.agents["anna"] = replace(state.agents["anna"], removed=True)


@pytest.mark.parametrize("leave", [give_room, go_with_an_offer, sign_out_with_a_contact, remove_an_agent])
def test_a_state_in_which_something_is_left_to_do_is_sound_but_not_settled(leave: Callable[[PoolState], None]) -> None:
    state = a_pool_at_work().state
    leave(state)
    rebuild_index(state)
    check(state)
    with pytest.raises(InvariantBrokenError):
        check(state, settled_at_ms=state.now_ms)


@pytest.mark.parametrize("later_ms", [9_000, 20_000])
def test_a_state_in_which_something_is_due_is_not_settled(later_ms: int) -> None:
    state = a_pool_at_work().state
    check(state, settled_at_ms=state.now_ms)
    with pytest.raises(InvariantBrokenError):
        check(state, settled_at_ms=state.now_ms + later_ms)
