"""Numbers: queues, throughput, service levels; each computed from what is in the view, null where nothing is known."""

from __future__ import annotations

from typing import Any

from libs.common.clock import SystemClock
from libs.common.events import routing
from libs.common.events.pool import ChannelConfiguration
from libs.common.http.auth import Role
from libs.common.testing.builders import a_contact_assigned, a_contact_queued, a_contact_resolved, a_queue, an_agent
from tests.support.agent_api import Api, a_pool_configured, problem_of

MINUTE_MS = 60_000


async def test_a_queue_of_which_nothing_is_known_says_so(api: Api) -> None:
    # given a queue without contacts
    sara = await api.client("sara", Role.SUPERVISOR)

    # when
    (queue,) = (await sara.get("/v1/queues"))["items"]

    # then
    assert queue == {
        "pool": "care",
        "id": "orders",
        "waiting": 0,
        "offered": 0,
        "active": 0,
        "scheduled": 0,
        "drained": False,
        "draining_to": None,
        "oldest_received_at": None,
        "oldest_wait_ms": None,
        "target_ms": 60_000,
        "service_level": None,
        "service_level_window_ms": 3_600_000,
        "expected_wait_ms": None,
        "abandoned": 0,
        "pull": False,
        "configured": True,
    }


async def test_a_queue_shows_who_waits_and_how_long_it_will_take(any_api: Api) -> None:
    # given three contacts answered within the last minutes (two in time), one waiting and late, one waiting and not
    api = any_api
    now_ms = SystemClock().now_ms()
    sara = await api.client("sara", Role.SUPERVISOR)
    for number, (received_ms, waited_ms) in enumerate(
        ((now_ms - 10 * MINUTE_MS, 20_000), (now_ms - 9 * MINUTE_MS, 50_000), (now_ms - 8 * MINUTE_MS, 200_000)), 1
    ):
        queued = a_contact_queued(number, at_ms=received_ms, received_ms=received_ms, due_ms=received_ms + MINUTE_MS)
        await api.router.tell(
            queued, a_contact_assigned(queued.contact_id, at_ms=received_ms + waited_ms, offer_id=None)
        )
    for number, age_ms in ((4, 5 * MINUTE_MS), (5, 1_000)):
        received_ms = now_ms - age_ms
        await api.router.tell(
            a_contact_queued(number, at_ms=now_ms, received_ms=received_ms, due_ms=received_ms + MINUTE_MS)
        )
    # and the router has said that the agents together take a minute for each
    await api.router.tell(routing.QueuePaced(pool="care", at_ms=now_ms, queue="orders", step_us=60_000_000))
    await api.caught_up()

    # when
    (queue,) = (await sara.get("/v1/queues"))["items"]

    # then: of the three answered and the one that is overdue, two were in time
    assert (queue["waiting"], queue["active"]) == (2, 3)
    assert queue["oldest_wait_ms"] >= 5 * MINUTE_MS
    assert queue["service_level"] == 0.5
    # Two wait already, so that the next one is the third.
    assert queue["expected_wait_ms"] == 3 * MINUTE_MS
    # and integrations are told the same
    site = await api.integration()
    assert (await site.get("/v1/expected-waits", pool="care"))["items"] == [
        {"queue": "orders", "waiting": 2, "expected_wait_ms": 3 * MINUTE_MS}
    ]
    assert (await site.get("/v1/expected-waits", pool="none"))["items"] == []
    agents = {agent["id"]: agent["load"] for agent in (await sara.get("/v1/agents"))["items"]}
    assert agents["anna"] == {"email": 3}
    assert agents["bruno"] == {}


