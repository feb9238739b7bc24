"""`centralino explain` on a log file, and the same over HTTP: the agent API asks the router."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from libs.common.clock import SystemClock
from libs.common.events.routing import ContactQueued, OfferMade
from libs.common.http.auth import Principal, Role, mint_token
from libs.common.http.server import serve_app
from libs.common.log.memory import MemoryLog
from libs.common.log.sqlite import SqliteLog
from libs.common.testing.builders import a_contact_received, a_set_presence
from services.agent_api.models_explain import Explanation
from services.cli.commands import centralino
from services.router.compose import compose
from services.router.settings import RouterSettings
from tests.support.agent_api import SECRET, Client, problem_of, running_api, settings_for
from tests.support.router_contract import CARE, PARTITIONS
from tests.support.routing import Desk, a_configuration, of_type, working


async def a_decided_contact(desk: Desk) -> str:
    """A contact that waits, because the only agent with its skill has two in hand."""
    async with working(desk) as worker:
        await desk.decided(worker)
        await desk.give(a_set_presence("anna"), *(a_contact_received(number, queue="orders") for number in range(1, 4)))
        await desk.decided(worker)
    return str(of_type(desk.notes.facts, ContactQueued)[-1].contact_id)


def explain(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(centralino, ["explain", *arguments])
    return result.exit_code, result.output


def test_the_command_explains_a_contact_in_words_and_as_json(tmp_path: Path) -> None:
    async def work() -> tuple[str, str]:
        log = SqliteLog(tmp_path / "log.db", PARTITIONS)
        await log.connect()
        desk = Desk(log, SystemClock(), number=CARE)
        waiting = await a_decided_contact(desk)
        await log.close()
        return waiting, of_type(desk.notes.facts, OfferMade)[0].contact_id

    waiting, offered = asyncio.run(work())
    url = f"sqlite:///{tmp_path / 'log.db'}"
    code, output = explain(waiting, "--log", url)
    assert code == 0
    assert "anna: has no room on email (of 2)" in output
    assert "anna: when there is room on email" in output
    code, output = explain(offered, "--log", url, "--pool", "care", "--json")
    assert code == 0
    document = json.loads(output)
    assert document["offers"][0]["standing"]["candidates"][0]["agent_id"] == "anna"
    Explanation.model_validate(document)
    assert explain("con_none", "--log", url)[0] == 2
    assert explain(waiting, "--log", f"sqlite:///{tmp_path / 'none.db'}")[0] == 2


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[tuple[Client, Client, str, str]]:
    """Clients of a contact's pool and of another pool at an agent API whose router is there, the contact, and the router's URL."""
    clock = SystemClock()
    log = MemoryLog(partitions=1, clock=clock)
    settings = RouterSettings(log="memory:", data=tmp_path, secret=SecretStr(SECRET))
    router = compose(settings, a_configuration(), log=log, clock=clock)
    contact_id = await a_decided_contact(Desk(log, clock))
    async with (
        serve_app(router.app, grace_s=2) as served,
        running_api(settings_for(tmp_path, router_url=served.url), log=log, clock=clock) as api,
    ):
        yield await api.client("anna"), await api.client("dario"), contact_id, served.url


async def test_the_agent_api_explains_to_those_who_may_see(agent: tuple[Client, Client, str, str]) -> None:
    anna, dario, contact_id, _ = agent
    document = await anna.get(f"/v1/contacts/{contact_id}/explain")
    Explanation.model_validate(document)
    assert document["waiting"]["would_help"]["anna"] == {
        "obstacle": "capacity",
        "subject": "email",
        "asked": 1,
        "has": 2,
    }
    assert problem_of(await dario.http.get(f"/v1/contacts/{contact_id}/explain")) == (404, "contact-unknown")


async def test_the_router_explains_to_its_neighbours_alone(agent: tuple[Client, Client, str, str]) -> None:
    anna, _, contact_id, router_url = agent
    path = f"{router_url}/v1/contacts/{contact_id}/explain?pool=care"
    async with httpx.AsyncClient(trust_env=False) as client:
        assert problem_of(await client.get(path)) == (401, "unauthorized")
        as_anna = {"Authorization": f"Bearer {anna.token}"}
        assert problem_of(await client.get(path, headers=as_anna)) == (403, "forbidden")
        caller = Principal(kind="integration", id="agent-api", role=Role.ADMIN)
        token, _ = mint_token(SECRET, caller, 60_000, SystemClock().now_ms())
        as_neighbour = {"Authorization": f"Bearer {token}"}
        assert (await client.get(path, headers=as_neighbour)).status_code == 200
        unknown = path.replace(contact_id, "con_none")
        assert problem_of(await client.get(unknown, headers=as_neighbour)) == (404, "contact-unknown")


async def test_without_its_router_the_agent_api_says_so(tmp_path: Path) -> None:
    async with running_api(settings_for(tmp_path, router_url="http://127.0.0.1:9")) as api:
        contact_id = await api.router.receive(1)
        await api.caught_up()
        answer = await (await api.client("anna")).http.get(f"/v1/contacts/{contact_id}/explain")
        assert problem_of(answer) == (503, "unavailable")
        assert answer.headers["retry-after"]
