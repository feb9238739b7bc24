"""Contacts whose customers are called, in the browser: planning a call, calling, and saying that nobody answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Route, expect

from tests.browser.desk import Desk
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
DeskOpener = Callable[..., Awaitable[Desk]]


async def test_a_customer_is_called_back_and_not_reached(site: Site, open_desk: DeskOpener) -> None:
    # given a contact with anna, whose customer has once given a number
    anna = await open_desk(site, "anna-calling")
    await anna.become("Available")
    await site.write("calling", "Call me", email="called@example.com", phone="+39 333 1234567")
    await anna.accept("Call me")
    await expect(anna.button("Not reached")).to_have_count(0)

    # when she plans a call, at first to what is no number
    await anna.button("Call back later…").click()
    number = anna.dialog.get_by_label("Number to call")
    await expect(number).to_have_value("+393331234567")
    await number.fill("333 1234567")
    await anna.dialog.get_by_role("button", name="Plan the call").click()
    await expect(anna.dialog.get_by_role("alert")).to_contain_text("This is no phone number with its country code")
    await expect(number).to_have_value("333 1234567")
    await number.fill("0039 333 123-4567")
    await anna.dialog.get_by_role("button", name="Plan the call").click()

    # then it leaves her desk, and its time comes at once
    await expect(anna.notice("Luca Verdi is to be called from")).to_be_visible()
    await expect(anna.mine("Call me")).to_have_count(0)
    await anna.accept("Call me")
    call = anna.page.get_by_role("link", name="Call +393331234567")
    await expect(call).to_have_attribute("href", "tel:+393331234567")
    await expect(anna.history).to_contain_text("Callback planned +393331234567, from")

    # when nobody answers
    await anna.button("Not reached").click()

    # then it is tried again later, and supervisors see that it is
    await expect(anna.notice("Luca Verdi was not reached and is called again from")).to_be_visible()
    await expect(anna.mine("Call me")).to_have_count(0)
    sara = await open_desk(site, "sara-calling")
    await sara.page.get_by_role("link", name="Board").click()
    await expect(sara.page.get_by_role("row", name="calling").get_by_role("cell").nth(4)).to_have_text("1")
    await sara.page.get_by_role("link", name="calling", exact=True).click()
    later = sara.page.get_by_role("region", name="To be called later").get_by_role("row")
    await expect(later.filter(has_text="Call me")).to_contain_text("+393331234567, from")

    # and a supervisor can give it to somebody all the same, who sees that it was tried
    await sara.button("Assign…: Call me").click()
    await sara.dialog.get_by_label("Agent").select_option(label="Anna – nothing in hand")
    await sara.dialog.get_by_role("button", name="Assign").click()
    await anna.mine("Call me").click()
    await expect(anna.contact).to_contain_text("not reached once")
    await expect(anna.history).to_contain_text("Not reached by Anna")
    await expect(call).to_be_visible()


async def test_a_callback_that_is_refused_says_so_where_it_was_asked_for(site: Site, open_desk: DeskOpener) -> None:
    # given two contacts with bruno
    bruno = await open_desk(site, "bruno-recalling")
    await bruno.become("Available")
    first = await site.write("recalling", "One call", email="one-call@example.com")
    await bruno.accept("One call")
    await site.write("recalling", "Another call", email="another-call@example.com")
    await bruno.accept("Another call")

    # when the number is to be called for the first contact already
    await bruno.mine("One call").click()
    await expect(bruno.heading("One call")).to_be_visible()
    await bruno.button("Call back later…").click()
    await bruno.dialog.get_by_label("Number to call").fill("+39 333 7654321")
    await bruno.dialog.get_by_label("Not before").fill("2098-01-01T10:00")
    await bruno.dialog.get_by_role("button", name="Plan the call").click()
    await expect(bruno.mine("One call")).to_have_count(0)
    await bruno.mine("Another call").click()
    await expect(bruno.heading("Another call")).to_be_visible()
    await bruno.button("Call back later…").click()
    await expect(bruno.dialog.get_by_label("Number to call")).to_have_value("")
    await bruno.dialog.get_by_label("Number to call").fill("+39 333 7654321")
    await bruno.dialog.get_by_role("button", name="Plan the call").click()

    # then the dialog says so and stays
    await expect(bruno.dialog.get_by_role("alert")).to_have_text("This number is to be called back already.")
    await bruno.page.keyboard.press("Escape")

    # and where the contact was taken away in the moment before, it is said at the buttons
    async with site.client("bruno-recalling") as client:
        answer = await client.post(f"/v1/contacts/{first}/callback", json={})
        assert answer.status_code == 200, answer.text
    await bruno.accept("One call")

    async def be_quicker(route: Route) -> None:
        async with site.client("bruno-recalling") as client:
            await client.post(f"/v1/contacts/{first}/callback/not-reached")
        await route.continue_()

    await bruno.page.route("**/not-reached", be_quicker)
    await bruno.button("Not reached").click()
    await expect(bruno.actions.get_by_role("alert")).to_contain_text("Nobody works on this contact now.")
    await expect(bruno.button("Not reached")).to_have_count(0)