async def test_a_queue_that_is_gone_is_shown_while_contacts_are_in_it(any_api: Api) -> None:
    # given two queues, with a contact in one of them
    api = any_api
    sara = await api.client("sara", Role.SUPERVISOR)
    orders, billing = a_queue("orders"), a_queue("billing", pull=True)
    queued = a_contact_queued(1, queue="billing")
    await api.router.tell(a_pool_configured(queues=(orders, billing)), queued)
    # when the configuration has neither that one nor another, in which nothing is, any more
    await api.router.tell(a_pool_configured(version="v2", queues=(orders, a_queue("empty"))))
    await api.router.tell(a_pool_configured(version="v3", queues=(orders,)))
    await api.caught_up()
    # then who waits there is still shown, and nothing else can be done with the queue
    queues = {queue["id"]: queue for queue in (await sara.get("/v1/queues"))["items"]}
    assert {name: (queue["configured"], queue["waiting"]) for name, queue in queues.items()} == {
        "billing": (False, 1),
        "orders": (True, 0),
    }
    assert (queues["billing"]["pull"], queues["billing"]["expected_wait_ms"]) == (False, None)
    assert problem_of(await sara.http.post("/v1/queues/billing/drain")) == (404, "queue-unknown")
    assert [queue["id"] for queue in (await sara.get("/v1/destinations"))["items"]] == ["orders"]
    # until nobody does
    await api.router.tell(a_contact_assigned(queued.contact_id, offer_id=None), a_contact_resolved(queued.contact_id))
    await api.caught_up()
    assert [queue["id"] for queue in (await sara.get("/v1/queues"))["items"]] == ["orders"]


async def test_a_contact_that_waits_shows_its_place_and_how_long_it_will_take(any_api: Api) -> None:
    # given two that wait, the later one due before the earlier, and the queue's pace
    api = any_api
    now_ms = SystemClock().now_ms()
    sara = await api.client("sara", Role.SUPERVISOR)
    first = a_contact_queued(1, at_ms=now_ms, received_ms=now_ms - 2_000, due_ms=now_ms + 90_000)
    second = a_contact_queued(2, at_ms=now_ms, received_ms=now_ms - 1_000, due_ms=now_ms + 30_000)
    await api.router.tell(
        first,
        routing.WaitExpected(pool="care", at_ms=now_ms, contact_id=first.contact_id, position=1),
        second,
        routing.QueuePaced(pool="care", at_ms=now_ms, queue="orders", step_us=60_000_000),
    )
    await api.caught_up()

    # when one looks at them; then each has the place that it has now
    shown = [await sara.get(f"/v1/contacts/{fact.contact_id}") for fact in (first, second)]
    assert [(one["position"], one["expected_wait_ms"]) for one in shown] == [(2, 2 * MINUTE_MS), (1, MINUTE_MS)]
    timeline = (await sara.get(f"/v1/contacts/{first.contact_id}/timeline"))["items"]
    told = [entry["data"] for entry in timeline if entry["type"] == "contact.wait-expected"]
    assert [one["position"] for one in told] == [1]

    # when the second is with an agent; then it has no place, and the first is next
    await api.router.tell(a_contact_assigned(second.contact_id, at_ms=now_ms, offer_id=None))
    await api.caught_up()
    shown = [await sara.get(f"/v1/contacts/{fact.contact_id}") for fact in (first, second)]
    assert [(one["position"], one["expected_wait_ms"]) for one in shown] == [(1, MINUTE_MS), (None, None)]


async def test_the_report_counts_by_queue_channel_and_agent(any_api: Api) -> None:
    # given one answered in time by mail, one late by phone, one overdue
    api = any_api
    start_ms = 1_700_000_000_000
    sara = await api.client("sara", Role.SUPERVISOR)
    for number, channel, answered in ((1, "email", 30_000), (2, "voice", 90_000), (3, "email", None)):
        queued = a_contact_queued(
            number, at_ms=start_ms, received_ms=start_ms, due_ms=start_ms + MINUTE_MS, channel=channel
        )
        await api.router.tell(queued)
        if answered is not None:
            await api.router.tell(
                a_contact_assigned(queued.contact_id, at_ms=start_ms + answered),
                a_contact_resolved(queued.contact_id, at_ms=start_ms + answered + 1, channel=channel),
            )
    await api.caught_up()
    time = {"from": "2023-11-14T22:13:20Z", "to": "2023-11-15T00:13:20.5+01:00"}

    async def lines(by: str) -> dict[str, tuple[int, int, int, int, float | None, int | None]]:
        report = await sara.get("/v1/reports/service-level", by=by, **time)
        assert report["from"] == "2023-11-14T22:13:20.000Z"
        assert report["to"] == "2023-11-14T23:13:20.500Z"
        return {
            line["key"]: (
                line["received"],
                line["answered"],
                line["answered_within_target"],
                line["overdue"],
                line["service_level"],
                line["mean_wait_ms"],
            )
            for line in report["items"]
        }

    # when / then
    assert await lines("queue") == {"orders": (3, 2, 1, 1, 0.3333, 60_000)}
    assert await lines("channel") == {"email": (2, 1, 1, 1, 0.5, 30_000), "voice": (1, 1, 0, 0, 0.0, 90_000)}
    assert await lines("agent") == {"anna": (2, 2, 1, 0, 0.5, 60_000), "": (1, 0, 0, 1, 0.0, None)}
    for question in (
        "by=mood",
        "from=yesterday",
        "from=2023-11-14T22:13:20",
        "from=2024-01-01T00:00:00Z&to=2023-01-01T00:00:00Z",
    ):
        answer = await sara.http.get(f"/v1/reports/service-level?{question}")
        assert problem_of(answer) == (422, "invalid"), question


