"""What is not possible, is not allowed, or makes no sense: each has its own answer, and harms nothing else."""

from __future__ import annotations

import asyncio

import pytest

from libs.common.http.auth import Principal, Role
from libs.common.log.memory import MemoryLog
from libs.common.log.streams import OUTBOUND_MESSAGES, ROUTING_INPUTS
from tests.support.agent_api import Api, problem_of
from tests.support.routing import read_all
from tests.support.waiting import eventually


async def test_an_offer_that_has_expired_is_not_accepted(api: Api) -> None:
    # given
    anna = await api.client()
    offer_id = await api.router.offer(await api.router.receive())
    await api.router.expire(offer_id)
    await api.caught_up()

    # when / then
    assert await anna.refused(f"/v1/offers/{offer_id}/accept") == (409, "offer-expired")


async def test_an_offer_to_somebody_else_is_not_accepted(api: Api) -> None:
    # given
    bruno = await api.client("bruno")
    offer_id = await api.router.offer(await api.router.receive(), "anna")
    await api.caught_up()

    # when / then
    assert await bruno.refused(f"/v1/offers/{offer_id}/accept") == (409, "not-your-offer")


async def test_an_offer_is_accepted_once(api: Api) -> None:
    # given
    anna = await api.client()
    offer_id = await api.router.offer(await api.router.receive())
    await api.caught_up()

    # when two requests with keys of their own come at once
    answers = await asyncio.gather(*(anna.post(f"/v1/offers/{offer_id}/accept") for _ in range(2)))

    # then one gets the contact, the other is told why not
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert problem_of(max(answers, key=lambda answer: answer.status_code)) == (409, "offer-already-accepted")


async def test_a_retry_under_the_same_key_gets_the_same_answer(any_api: Api) -> None:
    # given
    anna = await any_api.client()
    offer_id = await any_api.router.offer(await any_api.router.receive())
    await any_api.caught_up()

    # when the client sends the same request again, at once and after the contact has moved on
    answers = await asyncio.gather(*(anna.post(f"/v1/offers/{offer_id}/accept", key="once") for _ in range(3)))
    contact_id = answers[0].json()["id"]
    await anna.post(f"/v1/contacts/{contact_id}/resolve", {})
    answers.append(await anna.post(f"/v1/offers/{offer_id}/accept", key="once"))

    # then
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["state"] == "active"


async def test_a_refusal_is_the_same_under_the_same_key(api: Api) -> None:
    # given an offer to somebody else
    bruno = await api.client("bruno")
    offer_id = await api.router.offer(await api.router.receive(), "anna")
    await api.caught_up()

    # when
    refusals = [await bruno.refused(f"/v1/offers/{offer_id}/accept", key="mine") for _ in range(2)]

    # then
    assert refusals == [(409, "not-your-offer")] * 2
    assert len(api.router.commands) == 1


@pytest.mark.parametrize("second", ["another body", "another path"])
async def test_a_key_is_not_used_for_two_requests(api: Api, second: str) -> None:
    # given
    anna = await api.client()
    contact_id = await api.active_contact()
    assert (await anna.post(f"/v1/contacts/{contact_id}/notes", {"text": "one"}, key="k")).status_code == 201

    # when / then
    path = f"/v1/contacts/{contact_id}/" + ("notes" if second == "another body" else "messages")
    text = "two" if second == "another body" else "one"
    assert await anna.refused(path, {"text": text}, key="k") == (422, "idempotency-key-reused")


async def test_another_agent_may_use_the_same_key(api: Api) -> None:
    # given
    contact_id = await api.active_contact()

    # when
    answers = [
        await (await api.client(agent)).post(f"/v1/contacts/{contact_id}/notes", {"text": agent}, key="1")
        for agent in ("anna", "bruno")
    ]

    # then
    assert [answer.json()["text"] for answer in answers] == ["anna", "bruno"]


async def test_a_contact_is_resolved_once(api: Api) -> None:
    # given
    anna = await api.client()
    contact_id = await api.active_contact()

    # when
    first = await anna.post(f"/v1/contacts/{contact_id}/resolve")
    second = await anna.refused(f"/v1/contacts/{contact_id}/resolve")

    # then
    assert first.status_code == 200
    assert second == (409, "already-resolved")


async def test_only_the_contacts_agent_resolves_it(api: Api) -> None:
    contact_id = await api.active_contact()
    bruno = await api.client("bruno")
    assert await bruno.refused(f"/v1/contacts/{contact_id}/resolve") == (409, "contact-not-yours")


async def test_wrap_up_is_ended_early(api: Api) -> None:
    # given a queue with wrap-up
    api.router.wrap_up_ms = 60_000
    anna = await api.client()
    contact_id = await api.active_contact()
    resolved = await anna.post(f"/v1/contacts/{contact_id}/resolve", {"disposition": "answered", "summary": "sent"})
    assert resolved.json()["state"] == "wrap_up"
    assert resolved.json()["wrap_up_until"] is not None
    assert resolved.json()["light"] == "yellow"

    # when
    done = await anna.post(f"/v1/contacts/{contact_id}/wrap-up/done")

    # then what was said at the end stays
    assert done.json()["state"] == "resolved"
    assert done.json()["disposition"] == "answered"
    assert done.json()["summary"] == "sent"


