"""What tests of the SQLite log run in another process: `python -m tests.contract.sqlite_child WORK PATH`.

`append`: three writers append batches of seven to one partition for ever, and every confirmed batch is a line of the output.
`once`: one record is appended. `claim`: a member of the group `group` holds what it gets; its output says what.
"""

import asyncio
import os
import sys
from pathlib import Path

from libs.common.log.sqlite import SqliteLog
from libs.common.testing.contract import STREAM, a_record

BATCH = 7


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # In one piece, and out before the process can be killed.


async def append(log: SqliteLog) -> None:
    async def write(name: str) -> None:
        writer = await log.open_writer(name)
        number = 0
        while True:
            batch = f"{os.getpid()}-{name}-{number}"
            await writer.append(STREAM, 0, [a_record(f"{batch}.{index}") for index in range(BATCH)])
            say(batch)
            number += 1

    await asyncio.gather(*(write(name) for name in "abc"))


async def once(log: SqliteLog) -> None:
    await (await log.open_writer("once")).append(STREAM, 1, [a_record("from elsewhere")])


async def claim(log: SqliteLog) -> None:
    async def on_assigned(partitions: frozenset[int]) -> None:
        say(f"assigned {sorted(partitions)}")

    async def on_revoked(partitions: frozenset[int]) -> None:
        say(f"revoked {sorted(partitions)}")

    await log.claim("group", STREAM, on_assigned, on_revoked)
    await asyncio.Event().wait()


async def main() -> None:
    work, path = sys.argv[1:]
    log = SqliteLog(Path(path))
    await log.connect()
    await {"append": append, "once": once, "claim": claim}[work](log)
    await log.close()


if __name__ == "__main__":
    asyncio.run(main())