async def test_throughput_is_counted_by_the_minute(any_api: Api) -> None:
    # given
    api = any_api
    anna = await api.client()
    contact_id = await api.active_contact(1)
    await api.router.receive(2, channel="sms")
    await anna.post(f"/v1/contacts/{contact_id}/resolve")
    await api.caught_up()

    # when
    minutes = (await anna.get("/v1/metrics/realtime"))["minutes"]

    # then
    def total(counter: str, channel: str) -> int:
        return sum(int(minute[counter]) for minute in minutes if minute["channel"] == channel)

    assert [total(counter, "email") for counter in ("received", "assigned", "resolved")] == [1, 1, 1]
    assert [total(counter, "sms") for counter in ("received", "assigned", "resolved")] == [1, 0, 0]
    assert (await anna.get("/v1/metrics/realtime", channel="voice"))["minutes"] == []
    dario = await api.client("dario")
    assert (await dario.get("/v1/metrics/realtime"))["minutes"] == []


async def test_what_ends_without_an_answer_is_counted(any_api: Api) -> None:
    # given one contact that its customer left, one that was cancelled, one that waits
    api = any_api
    now_ms = SystemClock().now_ms()
    sara = await api.client("sara", Role.SUPERVISOR)
    for number in (1, 2, 3):
        await api.router.tell(a_contact_queued(number, at_ms=now_ms, received_ms=now_ms, due_ms=now_ms + MINUTE_MS))
    left, cancelled = (a_contact_queued(number).contact_id for number in (1, 2))
    await api.router.tell(
        routing.ContactAbandoned(
            pool="care", at_ms=now_ms, contact_id=left, resumable_until_ms=now_ms + MINUTE_MS, waited_ms=1_000
        ),
        routing.ContactCancelled(pool="care", at_ms=now_ms, contact_id=cancelled, by="sara", reason="spam"),
    )
    await api.caught_up()

    # when
    minutes = (await sara.get("/v1/metrics/realtime"))["minutes"]
    report = await sara.get("/v1/reports/service-level")
    (queue,) = (await sara.get("/v1/queues"))["items"]

    # then each is counted once, in its minute and in the report
    assert sum(minute["abandoned"] for minute in minutes) == 1
    assert sum(minute["cancelled"] for minute in minutes) == 1
    (line,) = report["items"]
    assert (line["received"], line["abandoned"], line["cancelled"]) == (3, 1, 1)
    assert (queue["waiting"], queue["abandoned"]) == (1, 1)


async def test_an_agents_units_count_what_takes_up_room(any_api: Api) -> None:
    # given a pool where a mail uses 10 units and none while it is held, and a call 100, held or not
    api = any_api
    channels = (
        ChannelConfiguration(id="email", units=10),
        ChannelConfiguration(id="voice", units=100, hold_frees_room=False),
    )
    agents = (an_agent("anna", units=300, capacity={"email": 9, "voice": 2}), an_agent("bruno"))
    await api.router.tell(a_pool_configured(channels=channels, agents=agents))
    for number, channel in ((1, "email"), (2, "email"), (3, "voice"), (4, "email")):
        queued = a_contact_queued(number, channel=channel)
        await api.router.tell(queued, a_contact_assigned(queued.contact_id))
    now_ms = SystemClock().now_ms()
    for number in (1, 3):
        held = a_contact_queued(number).contact_id
        await api.router.tell(
            routing.ContactHeld(pool="care", at_ms=now_ms, contact_id=held, agent_id="anna", frees_room=number == 1)
        )
    await api.caught_up()

    # when
    sara = await api.client("sara", Role.SUPERVISOR)
    agent = {item["id"]: item for item in (await sara.get("/v1/agents"))["items"]}

    # then two mails at hand and a call on hold
    assert agent["anna"]["units"] == {"used": 120, "capacity": 300}
    assert agent["anna"]["load"] == {"email": 3, "voice": 1}
    assert agent["bruno"]["units"] is None


