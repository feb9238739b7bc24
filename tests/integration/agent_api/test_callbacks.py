"""Callbacks through the API, with the core that really decides behind it."""

from __future__ import annotations

from typing import Any

from libs.common.clock import rfc3339
from libs.common.events.inputs import AnyInput, CallbackWish, CustomerLeft
from libs.common.events.pool import CallbackConfiguration, Overflow
from libs.common.http.auth import Role
from libs.common.testing.builders import a_contact_received, a_message, a_queue, an_agent
from tests.integration.agent_api.test_handling import active, come, desk, posted, timeline
from tests.support.agent_api import Api, a_pool_configured, next_frame
from tests.support.deciding_router import DecidingRouter
from tests.support.waiting import eventually

__all__ = ["desk"]  # The fixture: an agent API, a deciding router, the queues `orders` and `billing`.

LUCA = "tel:+393331234567"


async def one_attempt(desk: Api, attempts: int) -> None:
    """Callbacks of `orders` are tried so often."""
    await desk.router.tell(
        a_pool_configured(
            version="v2",
            queues=(
                a_queue("orders", callback=CallbackConfiguration(attempts=attempts, texts={"en": "We will call."})),
            ),
            agents=(an_agent("anna"), an_agent("sara", role="supervisor")),
        )
    )
    await desk.caught_up()


async def pass_time(desk: Api, duration_ms: int) -> None:
    """Time passes, and the router is told."""
    assert isinstance(desk.router, DecidingRouter)
    await desk.router.pass_time(duration_ms)


async def give(desk: Api, event: AnyInput) -> None:
    """One input is decided and shown."""
    offset = (await desk.router.give(event)).last_offset
    await eventually(lambda: desk.router.answered > offset)
    await desk.caught_up()


async def wished(desk: Api, number: int = 1, handle: str = LUCA, after_ms: int | None = None) -> str:
    """A customer comes in by an integration and wants to be called; the contact's id."""
    now_ms = desk.router.clock.now_ms()
    wish = CallbackWish(handle=handle, not_before_ms=None if after_ms is None else now_ms + after_ms)
    received = a_contact_received(number, callback=wish)
    await give(desk, received)
    return received.contact_id


async def test_an_agent_calls_the_customer_who_waits_for_it(desk: Api) -> None:
    # given a callback of a queue that has words for it
    await one_attempt(desk, attempts=2)
    contact_id = await wished(desk, after_ms=60_000)
    anna = await come(desk, "anna")
    shown = await anna.get(f"/v1/contacts/{contact_id}")
    assert (shown["state"], shown["light"]) == ("scheduled", "red")
    assert (shown["callback"]["handle"], shown["callback"]["attempts"]) == (LUCA, 0)
    sara = await desk.client("sara", Role.SUPERVISOR)
    [queue] = [item for item in (await sara.get("/v1/queues"))["items"] if item["id"] == "orders"]
    assert (queue["waiting"], queue["scheduled"]) == (0, 1)
    # when its time has come it is offered, with the number
    async with anna.stream() as socket:
        await next_frame(socket, "hello")
        await pass_time(desk, 60_000)
        offer = (await next_frame(socket, "offer.made"))["offer"]
    assert offer["contact"]["id"] == contact_id
    assert offer["contact"]["callback"]["handle"] == LUCA
    # and when nobody answers it is planned again, and in the end over
    assert (await anna.post(f"/v1/offers/{offer['id']}/accept")).status_code == 200
    [busy] = [agent for agent in (await sara.get("/v1/agents"))["items"] if agent["id"] == "anna"]
    assert busy["load"] == {"voice": 1}
    shown = await posted(anna, f"/v1/contacts/{contact_id}/callback/not-reached")
    assert (shown["state"], shown["agent"], shown["callback"]["attempts"]) == ("scheduled", None, 1)
    await pass_time(desk, 1_800_000)
    await desk.caught_up()
    [again] = (await anna.get("/v1/me/work"))["offers"]
    assert (await anna.post(f"/v1/offers/{again['id']}/accept")).status_code == 200
    shown = await posted(anna, f"/v1/contacts/{contact_id}/callback/not-reached")
    assert (shown["state"], shown["light"]) == ("cancelled", "green")
    # and its history tells everything
    kinds = [entry["type"] for entry in await timeline(anna, contact_id)]
    assert kinds == [
        "contact.queued",
        "callback.scheduled",
        "customer.notified",
        "callback.due",
        "offer.made",
        "contact.assigned",
        "callback.missed",
        "callback.due",
        "offer.made",
        "contact.assigned",
        "contact.cancelled",
    ]


