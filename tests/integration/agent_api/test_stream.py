"""The stream: how it begins, goes on after a break, and ends for clients that misbehave."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket as sockets

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from libs.common.http.auth import Role
from libs.common.testing.builders import a_message
from services.agent_api.store import tables
from services.agent_api.upkeep import FRAMES_KEPT_MS, ping, prune
from tests.support.agent_api import Api, Client, next_frame
from tests.support.waiting import eventually


async def close_code(client: Client, query: str, headers: dict[str, str] | None = None) -> int:
    """The code with which the server closes a stream at once."""
    url = f"{client.url.replace('http', 'ws', 1)}/v1/stream{query}"
    async with connect(url, proxy=None, additional_headers=headers or {}) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_a_ticket_opens_one_stream(any_api: Api) -> None:
    # given a ticket that was used
    anna = await any_api.client()
    ticket = (await anna.post("/v1/stream/tickets")).json()["ticket"]
    async with connect(f"{anna.url.replace('http', 'ws', 1)}/v1/stream?ticket={ticket}", proxy=None) as socket:
        assert (await next_frame(socket))["type"] == "hello"

        # when / then
        assert await close_code(anna, f"?ticket={ticket}") == 4401


async def test_a_bad_ticket_or_token_opens_no_stream(api: Api) -> None:
    anna = await api.client()
    assert await close_code(anna, "?ticket=nonsense") == 4401
    assert await close_code(anna, "?ticket=") == 4401
    assert await close_code(anna, "?ticket=%ff%00") == 4401
    assert await close_code(anna, "") == 4401
    assert await close_code(anna, "", {"Authorization": "Bearer nonsense"}) == 4401
    zoe = await api.client("zoe")
    assert await close_code(anna, "", {"Authorization": f"Bearer {zoe.token}"}) == 4403
    assert len(api.service.parts.hub) == 0


async def test_a_ticket_is_good_for_a_short_time(api: Api) -> None:
    # given a ticket that ran out
    anna = await api.client()
    ticket = (await anna.post("/v1/stream/tickets")).json()["ticket"]
    async with api.service.parts.writing() as connection:
        await connection.execute(tables.stream_tickets.update().values(expires_ms=api.service.parts.clock.now_ms()))

    # when / then
    assert await close_code(anna, f"?ticket={ticket}") == 4401


async def test_a_bearer_token_opens_a_stream(api: Api) -> None:
    anna = await api.client()
    url = f"{anna.url.replace('http', 'ws', 1)}/v1/stream"
    async with connect(url, proxy=None, additional_headers={"Authorization": f"Bearer {anna.token}"}) as socket:
        assert (await next_frame(socket))["work"]["presence"] == "offline"


async def test_a_client_that_comes_back_misses_nothing(any_api: Api) -> None:
    # given an agent who was connected
    api = any_api
    anna = await api.client()
    async with anna.stream() as socket:
        cursor = (await next_frame(socket))["cursor"]

    # when things happen meanwhile
    contact_id = await api.router.receive()
    offer_id = await api.router.offer(contact_id)
    await api.caught_up()
    await anna.post(f"/v1/offers/{offer_id}/accept")

    # then the agent gets the snapshot, what was missed, and what comes then; for the agent alone
    async with anna.stream(after=cursor) as socket:
        hello = await next_frame(socket)
        assert hello["resumed"] is True
        assert hello["cursor"] == cursor
        assert [contact["id"] for contact in hello["work"]["contacts"]] == [contact_id]
        missed = [await next_frame(socket), await next_frame(socket)]
        assert [frame["type"] for frame in missed] == ["offer.made", "contact.assigned"]
        await anna.post(f"/v1/contacts/{contact_id}/resolve")
        assert (await next_frame(socket))["type"] == "contact.resolved"

    # and coming back in the middle of what was missed brings the rest
    async with anna.stream(after=missed[0]["cursor"]) as socket:
        types = [(await next_frame(socket))["type"] for _ in range(3)]
        assert types == ["hello", "contact.assigned", "contact.resolved"]


@pytest.mark.parametrize("cursor", ["nonsense", "other-5", "", "-1"])
async def test_an_unknown_cursor_begins_anew(api: Api, cursor: str) -> None:
    async with (await api.client()).stream(after=cursor) as socket:
        hello = await next_frame(socket)
        assert hello["resumed"] is False
        assert hello["cursor"] == hello["work"]["cursor"]


async def test_a_cursor_from_the_future_or_from_before_the_kept_frames_begins_anew(any_api: Api) -> None:
    # given a cursor, and frames that have become old and were pruned
    api = any_api
    anna = await api.client()
    cursor = (await anna.get("/v1/me/work"))["cursor"]
    await api.router.offer(await api.router.receive())
    await api.caught_up()
    now_ms = api.service.parts.clock.now_ms()
    async with api.service.parts.writing() as connection:
        await connection.execute(tables.frames.update().values(at_ms=now_ms - FRAMES_KEPT_MS - 1))
    await prune(api.service.parts)

    # when / then
    epoch, _, seq = cursor.rpartition("-")
    for lost in (cursor, f"{epoch}-{int(seq) + 1_000_000}"):
        async with anna.stream(after=lost) as socket:
            assert (await next_frame(socket))["resumed"] is False
    newest = (await anna.get("/v1/me/work"))["cursor"]
    async with anna.stream(after=newest) as socket:
        assert (await next_frame(socket))["resumed"] is True


async def test_supervisors_hear_of_their_pool_and_of_its_queues(any_api: Api) -> None:
    # given a supervisor of this pool, and an agent of another one
    api = any_api
    sara, dario = await api.client("sara", Role.SUPERVISOR), await api.client("dario")
    async with sara.stream() as watching, dario.stream() as elsewhere:
        await next_frame(watching)
        await next_frame(elsewhere)

        # when
        contact_id = await api.router.receive()
        await api.router.offer(contact_id, "anna")

        # then the supervisor hears of each, and of the queue
        assert (await next_frame(watching, "contact.updated"))["change"] == "queued"
        assert (await next_frame(watching, "offer.made"))["offer"]["contact"]["id"] == contact_id
        async with asyncio.timeout(20):
            while (queue := (await next_frame(watching, "queue.changed"))["queue"])["offered"] != 1:
                pass
        assert queue == {
            "pool": "care",
            "id": "orders",
            "waiting": 0,
            "offered": 1,
            "active": 0,
            "scheduled": 0,
            "drained": False,
            "draining_to": None,
            "oldest_received_at": None,
        }

        # and the other pool's agent of nothing: the next frame is the sign of life
        ping(api.service.parts)
        assert (await next_frame(elsewhere))["type"] == "ping"


async def test_further_messages_are_heard_by_the_contacts_agent(api: Api) -> None:
    # given
    anna = await api.client()
    contact_id = await api.active_contact(1)
    async with anna.stream() as socket:
        await next_frame(socket)

        # when the customer writes again
        again = a_message(1, provider_id="again", text="Hello?")
        await api.router.receive(1, provider_id="again", text="Hello?")

        # then
        frame = await next_frame(socket, "message.received")
        assert frame["message"]["id"] == again.id
        assert frame["message"]["text"] == "Hello?"
        assert frame["contact"]["id"] == contact_id
        assert frame["contact"]["preview"] == "Hello?"


async def test_a_client_that_does_not_read_is_cut_off_and_others_go_on(api: Api) -> None:
    # given a client that opens a stream and never reads, and one that does
    anna, bruno = await api.client(), await api.client("bruno")
    ticket = (await anna.post("/v1/stream/tickets")).json()["ticket"]
    deaf = sockets.socket()
    deaf.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", api.served.port))
    key = base64.b64encode(os.urandom(16)).decode()
    await loop.sock_sendall(
        deaf,
        f"GET /v1/stream?ticket={ticket} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode(),
    )
    hub = api.service.parts.hub
    await eventually(lambda: len(hub) == 1)
    async with bruno.stream() as socket:
        await next_frame(socket)
        await eventually(lambda: len(hub) == 2)

        # when more is sent than anybody would buffer
        text = json.dumps({"type": "ping", "cursor": "x", "at": "2026-01-01T00:00:00Z", "filler": "x" * 50_000})
        heard = asyncio.create_task(_count_frames(socket))

        async def deaf_one_is_gone() -> bool:
            hub.ping(text)
            return len(hub) == 1

        await eventually(deaf_one_is_gone, every_s=0.001)

        # then the deaf one was given up, and the other one still hears everything
        await api.router.offer(await api.router.receive(), "bruno")
        await heard
    # and its connection is cut off, although what was sent to it can never be delivered
    await eventually(lambda: not api.served.server.server_state.connections)
    deaf.close()


async def _count_frames(socket: object) -> int:
    number = 0
    while (await next_frame(socket))["type"] != "offer.made":  # type: ignore[arg-type]  # a ClientConnection
        number += 1
    return number


async def test_too_many_missed_frames_close_the_stream(api: Api) -> None:
    # given
    anna = await api.client()
    async with anna.stream() as socket:
        await next_frame(socket)

        # when this replica has missed more than it hands on
        hub = api.service.parts.hub
        hub.restart((hub.seen_seq or 0) + 10_000)

        # then the client is told to begin anew
        with pytest.raises(ConnectionClosed) as closed:
            await next_frame(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4009


async def test_streams_show_that_they_live(api: Api) -> None:
    # given a stream of an agent for whom nothing happens
    anna = await api.client()
    async with anna.stream() as socket:
        await next_frame(socket)

        # when something happens to others
        await api.router.receive()
        await api.caught_up()
        cursor = (await anna.get("/v1/me/work"))["cursor"]
        ping(api.service.parts)

        # then the ping carries the newest cursor, so that a client of whom nothing is wanted stays up to date
        frame = await next_frame(socket, "ping")
        assert frame["cursor"] == cursor


async def test_a_stream_has_an_end_and_its_client_shows_again_who_it_is(api: Api) -> None:
    # given streams that last a moment
    anna = await api.client()
    parts = api.service.parts
    parts.settings = parts.settings.model_copy(update={"stream_ms": 100})

    # when / then
    async with anna.stream() as socket:
        cursor = (await next_frame(socket))["cursor"]
        with pytest.raises(ConnectionClosed) as closed:
            await next_frame(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4009
    async with anna.stream(after=cursor) as socket:
        assert (await next_frame(socket))["resumed"] is True