async def test_everybody_knows_the_queues_and_the_colleagues(any_api: Api) -> None:
    # given a pool with two queues, of which one allows to take contacts by name, and a contact in it
    api = any_api
    queues = (a_queue("billing"), a_queue("orders", pull=True))
    await api.router.tell(a_pool_configured(queues=queues))
    await api.router.tell(a_contact_queued(1, queue="orders"))
    await api.caught_up()
    anna = await api.client("anna")

    # when / then
    assert (await anna.get("/v1/destinations"))["items"] == [
        {"pool": "care", "id": "billing", "pull": False, "waiting": 0},
        {"pool": "care", "id": "orders", "pull": True, "waiting": 1},
    ]
    first = await anna.get("/v1/colleagues", limit=2)
    rest = await anna.get("/v1/colleagues", limit=2, cursor=first["next_cursor"])
    found = [*first["items"], *rest["items"]]
    assert [item["id"] for item in found] == ["anna", "bruno", "sara"]
    assert found[0]["skills"] == {"orders": 4}
    assert (found[2]["name"], found[2]["presence"], found[2]["role"]) == ("Sara Moretti", "offline", "supervisor")
    # and of other pools nothing is known
    dario = await api.client("dario")
    assert (await dario.get("/v1/destinations"))["items"] == []
    # and there is more than one page of queues
    page = await anna.get("/v1/destinations", limit=1)
    assert [item["id"] for item in page["items"]] == ["billing"]
    page = await anna.get("/v1/destinations", limit=1, cursor=page["next_cursor"])
    assert ([item["id"] for item in page["items"]], page["next_cursor"]) == (["orders"], None)


async def test_contacts_are_listed_by_what_is_due_and_by_what_was_flagged(any_api: Api) -> None:
    # given three waiting contacts whose order of arrival is not that of their due times, one of them flagged
    api = any_api
    start_ms = 1_700_000_000_000
    for number, due_ms in ((1, 900), (2, 100), (3, 500)):
        arrived_ms = start_ms + number
        await api.router.tell(
            a_contact_queued(number, at_ms=arrived_ms, received_ms=arrived_ms, due_ms=start_ms + due_ms)
        )
    ids = {number: a_contact_queued(number).contact_id for number in (1, 2, 3)}
    await api.router.tell(
        routing.ContactFlagged(pool="care", at_ms=start_ms, contact_id=ids[3], reason="declined", agents=3)
    )
    await api.caught_up()
    anna = await api.client("anna")

    async def listed(**question: Any) -> list[str]:
        found: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            page = await anna.get("/v1/contacts", limit=1, **question, **cursor)
            found += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    # when / then
    assert await listed() == [ids[3], ids[2], ids[1]]
    assert await listed(order="due") == [ids[2], ids[3], ids[1]]
    assert await listed(flagged="true") == [ids[3]]
    assert await listed(flagged="false", order="due") == [ids[2], ids[1]]
    assert (await anna.get(f"/v1/contacts/{ids[3]}"))["flag"] == {"reason": "declined", "agents": 3}


async def test_a_contact_says_of_which_skills_one_set_is_enough(any_api: Api) -> None:
    # given
    api = any_api
    either = ({"it": 3}, {"en": 4, "orders": 1})
    await api.router.tell(a_contact_queued(1, alternatives=either))
    await api.caught_up()
    anna = await api.client("anna")
    contact_id = a_contact_queued(1).contact_id
    assert (await anna.get(f"/v1/contacts/{contact_id}"))["alternatives"] == list(either)

    # when it has waited for so long that it asks for less
    await api.router.tell(
        routing.ContactRelaxed(pool="care", at_ms=SystemClock().now_ms(), contact_id=contact_id, step=1, skills={})
    )
    await api.caught_up()

    # then
    shown = await anna.get(f"/v1/contacts/{contact_id}")
    assert (shown["skills"], shown["alternatives"]) == ({}, [])
