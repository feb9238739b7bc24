"""Signing in with a password."""

from __future__ import annotations

import httpx

from libs.common.http.auth import Role
from libs.common.log.memory import MemoryLog
from services.agent_api.credentials import GUESSES_PER_WINDOW, set_password
from tests.support.agent_api import Api, problem_of


async def sign_in(api: Api, agent: str, password: str) -> httpx.Response:
    """Any answer."""
    async with httpx.AsyncClient(base_url=api.served.url, trust_env=False, timeout=30) as client:
        return await client.post("/v1/session", json={"agent_id": agent, "password": password})


async def test_an_agent_signs_in_with_a_password(any_api: Api) -> None:
    # given passwords, one of which was changed
    api = any_api
    store = str(api.service.parts.settings.store_url("agent-api"))
    await set_password(store, "sara", "old")
    await set_password(store, "sara", "correct horse")

    # when
    answer = await sign_in(api, "sara", "correct horse")

    # then the token is good, and of the role that is configured
    assert answer.status_code == 200
    token = answer.json()["token"]
    async with httpx.AsyncClient(base_url=api.served.url, trust_env=False) as client:
        me = (await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})).json()
    assert (me["id"], me["role"], me["pool"]) == ("sara", Role.SUPERVISOR.value, "care")
    assert problem_of(await sign_in(api, "sara", "old")) == (401, "sign-in-failed")


async def test_unknown_agents_and_wrong_passwords_are_told_the_same(api: Api) -> None:
    # given an agent with a password, one without, and somebody who is not configured
    store = str(api.service.parts.settings.store_url("agent-api"))
    await set_password(store, "anna", "right")
    await set_password(store, "zoe", "right")

    # when
    answers = [
        await sign_in(api, agent, password)
        for agent, password in (("anna", "wrong"), ("bruno", "right"), ("nobody", "right"), ("zoe", "right"))
    ]

    # then
    assert {problem_of(answer) for answer in answers} == {(401, "sign-in-failed")}
    assert len({answer.content for answer in answers}) == 1


async def test_guesses_are_limited_for_each_agent(api: Api) -> None:
    # given
    store = str(api.service.parts.settings.store_url("agent-api"))
    await set_password(store, "anna", "right")
    await set_password(store, "bruno", "right")

    # when
    for _ in range(GUESSES_PER_WINDOW):
        assert problem_of(await sign_in(api, "anna", "wrong")) == (401, "sign-in-failed")
    refused = await sign_in(api, "anna", "right")

    # then
    assert problem_of(refused) == (429, "too-many-attempts")
    assert int(refused.headers["retry-after"]) > 0
    assert (await sign_in(api, "bruno", "right")).status_code == 200


async def test_a_sign_in_needs_no_log(api: Api) -> None:
    # given
    assert isinstance(api.log, MemoryLog)
    await set_password(str(api.service.parts.settings.store_url("agent-api")), "anna", "right")
    api.log.faults.take_away()

    # when / then
    assert (await sign_in(api, "anna", "right")).status_code == 200
    api.log.faults.give_back()
