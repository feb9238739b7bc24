"""Dead letters: what is kept, and when it is too many."""

import pytest

from libs.common.clock import VirtualClock
from libs.common.errors import LogUnavailableError, PoisonError
from libs.common.log.batch import BATCH_BYTES_MAX
from libs.common.log.dlq import DeadLetters, DeadLettersExceededError, read_dead_letter
from libs.common.log.memory import MemoryLog
from libs.common.log.port import NewRecord, Record
from libs.common.log.publisher import Publisher
from libs.common.log.streams import DEAD_LETTERS, ROUTING_INPUTS

HEADERS = (("ce_id", b"evt-1"), ("ce_type", b"centralino.unknown.v9"), ("trace", b"\xff\x00"))


def a_record(offset: int, value: bytes = b"{broken", partition: int = 2) -> Record:
    return Record(
        stream=ROUTING_INPUTS,
        partition=partition,
        offset=offset,
        timestamp_ms=0,
        key="città",
        value=value,
        headers=HEADERS,
    )


async def a_publisher() -> tuple[MemoryLog, Publisher]:
    log = MemoryLog(clock=VirtualClock())
    publisher = Publisher(log, "router")
    await publisher.start()
    await publisher.wait_ready()
    return log, publisher


async def letters(log: MemoryLog) -> list[Record]:
    return await (await log.open_reader(DEAD_LETTERS, {0: 0})).poll()


async def test_keeps_the_record_as_it_was_with_its_origin() -> None:
    """given a poison record / when it was put aside / then it can be put back byte by byte."""
    log, publisher = await a_publisher()
    told: list[int] = []
    dead = DeadLetters(publisher, "router", on_put=lambda record: told.append(record.offset))
    original = a_record(41)
    await dead.put(original, PoisonError("cannot be decoded"))
    (kept,) = await letters(log)
    letter = read_dead_letter(kept)
    assert letter.record == NewRecord(key=original.key, value=original.value, headers=HEADERS)
    assert (letter.stream, letter.partition, letter.offset) == (ROUTING_INPUTS, 2, 41)
    assert (letter.service, letter.error, letter.whole) == ("router", "PoisonError: cannot be decoded", True)
    assert told == [41]
    await publisher.close()


async def test_gives_a_letter_the_same_id_when_its_record_comes_again() -> None:
    log, publisher = await a_publisher()
    for _ in range(2):  # A reader that was killed before it stored its position starts with a fresh count.
        await DeadLetters(publisher, "router").put(a_record(41), PoisonError())
    first, second = await letters(log)
    assert first.header("ce_id") == second.header("ce_id") == "dead-router-routing.inputs-2-41"
    assert first.header("dlq_ce_id") == "evt-1"
    await publisher.close()


async def test_cuts_what_is_too_large_and_says_so() -> None:
    log, publisher = await a_publisher()
    await DeadLetters(publisher, "router").put(a_record(1, value=b"x" * BATCH_BYTES_MAX), PoisonError("e" * 5_000))
    (kept,) = await letters(log)
    letter = read_dead_letter(kept)
    assert not letter.whole
    assert len(letter.record.value) == 512 * 1024
    assert len(letter.error) == 1_000
    await publisher.close()


async def test_stops_at_a_run_of_bad_records() -> None:
    """given as many bad records in a row as are allowed / when one more comes / then it is not skipped but stops the reader."""
    log, publisher = await a_publisher()
    dead = DeadLetters(publisher, "router", run_max=3)
    for offset in (10, 11, 12):
        await dead.put(a_record(offset), PoisonError())
    with pytest.raises(DeadLettersExceededError):
        await dead.put(a_record(13), PoisonError())
    assert len(await letters(log)) == 3
    await publisher.close()


async def test_forgets_a_run_that_a_good_record_ended() -> None:
    _, publisher = await a_publisher()
    dead = DeadLetters(publisher, "router", run_max=3)
    for offset in (10, 11, 12, 14, 15, 16, 18):
        await dead.put(a_record(offset), PoisonError())
    await publisher.close()


async def test_stops_at_too_great_a_part_of_bad_records() -> None:
    """given every second record is bad / when more than a tenth of the window is / then the reader stops."""
    log, publisher = await a_publisher()
    dead = DeadLetters(publisher, "router", ratio_max=0.1, window_records=100)
    for offset in range(0, 20, 2):
        await dead.put(a_record(offset), PoisonError())
    with pytest.raises(DeadLettersExceededError, match="11 of the last 100"):
        await dead.put(a_record(20), PoisonError())
    assert len(await letters(log)) == 10
    await dead.put(a_record(102), PoisonError())  # Two of the ten are out of the window now.
    await publisher.close()


async def test_counts_partitions_apart_and_a_repetition_once() -> None:
    _, publisher = await a_publisher()
    dead = DeadLetters(publisher, "router", run_max=2)
    for partition in range(4):
        for offset in (1, 1, 2, 1, 2):
            await dead.put(a_record(offset, partition=partition), PoisonError())
    await publisher.close()


async def test_counts_nothing_that_was_not_put_aside() -> None:
    log, publisher = await a_publisher()
    dead = DeadLetters(publisher, "router", run_max=1)
    log.faults.fail_next_append(written=False)
    with pytest.raises(LogUnavailableError):
        await dead.put(a_record(7), PoisonError())
    await publisher.wait_ready()
    await dead.put(a_record(7), PoisonError())
    assert len(await letters(log)) == 1
    await publisher.close()


def test_knows_what_is_no_dead_letter() -> None:
    with pytest.raises(PoisonError, match="no dead letter"):
        read_dead_letter(a_record(1))


async def test_keeps_any_number_of_records_that_nothing_is_wrong_with() -> None:
    log, publisher = await a_publisher()
    dead = DeadLetters(publisher, "router", run_max=2)
    for offset in range(10):
        await dead.keep(a_record(offset), LogUnavailableError())
    # and they do not count against those that something is wrong with
    await dead.put(a_record(10), PoisonError())
    assert len(await letters(log)) == 11
    await publisher.close()
