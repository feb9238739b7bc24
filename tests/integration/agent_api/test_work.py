"""An agent's way through a contact, over HTTP and the stream, on both databases."""

from __future__ import annotations

from libs.common.http.auth import Role
from tests.support.agent_api import Api, next_frame


async def test_a_contact_goes_from_the_queue_to_resolved(any_api: Api) -> None:
    # given an agent with an open stream
    anna = await any_api.client()
    async with anna.stream() as socket:
        hello = await next_frame(socket)
        assert hello["type"] == "hello"
        assert hello["work"]["offers"] == []

        # when a customer writes and the router offers the contact
        contact_id = await any_api.router.receive(1, name="Luca Verdi")
        offer_id = await any_api.router.offer(contact_id)

        # then the agent hears of it, with why
        made = await next_frame(socket, "offer.made")
        assert made["offer"]["id"] == offer_id
        assert made["offer"]["contact"]["light"] == "red"
        assert made["offer"]["contact"]["customer"]["name"] == "Luca Verdi"
        assert made["offer"]["reason"]["strategy"] == "longest-idle"
        assert (await anna.get("/v1/me/work"))["offers"][0]["id"] == offer_id

        # when the agent accepts
        accepted = await anna.post(f"/v1/offers/{offer_id}/accept")

        # then the contact is the agent's
        assert accepted.status_code == 200
        assert accepted.json()["agent"] == "anna"
        assert accepted.json()["light"] == "yellow"
        assert (await next_frame(socket, "contact.assigned"))["contact"]["id"] == contact_id
        work = await anna.get("/v1/me/work")
        assert [contact["id"] for contact in work["contacts"]] == [contact_id]
        assert work["offers"] == []

        # when the work is done
        resolved = await anna.post(f"/v1/contacts/{contact_id}/resolve", {"disposition": "answered"})

        # then it is out of the agent's hands, and green
        assert resolved.status_code == 200
        assert resolved.json()["state"] == "resolved"
        assert resolved.json()["disposition"] == "answered"
        assert (await next_frame(socket, "contact.resolved"))["contact"]["light"] == "green"
        assert (await anna.get("/v1/me/work"))["contacts"] == []
        timeline = await anna.get(f"/v1/contacts/{contact_id}/timeline")
        assert [entry["type"] for entry in timeline["items"]] == [
            "contact.queued",
            "offer.made",
            "contact.assigned",
            "contact.resolved",
        ]


async def test_presence_is_changed_by_the_agent_and_by_a_supervisor(any_api: Api) -> None:
    # given
    anna, sara = await any_api.client(), await any_api.client("sara", Role.SUPERVISOR)

    # when
    answer = await anna.put("/v1/me/presence", {"status": "available"})

    # then
    assert answer.status_code == 200
    assert answer.json()["presence"] == "available"
    assert (await anna.get("/v1/me"))["presence"] == "available"

    # when a supervisor sends the agent on a break
    answer = await sara.put("/v1/agents/anna/presence", {"status": "break"})

    # then
    assert answer.json()["presence"] == "break"
    agents = {agent["id"]: agent for agent in (await sara.get("/v1/agents"))["items"]}
    assert agents["anna"]["presence"] == "break"
    assert agents["bruno"]["presence"] == "offline"
