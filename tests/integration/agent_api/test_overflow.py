"""Contacts that overflow, as people see them: the agent API with the real router behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from libs.common.clock import SystemClock
from libs.common.configuration.models import Configuration, Overflow, Queue, Rule
from libs.common.events import routing
from libs.common.events.codec import decode_event, encode_record
from libs.common.events.inputs import ContactReceived
from libs.common.http.auth import Role
from libs.common.log.memory import MemoryLog
from libs.common.log.port import Record
from libs.common.log.streams import ROUTING_EVENTS, ROUTING_INPUTS, partition_of
from libs.common.store import open_engine
from libs.common.testing import builders as a
from services.agent_api.credentials import migrate
from services.agent_api.store import tables
from services.agent_api.view import Reading
from services.router import compose as router_compose
from tests.integration.agent_api.test_folding import fold_in_batches
from tests.integration.agent_api.test_recovery import rows_of
from tests.support.agent_api import Api, Client, a_configuration, running_api, settings_for
from tests.support.routing import a_settings, read_all
from tests.support.scripted_router import ScriptedRouter
from tests.support.waiting import eventually

WORDS = {"it": "Siamo occupati.", "en": "We are busy."}


def overflowing() -> Configuration:
    """A second contact in `orders` is told to wait, a third goes to `later`, where a second one goes to pool `sales`."""
    plain = a_configuration()
    queues = {
        **plain.queues,
        "orders": Queue(
            pool="care",
            target_ms=60_000,
            overflow=(
                Overflow(when="waiting", at_least=2, to="queue", target="later"),
                Overflow(when="waiting", at_least=1, to="message", text=WORDS),
            ),
        ),
        "later": Queue(
            pool="care", target_ms=60_000, overflow=(Overflow(when="waiting", at_least=1, to="pool", target="sales"),)
        ),
    }
    return plain.model_copy(update={"queues": queues, "rules": (Rule(queue="orders"), Rule(queue="deals"))})


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Api]:
    """An agent API and the router, nobody is there yet."""
    clock = SystemClock()
    log = MemoryLog(partitions=2, clock=clock)
    await log.connect()
    router = router_compose.compose(a_settings(), overflowing(), log=log, clock=clock)
    task = asyncio.create_task(router.run())
    async with running_api(settings_for(tmp_path), log=log, clock=clock, router=ScriptedRouter(log, clock)) as api:
        yield api
    task.cancel()
    await asyncio.wait([task])
    await router.close()


async def give(api: Api, event: ContactReceived) -> str:
    """A message comes in, as ingest appends it; the id of the contact that it would open."""
    record = encode_record(
        event,
        key=event.pool,
        event_id=event.message.id,
        source="test",
        time_ms=event.message.received_ms,
        correlation_id="test",
    )
    writer = await api.log.open_writer("test")
    await writer.append(ROUTING_INPUTS, partition_of(event.pool, 2), (record,))
    return event.contact_id


async def receive(api: Api, number: int) -> str:
    """Customer `number` writes."""
    return await give(api, a.a_contact_received(number))


async def shown(client: Client, contact_id: str, **wanted: Any) -> dict[str, Any]:
    """The contact, once it is shown with these fields."""

    async def as_wanted() -> dict[str, Any] | None:
        answer = await client.http.get(f"/v1/contacts/{contact_id}")
        body: dict[str, Any] = answer.json()
        return body if all(body.get(name) == value for name, value in wanted.items()) else None

    found = await eventually(as_wanted)
    assert found is not None
    return found


async def entries(client: Client, contact_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(f"/v1/contacts/{contact_id}/timeline"))["items"]
    return [{"type": item["type"], **item["data"]} for item in items]


async def test_people_see_where_contacts_went_and_why(desk: Api) -> None:
    # given four customers
    sara, ada = await desk.client("sara", Role.SUPERVISOR), await desk.client("ada", Role.ADMIN)
    first, second, third, fourth = [await receive(desk, number) for number in (1, 2, 3, 4)]
    # when, then: the first waits
    await shown(sara, first, queue="orders")
    # the second was told
    await shown(sara, second, queue="orders")
    told = [entry for entry in await entries(sara, second) if entry["type"] == "customer.notified"]
    assert [(entry["cause"], entry["when"], entry["texts"]) for entry in told] == [("overflow", "waiting", WORDS)]
    # the third was moved
    await shown(sara, third, queue="later")
    moved = [entry for entry in await entries(sara, third) if entry["type"] == "contact.moved"]
    assert [(entry["from_queue"], entry["queue"], entry["cause"]) for entry in moved] == [
        ("orders", "later", "overflow")
    ]
    # and the fourth is another pool's, with its whole history and its customer's card
    contact = await shown(ada, fourth, pool="sales", queue="deals", state="queued")
    types = [entry["type"] for entry in await entries(ada, fourth)]
    assert [kind for kind in types if kind.startswith("contact.") and kind != "contact.wait-expected"] == [
        "contact.queued",
        "contact.moved",
        "contact.forwarded",
        "contact.queued",
    ]
    assert [message["text"] for message in (await ada.get(f"/v1/contacts/{fourth}/messages"))["items"]] == [
        a.a_message(4).text
    ]
    assert contact["due_at"] == (await shown(ada, fourth))["due_at"]
    card = await ada.get(f"/v1/customers/{contact['customer']['id']}")
    assert [one["id"] for one in card["contacts"]] == [fourth]
    # when an agent of that pool takes it, and the customer writes again to where he always did
    dario = await desk.client("dario")
    assert (await dario.put("/v1/me/presence", {"status": "available"})).status_code == 200

    async def offer() -> Any:
        return (await dario.get("/v1/me/work"))["offers"]

    [made] = await eventually(offer)
    assert (await dario.post(f"/v1/offers/{made['id']}/accept")).status_code == 200
    thread_id = a.a_message(4).thread_id
    again = a.a_message(5, thread_id=thread_id, handle=a.a_message(4).handle, text="Hello?")
    await give(desk, a.a_contact_received(5, message=again))

    async def both() -> bool:
        texts = [message["text"] for message in (await dario.get(f"/v1/contacts/{fourth}/messages"))["items"]]
        return sorted(texts) == sorted([a.a_message(4).text, "Hello?"])

    # then he has both messages, and can end it
    await eventually(both)
    assert (await dario.post(f"/v1/contacts/{fourth}/resolve", {"disposition": "solved"})).status_code == 200
    assert (await shown(ada, fourth, state="resolved"))["pool"] == "sales"


async def test_the_order_in_which_the_pools_are_read_makes_no_difference(desk: Api, tmp_path: Path) -> None:
    # given the facts of a contact that went on to another pool and was taken there
    ada = await desk.client("ada", Role.ADMIN)
    contact_id = [await receive(desk, number) for number in (1, 2, 3, 4)][-1]
    await shown(ada, contact_id, pool="sales", queue="deals")
    by_pool: dict[str, list[Any]] = {"care": [], "sales": []}
    for partition in range(2):
        for record in await read_all(desk.log, ROUTING_EVENTS, partition):
            fact: Any = decode_event(record)
            if getattr(fact, "contact_id", None) == contact_id:
                by_pool[fact.pool].append(fact)
    by_pool["sales"].append(a.a_contact_assigned(contact_id, "dario", pool="sales", offer_id=None))
    assert isinstance(by_pool["care"][-1], routing.ContactForwarded)
    # when they are read in the order of what happened, and with the later pool first
    found = []
    for order in (("care", "sales"), ("sales", "care")):
        facts = [fact for pool in order for fact in by_pool[pool]]
        engine = open_engine(f"sqlite:///{tmp_path / order[0]}.db")
        await migrate(engine)
        await fold_in_batches(engine, [a_reading(fact, offset) for offset, fact in enumerate(facts)], 1)
        found.append(await rows_of(engine))
        await engine.dispose()
    # then the contact is the same, and so is what its history tells
    one, other = (dict(zip(tables.contacts.c.keys(), rows[tables.contacts.name][0], strict=True)) for rows in found)
    fields = ("pool", "queue", "state", "agent_id", "account", "thread_id", "subject", "due_ms", "received_ms")
    assert {field: one[field] for field in fields} == {field: other[field] for field in fields}
    assert (one["pool"], one["state"], one["agent_id"]) == ("sales", "active", "dario")
    place = tables.timeline.c.keys().index("type")
    histories = [sorted(entry[place] for entry in rows[tables.timeline.name]) for rows in found]
    assert histories[0] == histories[1]


def a_reading(fact: Any, offset: int) -> Reading:
    record = Record(
        stream=ROUTING_EVENTS, partition=0, offset=offset, timestamp_ms=0, key=fact.pool, value=b"", headers=()
    )
    return Reading(record=record, event=fact)
