"""Claims by locks: more members than partitions, members that die, callbacks that fail."""

import asyncio
from typing import Any

import pytest

from libs.common.clock import VirtualClock
from libs.common.log.memory import MemoryLog
from libs.common.log.streams import ROUTING_INPUTS
from libs.common.testing.contract import GroupMember


async def settle() -> None:
    """Let every member do what it can do now."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize("count", range(1, 7))
async def test_every_partition_is_with_somebody_and_shares_differ_by_one_at_most(count: int) -> None:
    log = MemoryLog(clock=VirtualClock())
    holders: dict[int, GroupMember] = {}
    members = [await GroupMember(holders).join(log, "group") for _ in range(count)]
    await settle()
    assert sorted(holders) == [0, 1, 2, 3]
    shares = [len(member.held) for member in members]
    assert max(shares) - min(shares) <= 1
    await log.close()


async def test_a_member_that_waits_outside_moves_up() -> None:
    """given five members for four partitions / when one leaves / then the fifth gets its part."""
    log = MemoryLog(clock=VirtualClock())
    holders: dict[int, GroupMember] = {}
    members = [await GroupMember(holders).join(log, "group") for _ in range(5)]
    await settle()
    (outside,) = [member for member in members if not member.held]
    inside = next(member for member in members if member.held)
    await inside.leave()
    await outside.holds(1)
    await log.close()


async def test_a_member_that_dies_leaves_its_partitions_without_a_word() -> None:
    log = MemoryLog(clock=VirtualClock())
    calls: list[str] = []

    async def assigned(partitions: frozenset[int]) -> None:
        calls.append("assigned")

    async def revoked(partitions: frozenset[int]) -> None:
        calls.append("revoked")

    dying = await log.claim("group", ROUTING_INPUTS, assigned, revoked)
    await settle()
    assert len(dying.held) == 4
    heir = await GroupMember({}).join(log, "group")
    dying.abandon()
    await heir.holds(4)
    assert "revoked" not in calls
    await heir.leave()


async def test_nothing_moves_that_need_not() -> None:
    """given a settled group / when another member comes / then the old one keeps what it may keep, without a revocation."""
    log = MemoryLog(clock=VirtualClock())
    holders: dict[int, GroupMember] = {}
    first = await GroupMember(holders).join(log, "group")
    await first.holds(4)
    await GroupMember(holders).join(log, "group")
    await first.holds(2)
    assert first.calls == [("assigned", frozenset({0, 1, 2, 3})), ("revoked", frozenset({2, 3}))]
    await log.close()


async def test_a_callback_that_fails_is_heard_of_and_ends_the_membership() -> None:
    log = MemoryLog(clock=VirtualClock())
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))

    async def assigned(partitions: frozenset[int]) -> None:
        raise ZeroDivisionError

    async def revoked(partitions: frozenset[int]) -> None:
        raise AssertionError("nothing was accepted")

    claim = await log.claim("group", ROUTING_INPUTS, assigned, revoked)
    heir = await GroupMember({}).join(log, "group")
    await heir.holds(4)
    assert [type(context["exception"]) for context in heard] == [ZeroDivisionError]
    with pytest.raises(ZeroDivisionError):
        await claim.close()
    await heir.leave()
