"""The program that the router's latency is compared with: it copies every record from the inputs to the outputs at once.

    python -m services.bench.echo --log=URL --partition=N

Started by the latency benchmark, which appends to the one stream and reads the other, as ingest and agent API do.
"""

from __future__ import annotations

from typing import Final

import click
import uvloop

from libs.common.lifecycle import tune_garbage_collector
from services.bench.bare_log import open_bare

READY: Final = "echo from "
_WAIT_MS: Final = 1_000


async def copy(url: str, source: str, target: str, partition: int) -> None:
    """Copy until the process is ended."""
    async with open_bare(url, source, target, partition) as bare:
        tune_garbage_collector()
        click.echo(f"{READY}{source}")
        while True:
            records = await bare.read(_WAIT_MS)
            if records:
                await bare.append(records)


@click.command()
@click.option("--log", required=True)
@click.option("--source", required=True)
@click.option("--target", required=True)
@click.option("--partition", type=int, required=True)
def main(log: str, source: str, target: str, partition: int) -> None:
    """Copy until the process is ended."""
    uvloop.run(copy(log, source, target, partition))


if __name__ == "__main__":
    main()
