"""Customers post again while ingest does not take it, with the same ids, and give up on what is refused."""

import asyncio
import json

import httpx
import pytest

from libs.common.clock import VirtualClock
from libs.common.configuration import load_configuration
from services.demo.compose import CONFIGURATION_PATH, make_secrets
from services.demo.customers import TRIES_MAX, Customers, Target
from services.demo.script import Person, Request
from tests.support.waiting import eventually

SECRETS = make_secrets("0123456789" * 4, 1_700_000_000_000)
REQUEST = Request(
    person=Person(name="Luca", language="it", email="luca@example.com", phone="+39320", telegram_id=7),
    account="telegram-bot",
    subject="",
    text="Ciao",
)


class Ingest:
    """Answers the nth post as it is told, and remembers the posts."""

    def __init__(self, *statuses: int) -> None:
        self.posts: list[httpx.Request] = []
        self._statuses = statuses
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._take))

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.posts.append(request)
        status = self._statuses[min(len(self.posts), len(self._statuses)) - 1]
        if status == 0:
            raise httpx.ConnectError("nobody listens")
        return httpx.Response(status)


def the_customers(ingest: Ingest, clock: VirtualClock) -> Customers:
    addresses = dict.fromkeys(load_configuration(CONFIGURATION_PATH).accounts, "shop@bottega.example")
    target = Target(url="http://127.0.0.1:1", public_url="http://localhost:1", addresses=addresses, secrets=SECRETS)
    return Customers(target, clock, 1, ingest.client)


async def outcome(clock: VirtualClock, posting: asyncio.Task[bool]) -> bool:
    def done() -> bool:
        clock.advance_ms(1_000)
        return posting.done()

    await eventually(done)
    return posting.result()


async def test_a_post_is_made_again_until_it_is_taken_under_the_same_id() -> None:
    ingest, clock = Ingest(0, 503, 200), VirtualClock()
    customers = the_customers(ingest, clock)

    taken = await outcome(clock, asyncio.create_task(customers.post(REQUEST)))

    assert taken
    assert customers.posted == 1
    assert len({json.loads(post.content)["update_id"] for post in ingest.posts}) == 1
    assert len(ingest.posts) == 3


@pytest.mark.parametrize(("status", "posts"), [(403, 1), (503, TRIES_MAX)])
async def test_what_is_refused_is_given_up_at_once_and_an_outage_in_the_end(status: int, posts: int) -> None:
    ingest, clock = Ingest(status), VirtualClock()

    taken = await outcome(clock, asyncio.create_task(the_customers(ingest, clock).post(REQUEST)))

    assert not taken
    assert len(ingest.posts) == posts


async def test_customers_keep_coming() -> None:
    ingest, clock = Ingest(200), VirtualClock()
    customers = the_customers(ingest, clock)
    crowd = asyncio.create_task(customers.run())

    def many() -> bool:
        assert not crowd.done()
        clock.advance_ms(1_000)
        return customers.posted >= 30

    await eventually(many)
    crowd.cancel()
    await asyncio.wait([crowd])

    assert len({post.url.path for post in ingest.posts}) >= 5
