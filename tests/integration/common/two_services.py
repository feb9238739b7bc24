"""A process with two small services, for tests of a process's life; a child runs it with the name of a scenario.

Writes a line `started URL URL` to standard output once both listen, and what the services do, in order.
"""

import asyncio
import sys
from collections.abc import Mapping

from fastapi import FastAPI

from libs.common.http.correlation import install_edge
from libs.common.http.health import Health, health_router
from libs.common.lifecycle import Placement, run_process, run_services
from libs.common.logging import configure_logging
from libs.common.metrics import Metrics


def say(*words: object) -> None:
    print(*words, flush=True)


class SmallService:
    """Answers `/slow` once its background work has seen the request and `/release` was called."""

    def __init__(self, name: str, scenario: str) -> None:
        self.name = name
        self.scenario = scenario
        self.app = FastAPI()
        self.release = asyncio.Event()
        self.crash = asyncio.Event()
        metrics = Metrics()
        install_edge(self.app, service=name, metrics=metrics)
        self.app.include_router(health_router(Health(), metrics.registry))

        @self.app.get("/slow")
        async def slow() -> str:
            say(name, "request begun")
            await self.release.wait()
            return "done"

        @self.app.get("/crash")
        async def crash() -> str:
            self.crash.set()
            return "will do"

    async def run(self) -> None:
        say(self.name, "runs")
        try:
            await self.crash.wait()
            if self.scenario == "returns":
                return
            raise ValueError("luca@example.com wrote this")
        except asyncio.CancelledError:
            say(self.name, "cancelled")
            if self.scenario == "hangs":
                await asyncio.Event().wait()
            raise

    async def close(self) -> None:
        if self.scenario == "close fails":
            raise RuntimeError("luca@example.com")
        say(self.name, "closed")


async def main(scenario: str) -> int:
    services = (SmallService("first", scenario), SmallService("second", "plain"))

    def started(urls: Mapping[str, str]) -> None:
        say("started", *urls.values())

    async def release_later() -> None:
        # Requests in flight are finished by background work that goes on until they are.
        await stopping.wait()
        say("stop seen")
        services[0].release.set()

    stopping = asyncio.Event()
    releasing = asyncio.create_task(release_later())
    code = await run_services(
        [Placement(service=service) for service in services], on_started=started, stop=stopping, grace_s=1, stop_s=1
    )
    releasing.cancel()
    return code


if __name__ == "__main__":
    configure_logging("info")
    sys.exit(run_process(main(sys.argv[1])))
