"""The program that ingest is compared with: a FastAPI route that appends one record to the same log and answers, and does nothing else.

    python -m services.bench.bare_route --log=URL --record=FILE

Same server, same settings of server and garbage collector, same log. `/nothing` answers without the append, by a server without a
framework: what the load generator can do at most. Started by the webhook benchmark, which reads the address from the first line.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, cast

import click
import httptools
import msgspec
import uvloop
from fastapi import FastAPI, Request
from starlette.responses import Response

from libs.common.http.server import serve_app
from libs.common.lifecycle import tune_garbage_collector
from libs.common.log.open import open_log
from libs.common.log.port import NewRecord, Writer
from libs.common.log.streams import DEAD_LETTERS
from services.bench.bare_log import RETENTION_DAYS
from services.bench.logs import PARTITIONS

READY: Final = "bare route at "
_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n"


def create_app(writer: Writer, record: NewRecord) -> FastAPI:
    """The app: `POST /bare` appends the record, to a stream that no service reads."""
    app = FastAPI()

    @app.post("/bare")
    async def bare(request: Request) -> Response:
        await request.body()
        await writer.append(DEAD_LETTERS, 0, (record,))
        return Response(b"")

    return app


class Nothing(asyncio.Protocol):
    """Answers every request at once."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name.

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """The request is whole."""
        assert self._transport is not None
        self._transport.write(_ANSWER)


async def serve(url: str, record: NewRecord) -> None:
    """Serve until the process is ended."""
    log = open_log(url, PARTITIONS, RETENTION_DAYS)
    await log.connect()
    writer = await log.open_writer("bare")
    nothing = await asyncio.get_running_loop().create_server(Nothing, "127.0.0.1", 0)
    async with serve_app(create_app(writer, record)) as served:
        tune_garbage_collector()
        click.echo(f"{READY}{served.url} http://127.0.0.1:{nothing.sockets[0].getsockname()[1]}")
        await asyncio.Event().wait()


@click.command()
@click.option("--log", required=True)
@click.option("--record", type=click.Path(path_type=Path), required=True)
def main(log: str, record: Path) -> None:
    """Serve until the process is ended."""
    uvloop.run(serve(log, msgspec.json.decode(record.read_bytes(), type=NewRecord)))


if __name__ == "__main__":
    main()
