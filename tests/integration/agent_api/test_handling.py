"""What agents and supervisors do with contacts, through the API, with the core that really decides behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.common.clock import SystemClock, rfc3339
from libs.common.events.inputs import CustomerLeft
from libs.common.http.auth import Role
from libs.common.log.memory import MemoryLog
from libs.common.testing.builders import a_contact_received, a_message, a_queue, an_agent
from tests.support.agent_api import Api, Client, a_pool_configured, next_frame, problem_of, running_api, settings_for
from tests.support.deciding_router import DecidingRouter
from tests.support.scripted_router import follow


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Api]:
    """An agent API and a deciding router: two queues, one of them for Italian, two agents and a supervisor; nobody is there yet."""
    clock = SystemClock()
    log = MemoryLog(partitions=2, clock=clock)
    await log.connect()
    router = DecidingRouter(log, clock)
    task = await follow(router)
    await router.tell(
        a_pool_configured(
            queues=(a_queue("orders", pull=True), a_queue("billing", skills={"it": 3}, wrap_up_ms=-1)),
            agents=(
                an_agent("anna", capacity={"email": 1}),
                an_agent("bruno", capacity={"email": 1}, skills={"it": 5}),
                an_agent("sara", role="supervisor"),
            ),
        )
    )
    async with running_api(settings_for(tmp_path), log=log, clock=clock, router=router) as api:
        yield api
    task.cancel()


async def come(api: Api, agent: str, status: str = "available") -> Client:
    """The agent signs in and has this presence."""
    client = await api.client(agent)
    assert (await client.put("/v1/me/presence", {"status": status})).status_code == 200
    return client


async def active(api: Api, client: Client, number: int = 1) -> str:
    """A contact that this agent, the only one available, has accepted; its id."""
    contact_id = await api.router.receive(number)
    await api.caught_up()
    [offer] = (await client.get("/v1/me/work"))["offers"]
    assert offer["contact"]["id"] == contact_id
    assert (await client.post(f"/v1/offers/{offer['id']}/accept")).status_code == 200
    return contact_id


async def posted(client: Client, path: str, body: Any = None) -> dict[str, Any]:
    """The body of a 200."""
    answer = await client.post(path, body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def timeline(client: Client, contact_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(f"/v1/contacts/{contact_id}/timeline"))["items"]
    return items


async def test_a_transfer_keeps_the_history_and_leaves_the_sender(desk: Api) -> None:
    # given a contact with anna
    anna = await come(desk, "anna")
    contact_id = await active(desk, anna)
    before = await anna.get(f"/v1/contacts/{contact_id}")
    async with anna.stream() as socket:
        await next_frame(socket, "hello")
        # when she passes it on with a note
        shown = await posted(
            anna, f"/v1/contacts/{contact_id}/transfer", {"queue": "billing", "note": "Wants an invoice."}
        )
        # then it waits in the other queue, in its old place, and is no more in her work
        frame = await next_frame(socket, "contact.updated")
    assert (shown["state"], shown["queue"], shown["agent"], shown["transfers"]) == ("queued", "billing", None, 1)
    assert shown["skills"] == {"it": 3}
    assert (shown["due_at"], shown["received_at"]) == (before["due_at"], before["received_at"])
    assert (await anna.get("/v1/me/work"))["contacts"] == []
    assert (frame["change"], frame["contact"]["id"]) == ("transferred", contact_id)
    # and who takes it sees the note in the history
    bruno = await come(desk, "bruno")
    [offer] = (await bruno.get("/v1/me/work"))["offers"]
    assert offer["contact"]["id"] == contact_id
    entries = await timeline(bruno, contact_id)
    assert [entry["type"] for entry in entries] == [
        "contact.queued",
        "offer.made",
        "contact.assigned",
        "contact.transferred",
        "offer.made",
    ]
    assert entries[3]["data"]["text"] == "Wants an invoice."
    assert (entries[3]["agent"], entries[3]["data"]["by"]) == ("anna", "anna")


async def test_a_transfer_without_a_good_target_is_refused(desk: Api) -> None:
    anna = await come(desk, "anna")
    contact_id = await active(desk, anna)
    path = f"/v1/contacts/{contact_id}/transfer"
    assert await anna.refused(path, {"queue": "nowhere"}) == (404, "queue-unknown")
    assert await anna.refused(path, {"note": "somebody else"}) == (422, "invalid")
    assert await anna.refused(path, {"skills": {"it": 9}}) == (422, "invalid")
    bruno = await come(desk, "bruno")
    assert await bruno.refused(path, {"queue": "billing"}) == (409, "contact-not-yours")


async def test_the_same_transfer_again_has_one_effect(desk: Api) -> None:
    anna = await come(desk, "anna")
    contact_id = await active(desk, anna)
    path, body = f"/v1/contacts/{contact_id}/transfer", {"queue": "billing", "note": "Invoice."}
    answers = [await anna.post(path, body, key="once") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == 1
    assert (await anna.get(f"/v1/contacts/{contact_id}"))["transfers"] == 1


async def test_a_held_contact_leaves_room_and_comes_back_with_its_customer(desk: Api) -> None:
    # given anna with room for one mail, and one held
    anna = await come(desk, "anna")
    first = await active(desk, anna, 1)
    assert (await posted(anna, f"/v1/contacts/{first}/hold"))["state"] == "held"
    # when another one comes, she gets it
    second = await active(desk, anna, 2)
    # when the customer of the first writes, it waits for her room
    await desk.router.give(a_contact_received(3, message=a_message(3, thread_id=a_message(1).thread_id)))
    await desk.caught_up()
    assert (await anna.get(f"/v1/contacts/{first}"))["state"] == "held"
    third = await desk.router.receive(4)
    # then it comes back before anything new
    async with anna.stream() as socket:
        await next_frame(socket, "hello")
        await posted(anna, f"/v1/contacts/{second}/resolve")
        frame = await next_frame(socket, "contact.updated")
    assert (frame["contact"]["id"], frame["change"]) == (first, "resumed")
    work = await anna.get("/v1/me/work")
    assert [contact["id"] for contact in work["contacts"]] == [first]
    assert work["offers"] == []
    assert (await anna.get(f"/v1/contacts/{third}"))["state"] == "queued"


async def test_holding_and_resuming_by_hand(desk: Api) -> None:
    anna = await come(desk, "anna")
    contact_id = await active(desk, anna)
    assert await anna.refused(f"/v1/contacts/{contact_id}/resume") == (409, "contact-not-held")
    await posted(anna, f"/v1/contacts/{contact_id}/hold")
    assert await anna.refused(f"/v1/contacts/{contact_id}/hold") == (409, "already-held")
    assert (await posted(anna, f"/v1/contacts/{contact_id}/resume"))["state"] == "active"
    await posted(anna, f"/v1/contacts/{contact_id}/hold")
    assert (await posted(anna, f"/v1/contacts/{contact_id}/resolve"))["state"] == "resolved"
    types = [entry["type"] for entry in await timeline(anna, contact_id)]
    assert types[-4:] == ["contact.held", "contact.resumed", "contact.held", "contact.resolved"]


async def test_a_supervisor_assigns_beyond_capacity_and_is_warned(desk: Api) -> None:
    # given anna, full, and a contact that waits
    anna = await come(desk, "anna")
    await active(desk, anna, 1)
    waiting = await desk.router.receive(2)
    await desk.caught_up()
    sara = await desk.client("sara", Role.SUPERVISOR)
    # when
    async with anna.stream() as socket:
        await next_frame(socket, "hello")
        shown = await posted(sara, f"/v1/contacts/{waiting}/assign", {"agent": "anna"})
        frame = await next_frame(socket, "contact.assigned")
    # then
    assert (shown["state"], shown["agent"], shown["warnings"]) == ("active", "anna", ["over-capacity"])
    assert (frame["contact"]["id"], frame["offer_id"]) == (waiting, None)
    assert (await timeline(sara, waiting))[-1]["data"] == {"by": "sara", "over_capacity": True}
    # and takes it back, and gives it to somebody else
    await come(desk, "bruno", "busy")
    assert (await posted(sara, f"/v1/contacts/{waiting}/requeue"))["state"] == "queued"
    shown = await posted(sara, f"/v1/contacts/{waiting}/assign", {"agent": "bruno"})
    assert (shown["agent"], shown["warnings"]) == ("bruno", [])


async def test_what_supervisors_do_is_for_supervisors(desk: Api) -> None:
    anna = await come(desk, "anna")
    contact_id = await active(desk, anna)
    for path, body in (
        ("assign", {"agent": "bruno"}),
        ("requeue", None),
        ("cancel", {"reason": "spam"}),
    ):
        status, _ = await anna.refused(f"/v1/contacts/{contact_id}/{path}", body)
        assert status == 403
    answer = await anna.http.patch(f"/v1/contacts/{contact_id}", json={"priority": 3})
    assert answer.status_code == 403


async def test_a_supervisor_resolves_and_cancels_what_is_not_his(desk: Api) -> None:
    anna = await come(desk, "anna")
    first = await active(desk, anna, 1)
    second = await desk.router.receive(2)
    await desk.caught_up()
    sara = await desk.client("sara", Role.SUPERVISOR)
    resolved = await posted(sara, f"/v1/contacts/{first}/resolve", {"disposition": "duplicate"})
    assert (resolved["state"], resolved["agent"]) == ("resolved", "anna")
    cancelled = await posted(sara, f"/v1/contacts/{second}/cancel", {"reason": "spam"})
    assert (cancelled["state"], cancelled["light"]) == ("cancelled", "green")
    assert await sara.refused(f"/v1/contacts/{second}/cancel") == (409, "already-resolved")
    work = await anna.get("/v1/me/work")
    assert (work["contacts"], work["offers"]) == ([], [])


async def test_a_change_of_priority_acts_on_what_waits(desk: Api) -> None:
    # given two contacts that wait
    first = await desk.router.receive(1)
    second = await desk.router.receive(2)
    await desk.caught_up()
    sara = await desk.client("sara", Role.SUPERVISOR)
    before = await sara.get(f"/v1/contacts/{second}")
    # when the later one is made urgent
    answer = await sara.http.patch(f"/v1/contacts/{second}", json={"priority": 5})
    # then it is due earlier, and is offered first
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["priority"] == 5
    assert shown["due_at"] < before["due_at"]
    anna = await come(desk, "anna")
    [offer] = (await anna.get("/v1/me/work"))["offers"]
    assert offer["contact"]["id"] == second
    assert (await anna.get(f"/v1/contacts/{first}"))["state"] == "queued"
    # and a change that changes nothing is a mistake
    assert problem_of(await sara.http.patch(f"/v1/contacts/{first}", json={})) == (422, "invalid")


async def test_an_agent_takes_a_waiting_contact_by_name(desk: Api) -> None:
    # given an agent who declined a contact
    anna = await come(desk, "anna")
    contact_id = await desk.router.receive(1)
    await desk.caught_up()
    [offer] = (await anna.get("/v1/me/work"))["offers"]
    assert await anna.refused(f"/v1/contacts/{contact_id}/pull") == (409, "contact-offered")
    await posted(anna, f"/v1/offers/{offer['id']}/reject")
    # when he wants it after all
    shown = await posted(anna, f"/v1/contacts/{contact_id}/pull")
    # then
    assert (shown["state"], shown["agent"]) == ("active", "anna")
    bruno = await come(desk, "bruno")
    assert await bruno.refused(f"/v1/contacts/{contact_id}/pull") == (409, "contact-not-waiting")


async def test_a_wrap_up_until_the_agent_is_done(desk: Api) -> None:
    # given a contact of a queue with a wrap-up that has no end
    bruno = await come(desk, "bruno")
    await desk.router.give(a_contact_received(1, queue="billing"))
    await desk.caught_up()
    [offer] = (await bruno.get("/v1/me/work"))["offers"]
    contact_id = offer["contact"]["id"]
    await posted(bruno, f"/v1/offers/{offer['id']}/accept")
    # when
    shown = await posted(bruno, f"/v1/contacts/{contact_id}/resolve")
    # then it lasts until he says so
    assert (shown["state"], shown["wrap_up_until"]) == ("wrap_up", None)
    refused = await bruno.refused(f"/v1/contacts/{contact_id}/wrap-up/extend", {"by_ms": 1000})
    assert refused == (409, "wrap-up-without-end")
    assert (await posted(bruno, f"/v1/contacts/{contact_id}/wrap-up/done"))["state"] == "resolved"


async def test_a_contact_is_passed_on_to_a_colleague(desk: Api) -> None:
    # given a contact with anna
    anna = await come(desk, "anna")
    contact_id = await active(desk, anna)
    path = f"/v1/contacts/{contact_id}/transfer"
    assert await anna.refused(path, {"agent": "bruno"}) == (409, "agent-away")
    assert await anna.refused(path, {"agent": "nobody"}) == (404, "agent-unknown")
    assert await anna.refused(path, {"agent": "anna"}) == (409, "already-assigned")
    # when she passes it on to bruno
    bruno = await come(desk, "bruno")
    async with bruno.stream() as socket:
        await next_frame(socket, "hello")
        await posted(anna, path, {"agent": "bruno"})
        frame = await next_frame(socket, "offer.made")
    # then he is asked, because it is for him
    assert frame["offer"]["contact"]["id"] == contact_id
    assert frame["offer"]["reason"]["strategy"] == "preferred_agent"
    transferred = next(item for item in await timeline(bruno, contact_id) if item["type"] == "contact.transferred")
    assert transferred["data"]["to"] == "bruno"


async def test_a_customer_who_left_is_shown_and_comes_back(desk: Api) -> None:
    # given a contact that waits
    sara = await desk.client("sara", Role.SUPERVISOR)
    contact_id = await desk.router.receive(1)
    await desk.caught_up()
    # when the customer leaves
    await desk.router.give(CustomerLeft(pool="care", contact_id=contact_id))
    await desk.caught_up()
    # then it is over for the queue, and can be seen to have been abandoned
    shown = await sara.get(f"/v1/contacts/{contact_id}")
    assert (shown["state"], shown["light"]) == ("abandoned", "green")
    # for a quarter of an hour it can come back
    left_at = (await timeline(sara, contact_id))[-1]["at"]
    assert datetime.fromisoformat(shown["resumable_until"]) - datetime.fromisoformat(left_at) == timedelta(minutes=15)
    assert await resumable(sara) == [contact_id]
    orders = next(queue for queue in (await sara.get("/v1/queues"))["items"] if queue["id"] == "orders")
    assert orders["waiting"] == 0
    now_ms = desk.router.clock.now_ms()
    days = {"from": rfc3339(now_ms - 2 * 86_400_000), "to": rfc3339(now_ms + 86_400_000)}
    report = await sara.get("/v1/reports/service-level", **days)
    assert [line["abandoned"] for line in report["items"] if line["key"] == "orders"] == [1]
    # and with the customer's next message, which tells a number too, it waits again
    first = a_message(1)
    again = a_message(
        2, thread_id=first.thread_id, handle=first.handle, handles=(first.handle, "tel:+393331234567"), text="Hello?"
    )
    await desk.router.give(a_contact_received(2, message=again))
    await desk.caught_up()
    shown = await sara.get(f"/v1/contacts/{contact_id}")
    assert (shown["state"], shown["preview"]) == ("queued", "Hello?")
    assert shown["resumable_until"] is None
    assert await resumable(sara) == []
    card = await sara.get(f"/v1/customers/{shown['customer']['id']}")
    assert "tel:+393331234567" in str(card["handles"])
    messages = (await sara.get(f"/v1/contacts/{contact_id}/messages"))["items"]
    assert len(messages) == 2
    types = [entry["type"] for entry in await timeline(sara, contact_id)]
    assert types == ["contact.queued", "contact.wait-expected", "contact.abandoned", "contact.returned"]


async def test_who_left_for_too_long_is_not_listed_any_more(desk: Api) -> None:
    assert isinstance(desk.router, DecidingRouter)
    sara = await desk.client("sara", Role.SUPERVISOR)
    contact_id = await desk.router.receive(1)
    await desk.router.give(CustomerLeft(pool="care", contact_id=contact_id))
    await desk.router.pass_time(900_000)
    await desk.caught_up()
    assert await resumable(sara) == []
    assert (await sara.get(f"/v1/contacts/{contact_id}"))["state"] == "abandoned"


async def resumable(client: Client) -> list[str]:
    """Whose customers left and may come back."""
    return [item["id"] for item in (await client.get("/v1/contacts", resumable="true"))["items"]]


async def test_a_colleague_is_consulted(desk: Api) -> None:
    # given a contact with anna, and bruno on a break
    anna = await come(desk, "anna")
    contact_id = await active(desk, anna)
    bruno = await come(desk, "bruno", "break")
    path = f"/v1/contacts/{contact_id}/consult"
    # when she asks him
    async with bruno.stream() as socket:
        await next_frame(socket, "hello")
        shown = await posted(anna, path, {"agent": "bruno"})
        frame = await next_frame(socket, "contact.updated")
    # then he sees it in his work, and it is hers
    assert (shown["agent"], shown["consults"]) == ("anna", ["bruno"])
    assert (frame["change"], frame["contact"]["id"]) == ("consult-started", contact_id)
    work = await bruno.get("/v1/me/work")
    assert [contact["id"] for contact in work["consults"]] == [contact_id]
    assert (work["contacts"], work["offers"]) == ([], [])
    assert (await anna.get("/v1/me/work"))["consults"] == []
    assert await anna.refused(path, {"agent": "bruno"}) == (409, "already-consulted")
    # and may note, and end it himself
    assert (await bruno.post(f"/v1/contacts/{contact_id}/notes", {"text": "Send a new one."})).status_code == 201
    assert (await bruno.http.delete(path)).json()["consults"] == []
    assert problem_of(await anna.http.delete(path, params={"agent": "bruno"})) == (409, "not-consulted")
    # and with the end of the conversation it ends by itself
    await posted(anna, path, {"agent": "bruno"})
    async with bruno.stream() as socket:
        await next_frame(socket, "hello")
        await posted(anna, f"/v1/contacts/{contact_id}/resolve")
        assert (await next_frame(socket, "contact.updated"))["change"] == "consult-ended"
    assert (await bruno.get("/v1/me/work"))["consults"] == []
    assert (await anna.get(f"/v1/contacts/{contact_id}"))["consults"] == []


async def test_a_colleague_without_the_skills_is_offered_what_is_passed_on_by_name(desk: Api) -> None:
    # given a contact with bruno
    bruno = await come(desk, "bruno")
    contact_id = await active(desk, bruno)
    anna = await come(desk, "anna")
    # when he passes it on to anna by name, into a queue whose skills she lacks
    async with anna.stream() as socket:
        await next_frame(socket, "hello")
        shown = await posted(bruno, f"/v1/contacts/{contact_id}/transfer", {"agent": "anna", "queue": "billing"})
        offer = (await next_frame(socket, "offer.made"))["offer"]
    # then he is told so, and she is offered it and may take it
    assert shown["warnings"] == ["skills-missing"]
    assert (offer["contact"]["id"], offer["reason"]["strategy"]) == (contact_id, "named")
    transferred = next(item for item in await timeline(bruno, contact_id) if item["type"] == "contact.transferred")
    assert transferred["data"]["lacks"] == {"it": 3}
    assert (await anna.post(f"/v1/offers/{offer['id']}/accept")).json()["agent"] == "anna"
