"""Who gets which frame, and what becomes of a reader that does not read."""

from __future__ import annotations

from services.agent_api.hub import CLOSE_BEGIN_AGAIN, CLOSE_TOO_SLOW, Hub, Subscription
from services.agent_api.store.rows import FrameRow


def a_frame(seq: int, *, pool: str = "care", agent: str | None = "anna") -> FrameRow:
    return FrameRow(seq=seq, pool=pool, agent_id=agent, type="offer.made", at_ms=0, body=f"frame {seq}")


class Reader:
    """A subscription and what it was told."""

    def __init__(self, agent: str, *pools: str, everywhere: bool = False, limit: int = 10) -> None:
        self.closed_with: list[int] = []
        supervised = None if everywhere else frozenset(pools)
        self.subscription = Subscription(agent, supervised, self.closed_with.append, limit)

    async def read(self, number: int) -> list[str]:
        return [(await self.subscription.next_frame())[1] for _ in range(number)]


async def test_frames_go_to_their_agent_and_to_who_supervises_the_pool() -> None:
    # given
    hub = Hub()
    anna, sara, ada, dario = (
        Reader("anna"),
        Reader("sara", "care"),
        Reader("ada", everywhere=True),
        Reader("dario"),
    )
    for reader in (anna, sara, ada, dario):
        hub.add(reader.subscription)

    # when
    hub.publish([a_frame(1), a_frame(2, agent=None), a_frame(3, pool="sales", agent="dario"), a_frame(4)])

    # then
    assert await anna.read(2) == ["frame 1", "frame 4"]
    assert await sara.read(3) == ["frame 1", "frame 2", "frame 4"]
    assert await ada.read(4) == ["frame 1", "frame 2", "frame 3", "frame 4"]
    assert await dario.read(1) == ["frame 3"]


async def test_a_supervisor_hears_of_the_own_work_once() -> None:
    hub = Hub()
    sara = Reader("sara", "care")
    hub.add(sara.subscription)
    hub.publish([a_frame(1, agent="sara"), a_frame(2, agent="sara")])
    assert await sara.read(2) == ["frame 1", "frame 2"]


async def test_frames_that_were_handed_out_or_are_in_the_snapshot_do_not_come_again() -> None:
    # given a stream that begins with a snapshot of frame 2
    hub = Hub()
    anna = Reader("anna")
    hub.add(anna.subscription)
    hub.publish([a_frame(1), a_frame(2), a_frame(3)])
    anna.subscription.begin_after(2)

    # when a part is handed out again
    hub.publish([a_frame(2), a_frame(3), a_frame(4)])

    # then
    assert await anna.read(2) == ["frame 3", "frame 4"]


async def test_a_reader_whose_queue_is_full_is_given_up_and_others_are_not() -> None:
    # given
    hub = Hub()
    slow, quick = Reader("anna", limit=2), Reader("anna", limit=5)
    hub.add(slow.subscription)
    hub.add(quick.subscription)

    # when
    hub.publish([a_frame(seq) for seq in range(1, 5)])

    # then
    assert slow.closed_with == [CLOSE_TOO_SLOW]
    assert quick.closed_with == []
    assert await quick.read(4) == [f"frame {seq}" for seq in range(1, 5)]


async def test_nothing_is_kept_of_readers_that_left() -> None:
    hub = Hub()
    sara, ada = Reader("sara", "care"), Reader("ada", everywhere=True)
    for reader in (sara, ada):
        hub.add(reader.subscription)
        hub.remove(reader.subscription)
    hub.publish([a_frame(1)])
    assert len(hub) == 0


async def test_a_ping_comes_when_nothing_else_does() -> None:
    # given a stream whose snapshot is the newest there is
    hub = Hub()
    anna = Reader("anna")
    hub.seen_seq = 7
    hub.add(anna.subscription)
    anna.subscription.begin_after(7)

    # when / then
    hub.ping("ping")
    assert await anna.read(1) == ["ping"]


async def test_after_too_many_missed_frames_all_begin_anew() -> None:
    hub = Hub()
    anna = Reader("anna")
    hub.add(anna.subscription)
    hub.restart(50_000)
    assert anna.closed_with == [CLOSE_BEGIN_AGAIN]
    assert hub.seen_seq == 50_000