async def test_a_declined_contact_waits_again(api: Api) -> None:
    # given
    anna = await api.client()
    offer_id = await api.router.offer(await api.router.receive())
    await api.caught_up()

    # when
    answer = await anna.post(f"/v1/offers/{offer_id}/reject", {"reason": "lunch"})

    # then
    assert answer.status_code == 200
    assert answer.json()["state"] == "queued"
    assert (await anna.get("/v1/me/work"))["offers"] == []
    entries = (await anna.get(f"/v1/contacts/{answer.json()['id']}/timeline"))["items"]
    assert entries[-1]["type"] == "offer.rejected"
    assert entries[-1]["data"]["reason"] == "lunch"


NOT_THERE = (
    ("/v1/contacts/con_nothing", "contact-unknown"),
    ("/v1/contacts/con_nothing/messages", "contact-unknown"),
    ("/v1/contacts/con_nothing/timeline", "contact-unknown"),
    (f"/v1/contacts/{'x' * 3000}", "contact-unknown"),
    ("/v1/customers/cus_nothing", "customer-unknown"),
    ("/v1/attachments/att_nothing", "attachment-unknown"),
    ("/v1/attachments/..%2f..%2fsecret", "not-found"),
    ("/v1/commands/cmd_nothing", "command-unknown"),
    ("/v1/nothing", "not-found"),
)


async def test_what_does_not_exist_is_not_found(any_api: Api) -> None:
    anna = await any_api.client()
    for path, word in NOT_THERE:
        assert problem_of(await anna.http.get(path)) == (404, word), path


async def test_offers_and_contacts_that_do_not_exist_cannot_be_worked_on(api: Api) -> None:
    anna = await api.client()
    assert await anna.refused("/v1/offers/off_nothing/accept") == (404, "offer-unknown")
    assert await anna.refused("/v1/contacts/con_nothing/resolve") == (404, "contact-unknown")
    assert await anna.refused("/v1/contacts/con_nothing/messages", {"text": "hi"}) == (404, "contact-unknown")


NONSENSE = (
    (b'{"text": "hal', (400, "malformed")),
    (b'{"text": "\\u0000"}', (400, "malformed")),
    (b'{"text": "\x00"}', (400, "malformed")),
    (b'{"text": "\\ud800"}', (400, "malformed")),
    (b'{"text": "\xff"}', (400, "malformed")),
    (b"[" * 100_000, (400, "malformed")),
    (b'{"text": ""}', (422, "invalid")),
    (b'{"text": 5}', (422, "invalid")),
    (b'{"text": "a", "more": 1}', (422, "invalid")),
    (b"null", (422, "invalid")),
    (b"", (422, "invalid")),
)


async def test_a_body_that_makes_no_sense_is_refused(api: Api) -> None:
    anna = await api.client()
    contact_id = await api.active_contact()
    for content, expected in NONSENSE:
        answer = await anna.http.post(
            f"/v1/contacts/{contact_id}/notes", content=content, headers={"Content-Type": "application/json"}
        )
        assert problem_of(answer) == expected, content[:40]


QUESTIONS = (
    "/v1/contacts?state=lost",
    "/v1/contacts?limit=0",
    "/v1/contacts?limit=201",
    "/v1/contacts?cursor=nonsense",
    "/v1/contacts?cursor=WyJhIl0",
    "/v1/contacts?cursor=WzFlOTk5LCJhIl0",
    "/v1/customers?cursor=%C3%A9",
    "/v1/metrics/realtime?minutes=0",
)


async def test_a_question_that_makes_no_sense_is_refused(any_api: Api) -> None:
    anna = await any_api.client()
    for path in QUESTIONS:
        status, word = problem_of(await anna.http.get(path))
        assert (status, word) in ((422, "invalid"), (422, "cursor-invalid")), path


async def test_a_null_character_in_an_address_is_refused(any_api: Api) -> None:
    anna = await any_api.client()
    for path in ("/v1/contacts/con%00", "/v1/contacts?queue=%00", "/v1/customers?q=%00"):
        assert problem_of(await anna.http.get(path)) == (400, "malformed")


async def test_nothing_is_shown_without_a_good_token(api: Api) -> None:
    anna = await api.client()
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
        anna.http.headers.pop("Authorization", None)
        answer = await anna.http.get("/v1/me/work", headers=headers)
        assert problem_of(answer) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_integration_is_no_agent(api: Api) -> None:
    anna = await api.client()
    token, _ = api.service.parts.tokens.mint(Principal(kind="integration", id="shop", role=Role.ADMIN), 60_000)
    answer = await anna.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert problem_of(answer) == (403, "forbidden")


