import asyncio
import subprocess
import sys

from libs.common.http.health import Health
from libs.common.http.probe import main, probe
from tests.integration.common.edge import an_app, served_edge
from tests.support.ports import free_port


async def test_the_probe_follows_readiness() -> None:
    health = Health("log")
    async with served_edge(an_app(health=health)) as (served, _):
        not_ready = await asyncio.to_thread(probe, f"{served.url}/readyz")
        code_not_ready = await asyncio.to_thread(main, [f"{served.url}/readyz"])
        health.set("log", ok=True)
        ready = await asyncio.to_thread(probe, f"{served.url}/readyz")
        code_ready = await asyncio.to_thread(main, [f"{served.url}/readyz"])

    assert not_ready is not None
    assert "503" in not_ready
    assert "starting" in not_ready
    assert code_not_ready == 1
    assert ready is None
    assert code_ready == 0


def test_nobody_there_and_nonsense_are_failures() -> None:
    assert main([f"http://127.0.0.1:{free_port()}/livez"]) == 1
    assert main(["file:///etc/passwd"]) == 1
    assert main(["http://[nonsense"]) == 1
    assert main([]) == 2


async def test_it_runs_as_a_module_past_any_proxy() -> None:
    async with served_edge(an_app()) as (served, _):
        run = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "libs.common.http.probe", f"{served.url}/livez"],
            env={"http_proxy": "http://127.0.0.1:9"},
            check=False,
        )

    assert run.returncode == 0
