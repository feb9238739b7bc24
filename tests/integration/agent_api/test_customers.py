"""Customers' cards: one customer on several channels, found again, with every contact and its light."""

from __future__ import annotations

from libs.common.testing.builders import a_resolve
from tests.support.agent_api import Api
from tests.support.waiting import eventually

PHONE = "tel:+393331234567"
MAIL = "mailto:giulia@example.com"


async def test_one_customer_on_several_channels_is_one_card(any_api: Api) -> None:
    # given an SMS, a WhatsApp message from the same number, and a form with that number and a mail address
    api = any_api
    anna = await api.client()
    sms = await api.router.receive(1, handle=PHONE, handles=(PHONE,), channel="sms", account="sms-main", name=None)
    app = await api.router.receive(
        2, handle=PHONE, handles=(PHONE,), channel="whatsapp", account="wa-main", name="Giulia Neri"
    )
    form = await api.router.receive(
        3,
        handle=MAIL,
        handles=(MAIL, PHONE),
        channel="webform",
        account="form",
        attributes={"order": "4711"},
    )
    await api.caught_up()

    # when
    cards = {(await anna.get(f"/v1/contacts/{item}"))["customer"]["id"] for item in (sms, app, form)}

    # then
    assert len(cards) == 1
    card = await anna.get(f"/v1/customers/{cards.pop()}")
    assert {item["handle"] for item in card["handles"]} == {PHONE, MAIL}
    assert card["name"] == "Giulia Neri"
    assert card["attributes"] == {"order": "4711"}
    assert {contact["id"] for contact in card["contacts"]} == {sms, app, form}
    assert {contact["light"] for contact in card["contacts"]} == {"red"}


async def test_a_handle_on_another_card_stays_there(api: Api) -> None:
    # given two customers
    anna = await api.client()
    first = await api.router.receive(1, handle=PHONE, handles=(PHONE,), account="a")
    second = await api.router.receive(2, handle=MAIL, handles=(MAIL,), account="b")

    # when a message names both, that of the second first
    third = await api.router.receive(3, handle=MAIL, handles=(MAIL, PHONE, "telegram:7"), account="c")
    await api.caught_up()

    # then it is the second one's, with what was free, and the first keeps its own
    owners = [(await anna.get(f"/v1/contacts/{item}"))["customer"]["id"] for item in (first, second, third)]
    assert owners[2] == owners[1] != owners[0]
    card = await anna.get(f"/v1/customers/{owners[1]}")
    assert {item["handle"] for item in card["handles"]} == {MAIL, "telegram:7"}


async def test_cards_are_found_by_name_and_handle_and_come_in_pages(any_api: Api) -> None:
    # given
    api = any_api
    anna = await api.client()
    for number, name in enumerate(("Élodie Costa", "100% Luca", "Luca_B"), start=1):
        await api.router.receive(number, name=name)
    await api.caught_up()

    async def names(**question: object) -> list[str]:
        return [item["name"] for item in (await anna.get("/v1/customers", **question))["items"]]

    # when / then: characters that mean something to a database mean themselves
    assert await names(q="élodie") == ["Élodie Costa"]
    assert await names(q="CUSTOMER2@example") == ["100% Luca"]
    assert await names(q="0%") == ["100% Luca"]
    assert await names(q="a_b") == ["Luca_B"]
    assert await names(q="' OR 1=1 --") == []
    first = await anna.get("/v1/customers", limit=2)
    second = await anna.get("/v1/customers", limit=2, cursor=first["next_cursor"])
    assert [item["name"] for item in first["items"] + second["items"]] == ["Luca_B", "100% Luca", "Élodie Costa"]
    assert second["next_cursor"] is None


async def test_contacts_are_listed_by_condition_and_in_pages(any_api: Api) -> None:
    # given three contacts: waiting, active, resolved
    api = any_api
    anna = await api.client()
    waiting = await api.router.receive(1, channel="sms")
    active = await api.active_contact(2)
    resolved = await api.active_contact(3)
    answered = (await api.router.give(a_resolve(resolved))).last_offset
    await eventually(lambda: api.router.answered > answered)
    await api.caught_up()

    async def found(**question: object) -> list[str]:
        return [item["id"] for item in (await anna.get("/v1/contacts", **question))["items"]]

    # when / then
    assert await found() == [resolved, active, waiting]
    assert await found(state="queued") == [waiting]
    assert await found(state=["queued", "resolved"]) == [resolved, waiting]
    assert await found(channel="sms") == [waiting]
    assert await found(agent="anna") == [resolved, active]
    assert await found(queue="elsewhere") == []
    first = await anna.get("/v1/contacts", limit=1)
    second = await anna.get("/v1/contacts", limit=5, cursor=first["next_cursor"])
    assert [item["id"] for item in first["items"] + second["items"]] == [resolved, active, waiting]