async def test_an_agent_who_is_not_configured_sees_nothing(api: Api) -> None:
    assert problem_of(await (await api.client("zoe")).http.get("/v1/me")) == (403, "agent-unknown")


async def test_agents_do_not_see_what_is_for_supervisors(api: Api) -> None:
    anna = await api.client()
    for path in ("/v1/queues", "/v1/agents", "/v1/reports/service-level"):
        assert problem_of(await anna.http.get(path)) == (403, "forbidden")
    assert problem_of(await anna.put("/v1/agents/bruno/presence", {"status": "break"})) == (403, "forbidden")


async def test_another_pools_contacts_do_not_exist_for_an_agent(any_api: Api) -> None:
    # given
    contact_id = await any_api.active_contact(text="secret")
    dario, sara, ada = (
        await any_api.client("dario"),
        await any_api.client("sara", Role.SUPERVISOR),
        await any_api.client("ada", Role.ADMIN),
    )

    # when / then
    assert problem_of(await dario.http.get(f"/v1/contacts/{contact_id}")) == (404, "contact-unknown")
    assert (await dario.get("/v1/contacts"))["items"] == []
    assert (await dario.get("/v1/customers"))["items"] == []
    assert await dario.refused(f"/v1/contacts/{contact_id}/notes", {"text": "hi"}) == (404, "contact-unknown")
    customer_id = (await sara.get(f"/v1/contacts/{contact_id}"))["customer"]["id"]
    assert problem_of(await dario.http.get(f"/v1/customers/{customer_id}")) == (404, "customer-unknown")
    assert (await ada.get(f"/v1/contacts/{contact_id}"))["id"] == contact_id
    assert (await ada.get(f"/v1/customers/{customer_id}"))["contacts"][0]["id"] == contact_id


async def test_a_router_that_does_not_answer_in_time_is_answered_for_by_a_url(api: Api) -> None:
    # given a router that is silent, and no patience
    anna = await api.client()
    offer_id = await api.router.offer(await api.router.receive())
    await api.caught_up()
    api.router.silent = True
    patient = api.service.parts.settings
    api.service.parts.settings = patient.model_copy(update={"command_wait_ms": 0})

    # when
    answer = await anna.post(f"/v1/offers/{offer_id}/accept", key="slow")

    # then
    assert answer.status_code == 202
    url = answer.headers["location"]
    assert answer.json()["url"] == url
    assert (await anna.get(url))["state"] == "pending"
    assert problem_of(await (await api.client("bruno")).http.get(url)) == (404, "command-unknown")

    # when the router comes back
    await api.router.speak()

    # then
    async def decided() -> bool:
        return bool((await anna.get(url))["state"] == "done")

    await eventually(decided)
    assert (await anna.get(url))["answer"]["agent"] == "anna"
    api.service.parts.settings = patient
    assert (await anna.post(f"/v1/offers/{offer_id}/accept", key="slow")).status_code == 200


async def test_while_the_log_is_away_commands_are_told_to_come_back(api: Api) -> None:
    # given
    assert isinstance(api.log, MemoryLog)
    anna = await api.client()
    offer_id = await api.router.offer(await api.router.receive())
    await api.caught_up()
    api.log.faults.fail_next_append(written=False, writer="agent-api", stream=ROUTING_INPUTS)

    # when
    answer = await anna.post(f"/v1/offers/{offer_id}/accept", key="again")

    # then
    assert problem_of(answer) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0

    # when the same is asked again
    async def accepted() -> bool:
        return (await anna.post(f"/v1/offers/{offer_id}/accept", key="again")).status_code == 200

    # then it works, once
    await eventually(accepted)
    assert len(api.router.commands) == 1


async def test_a_command_whose_append_got_through_unnoticed_has_one_effect(api: Api) -> None:
    # given an append that is written although its caller is told otherwise
    assert isinstance(api.log, MemoryLog)
    anna = await api.client()
    contact_id = await api.active_contact()
    api.log.faults.fail_next_append(written=True, writer="agent-api", stream=OUTBOUND_MESSAGES)

    # when
    first = await anna.post(f"/v1/contacts/{contact_id}/messages", {"text": "hello"}, key="r")

    async def replied() -> bool:
        return (await anna.post(f"/v1/contacts/{contact_id}/messages", {"text": "hello"}, key="r")).status_code == 201

    # then
    assert first.status_code == 503
    await eventually(replied)
    messages = (await anna.get(f"/v1/contacts/{contact_id}/messages"))["items"]
    assert [message["text"] for message in messages if message["direction"] == "out"] == ["hello"]
    ids = {
        record.header("ce_id")
        for partition in range(api.log.partitions(OUTBOUND_MESSAGES))
        for record in await read_all(api.log, OUTBOUND_MESSAGES, partition)
    }
    assert len(ids) == 1