async def test_an_agent_asks_for_a_callback_on_behalf_of_a_customer(desk: Api) -> None:
    # given a contact by mail, with its agent
    anna = await come(desk, "anna")
    contact_id = await active(desk, anna)
    path = f"/v1/contacts/{contact_id}/callback"
    assert await anna.refused(path) == (422, "handle-missing")
    assert await anna.refused(path, {"handle": "tel:333"}) == (422, "invalid")
    assert await anna.refused(path + "/not-reached") == (409, "no-callback")
    # when the agent asks for a call in a minute
    not_before = rfc3339(desk.router.clock.now_ms() + 60_000)
    body: dict[str, Any] = {"handle": LUCA, "not_before": not_before}
    shown = await posted(anna, path, body)
    # then the contact waits for that, and the agent has it no more
    assert (shown["state"], shown["agent"], shown["callback"]) == (
        "scheduled",
        None,
        {"handle": LUCA, "not_before": not_before, "attempts": 0},
    )
    assert (await anna.get("/v1/me/work"))["contacts"] == []
    # and a second one to the same number is refused
    other = await desk.router.receive(2)
    await desk.caught_up()
    assert await anna.refused(f"/v1/contacts/{other}/callback", {"handle": LUCA}) == (409, "callback-open")


async def test_a_call_that_is_not_wanted_any_more_is_declined_by_the_id_of_its_request(desk: Api) -> None:
    # given a mail that waits, and a call that its customer asks for by another way
    contact_id = await desk.router.receive(1)
    wish = CallbackWish(handle=LUCA, not_before_ms=desk.router.clock.now_ms() + 60_000)
    again = a_contact_received(1, message=a_message(1, provider_id="ivr"), contact_id="con_ivr", callback=wish)
    await give(desk, again)
    anna = await come(desk, "anna")
    assert (await anna.get(f"/v1/contacts/{contact_id}"))["state"] == "scheduled"
    # when the call is not wanted any more
    await give(desk, CustomerLeft(pool=again.pool, contact_id="con_ivr", declines_callback=True))
    # then the mail waits for its answer, and its history says why
    shown = await anna.get(f"/v1/contacts/{contact_id}")
    assert (shown["state"], shown["callback"], shown["channel"]) == ("offered", None, "email")
    assert "callback.withdrawn" in [entry["type"] for entry in await timeline(anna, contact_id)]


async def test_the_agent_sees_both_contacts_that_one_call_serves(desk: Api) -> None:
    # given two contacts of one number, and a queue whose customers are called after a minute
    rule = Overflow(when="waited", at_least=60_000, to="callback")
    queue = a_queue("orders", overflow=(rule,))
    await desk.router.tell(a_pool_configured(version="v2", queues=(queue,), agents=(an_agent("anna"),)))
    for number, channel in ((1, "sms"), (2, "whatsapp")):
        message = a_message(number, handle=LUCA, channel=channel, account=channel, text=f"Domanda {number}")
        await give(desk, a_contact_received(number, contact_id=f"con_{number}", message=message))
    # when both have waited for so long
    await pass_time(desk, 61_000)
    anna = await come(desk, "anna")
    # then one contact is offered, which shows what was said in both
    [offer] = (await anna.get("/v1/me/work"))["offers"]
    called = offer["contact"]["id"]
    messages = (await anna.get(f"/v1/contacts/{called}/messages"))["items"]
    assert sorted(message["text"] for message in messages) == ["Domanda 1", "Domanda 2"]
    assert "callback.joined" in [entry["type"] for entry in await timeline(anna, called)]
    [other] = {"con_1", "con_2"} - {called}
    shown = await anna.get(f"/v1/contacts/{other}")
    assert (shown["state"], shown["light"], shown["merged_into"]) == ("merged", "green", called)
    assert [item["id"] for item in (await anna.get("/v1/contacts", state="merged"))["items"]] == [other]


async def test_reports_count_callbacks_apart(desk: Api) -> None:
    anna = await come(desk, "anna")
    await wished(desk, after_ms=60_000)
    await active(desk, anna, 2)
    sara = await desk.client("sara", Role.SUPERVISOR)
    now_ms = desk.router.clock.now_ms()
    report = await sara.get(
        "/v1/reports/service-level",
        **{"from": rfc3339(now_ms - 90_000_000), "to": rfc3339(now_ms + 3_600_000), "by": "queue"},
    )
    [line] = report["items"]
    assert (line["received"], line["callbacks"], line["answered"]) == (2, 1, 1)
