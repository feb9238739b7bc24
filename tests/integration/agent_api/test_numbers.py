"""Numbers: queues, throughput, service levels; each computed from what is in the view, null where nothing is known."""

from __future__ import annotations

from libs.common.clock import SystemClock
from libs.common.http.auth import Role
from libs.common.testing.builders import a_contact_assigned, a_contact_queued, a_contact_resolved
from tests.support.agent_api import Api, problem_of

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
        "oldest_received_at": None,
        "oldest_wait_ms": None,
        "target_ms": 60_000,
        "service_level": None,
        "service_level_window_ms": 3_600_000,
        "expected_wait_ms": None,
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
    await api.caught_up()

    # when
    (queue,) = (await sara.get("/v1/queues"))["items"]

    # then: of the three answered and the one that is overdue, two were in time
    assert (queue["waiting"], queue["active"]) == (2, 3)
    assert queue["oldest_wait_ms"] >= 5 * MINUTE_MS
    assert queue["service_level"] == 0.5
    # Three were answered in a quarter of an hour; the two that wait and the next one take as long.
    assert queue["expected_wait_ms"] == 15 * MINUTE_MS
    agents = {agent["id"]: agent["load"] for agent in (await sara.get("/v1/agents"))["items"]}
    assert agents["anna"] == {"email": 3}
    assert agents["bruno"] == {}


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
