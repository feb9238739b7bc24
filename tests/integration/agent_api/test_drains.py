"""A supervisor lets a queue run empty, through the API, with the core that really decides behind it."""

from __future__ import annotations

from typing import Any

from libs.common.http.auth import Role
from libs.common.testing.builders import a_queue, an_agent
from tests.integration.agent_api.test_handling import come, desk, posted, timeline
from tests.support.agent_api import Api, Client, a_pool_configured, next_frame, problem_of

__all__ = ["desk"]  # The fixture: an agent API, a deciding router, the queues `orders` and `billing`.


async def queues(client: Client) -> dict[str, tuple[int, bool, str | None]]:
    """By queue: how many wait, and how it is drained."""
    items: list[dict[str, Any]] = (await client.get("/v1/queues"))["items"]
    return {item["id"]: (item["waiting"], item["drained"], item["draining_to"]) for item in items}


async def test_a_queue_is_drained_to_another_and_takes_contacts_again(desk: Api) -> None:
    # given a contact that waits
    sara = await desk.client("sara", Role.SUPERVISOR)
    first = await desk.router.receive(1)
    await desk.caught_up()
    before = await sara.get(f"/v1/contacts/{first}")
    async with sara.stream() as socket:
        await next_frame(socket, "hello")
        # when a supervisor drains its queue to another
        shown = await posted(sara, "/v1/queues/orders/drain", {"to": "billing"})
        assert shown == {"pool": "care", "id": "orders", "drained": True, "draining_to": "billing"}
        # then it waits there, in its old place, as all who watch are told
        while not (queue := (await next_frame(socket, "queue.changed"))["queue"])["drained"]:
            pass
    assert (queue["id"], queue["draining_to"], queue["waiting"]) == ("orders", "billing", 0)
    assert await queues(sara) == {"orders": (0, True, "billing"), "billing": (1, False, None)}
    after = await sara.get(f"/v1/contacts/{first}")
    assert (after["queue"], after["due_at"], after["state"]) == ("billing", before["due_at"], "queued")
    [moved] = [entry for entry in await timeline(sara, first) if entry["type"] == "contact.moved"]
    assert (moved["data"]["queue"], moved["data"]["from_queue"], moved["data"]["cause"]) == (
        "billing",
        "orders",
        "drain",
    )
    # and a new configuration leaves it so
    await desk.router.tell(
        a_pool_configured(
            version="v2",
            queues=(a_queue("orders"), a_queue("billing")),
            agents=(an_agent("anna"), an_agent("sara", role="supervisor")),
        )
    )
    await desk.caught_up()
    second = await desk.router.receive(2)
    await desk.caught_up()
    assert (await sara.get(f"/v1/contacts/{second}"))["queue"] == "billing"
    # until it is lifted
    answer = await sara.http.delete("/v1/queues/orders/drain")
    assert answer.json() == {"pool": "care", "id": "orders", "drained": False, "draining_to": None}
    third = await desk.router.receive(3)
    await desk.caught_up()
    assert (await sara.get(f"/v1/contacts/{third}"))["queue"] == "orders"
    assert problem_of(await sara.http.delete("/v1/queues/orders/drain")) == (409, "queue-not-drained")


async def test_a_drain_that_cannot_be_is_refused_with_its_reason(desk: Api) -> None:
    sara = await desk.client("sara", Role.SUPERVISOR)
    path = "/v1/queues/orders/drain"
    assert await sara.refused(path, {"to": "orders"}) == (409, "drain-to-itself")
    assert await sara.refused(path, {"to": "nowhere"}) == (404, "queue-unknown")
    assert await sara.refused("/v1/queues/nowhere/drain") == (404, "queue-unknown")
    assert (await posted(sara, "/v1/queues/billing/drain"))["drained"]
    assert await sara.refused(path, {"to": "billing"}) == (409, "drain-to-drained")
    assert await sara.refused(path) == (409, "drain-without-target")


async def test_draining_is_for_supervisors_of_the_pool(desk: Api) -> None:
    anna = await come(desk, "anna")
    assert await anna.refused("/v1/queues/orders/drain") == (403, "forbidden")
    sara = await desk.client("sara", Role.SUPERVISOR)
    assert await sara.refused("/v1/queues/deals/drain") == (404, "queue-unknown")


async def test_the_same_request_again_has_one_effect(desk: Api) -> None:
    sara = await desk.client("sara", Role.SUPERVISOR)
    first = await sara.post("/v1/queues/orders/drain", {"to": "billing"}, key="once")
    await sara.http.delete("/v1/queues/orders/drain")
    again = await sara.post("/v1/queues/orders/drain", {"to": "billing"}, key="once")
    assert first.json() == again.json()
    assert await queues(sara) == {"orders": (0, False, None), "billing": (0, False, None)}
