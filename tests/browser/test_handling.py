"""What agents do with a contact besides answering it, in the browser: passing on, holding, asking, taking, declining with a reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Route, expect

from tests.browser.desk import Desk
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
DeskOpener = Callable[..., Awaitable[Desk]]


async def test_a_contact_is_passed_on_with_a_note_to_a_colleague_who_sees_the_history(
    site: Site, open_desk: DeskOpener
) -> None:
    # given a contact with anna, and nobody else there
    anna = await open_desk(site, "anna-passing")
    await anna.become("Available")
    await site.write("passing", "Wrong invoice", "The second line is wrong.", email="ada@example.com")
    await anna.accept("Wrong invoice")
    await anna.button("Pass on…").click()
    await anna.dialog.get_by_role("radio", name="A colleague").check()
    await expect(anna.dialog.get_by_label("Colleague", exact=True)).to_contain_text("Nobody else is there")
    await anna.page.keyboard.press("Escape")
    await expect(anna.button("Pass on…")).to_be_focused()

    # when bruno is there, and anna passes it on to him with a note
    bruno = await open_desk(site, "bruno-passing")
    await bruno.become("Available")
    await anna.page.keyboard.press("Enter")
    await anna.dialog.get_by_role("radio", name="A colleague").check()
    await anna.dialog.get_by_label("Colleague", exact=True).select_option(label="Bruno")
    await anna.dialog.get_by_label("Note for whoever takes it").fill("Ask for the order's number.")
    await anna.dialog.get_by_role("button", name="Pass on").click()

    # then it is gone from her desk, and he is offered it and reads what happened
    await expect(anna.notice("Luca Verdi was passed on.")).to_be_visible()
    await expect(anna.mine("Wrong invoice")).to_have_count(0)
    await expect(bruno.offer("Wrong invoice")).to_contain_text("It is kept for you")
    await bruno.accept("Wrong invoice")
    await expect(bruno.message("The second line is wrong.")).to_be_visible()
    await expect(bruno.message("Ask for the order's number.")).to_contain_text("Anna")
    await expect(bruno.history).to_contain_text("Passed on by Anna to Bruno")

    # and may pass it on to a queue, where nobody has the skill
    await bruno.button("Pass on…").click()
    await bruno.dialog.get_by_label("Queue", exact=True).select_option(label="invoices (0 waiting)")
    await bruno.dialog.get_by_role("button", name="Pass on").click()
    await expect(bruno.notice("Luca Verdi was passed on to invoices.")).to_be_visible()
    await expect(bruno.mine("Wrong invoice")).to_have_count(0)


async def test_a_held_contact_stands_apart_and_comes_back_with_its_customer(site: Site, open_desk: DeskOpener) -> None:
    desk = await open_desk(site, "anna-holding")
    await desk.become("Available")
    await site.write("holding", "Which colour?", email="held@example.com")
    await desk.accept("Which colour?")

    await desk.button("Hold").click()

    held = desk.page.get_by_role("region", name="On hold").get_by_role("link")
    await expect(held).to_contain_text("Which colour?")
    await expect(desk.mine("Which colour?")).to_have_count(0)
    await desk.button("Go on").click()
    await expect(desk.mine("Which colour?")).to_be_visible()
    await desk.button("Hold").click()
    await expect(held).to_contain_text("Which colour?")

    # When the customer writes it is back, wherever its agent looks.
    await desk.page.get_by_role("link", name="Desk").click()
    await site.write("holding", "Which colour?", "The blue one.", email="held@example.com")
    await expect(desk.mine("Which colour?")).to_contain_text("1 new")
    await expect(held).to_have_count(0)
    await expect(desk.notice("Luca Verdi is back from hold.")).to_be_visible()
    await desk.mine("Which colour?").click()
    await expect(desk.history).to_contain_text("Back to Anna: the customer wrote")


async def test_a_colleague_is_asked_and_leaves_a_note(site: Site, open_desk: DeskOpener) -> None:
    anna = await open_desk(site, "anna-asking")
    await anna.become("Available")
    bruno = await open_desk(site, "bruno-asking")
    await bruno.become("Busy")
    await site.write("asking", "Is this covered?", email="ask@example.com")
    await anna.accept("Is this covered?")

    await anna.button("Ask a colleague…").click()
    await anna.dialog.get_by_label("Colleague", exact=True).select_option(label="Bruno")
    await anna.dialog.get_by_role("button", name="Ask", exact=True).click()
    await expect(anna.page.get_by_text("Bruno is looking")).to_be_visible()

    asked = bruno.page.get_by_role("region", name="Asked to look at").get_by_role("link")
    await expect(asked).to_contain_text("Is this covered?")
    await expect(asked).to_contain_text("Anna:")
    await asked.click()
    await expect(bruno.page.get_by_label("Reply to the customer")).to_be_hidden()
    await bruno.page.get_by_label("Note for colleagues").fill("Yes, for two years.")
    await bruno.button("Add note").click()
    await expect(anna.message("Yes, for two years.")).to_contain_text("Bruno")
    await bruno.button("I have looked").click()
    await expect(asked).to_have_count(0)
    await expect(anna.page.get_by_text("Bruno is looking")).to_have_count(0)
    await expect(anna.history).to_contain_text("Bruno has looked")

    # She asks again, and ends it herself.
    await anna.button("Ask a colleague…").click()
    await anna.dialog.get_by_label("Colleague", exact=True).select_option(label="Bruno")
    await anna.page.keyboard.press("Control+Enter")
    await anna.button("Bruno need not look any more").click()
    await expect(anna.page.get_by_text("Bruno is looking")).to_have_count(0)
    await expect(asked).to_have_count(0)


async def test_a_waiting_contact_is_taken_out_of_its_queue(site: Site, open_desk: DeskOpener) -> None:
    # given a queue that allows it, with two who wait, and an agent who is busy
    desk = await open_desk(site, "anna-taking")
    await site.write("taking", "First come", email="first@example.com")
    await site.write("taking", "Second come", email="second@example.com")
    await desk.page.get_by_role("link", name="Waiting").click()
    rows = desk.page.get_by_role("region", name="Waiting").get_by_role("row")
    await expect(rows.filter(has_text="come")).to_have_count(2)

    # when not available, it is refused in words, in the row that it is about
    take = desk.button("Take: Second come")
    await take.click()
    await expect(rows.filter(has_text="Second come").get_by_role("alert")).to_have_text(
        "You are not available. Choose Available first."
    )

    # when available, the agent is offered what is due first, and still may take the other by name
    await desk.become("Available")
    await desk.page.get_by_role("link", name="Desk").click()
    await desk.accept("First come")
    decline = desk.offer("Second come").get_by_role("button", name="Decline with a reason")
    await decline.focus()
    await site.write("taking", "Third come", email="third@example.com")
    await expect(desk.offer("Third come")).to_be_visible()
    # who is about to answer one offer is not led away to the next
    await expect(decline).to_be_focused()
    await desk.page.keyboard.press("Alt+Shift+R")
    await desk.dialog.get_by_label("Reason").fill("no time right now")
    await desk.dialog.get_by_role("button", name="Decline").click()
    await expect(desk.offer("Second come")).to_have_count(0)
    await desk.page.get_by_role("link", name="Waiting").click()
    await take.click()
    await expect(desk.heading("Second come")).to_be_visible()
    await expect(desk.mine("Second come")).to_be_visible()
    await expect(desk.history).to_contain_text("Declined by Anna no time right now")


async def test_what_the_router_refuses_is_said_at_the_button_and_in_the_dialog(
    site: Site, open_desk: DeskOpener
) -> None:
    # given two pages of one agent with the same contact
    desk = await open_desk(site, "anna-refused")
    await desk.become("Available")
    contact = await site.write("refused", "Twice", email="twice@example.com")
    await desk.accept("Twice")
    bruno = await open_desk(site, "bruno-refused")
    await bruno.become("Available")

    async def be_quicker(route: Route) -> None:
        async with site.client("anna-refused") as client:
            await client.post(f"/v1/contacts/{contact}/hold")
        await route.continue_()

    # when it is held elsewhere in the moment before
    await desk.page.route("**/hold", be_quicker)
    await desk.button("Hold").click()

    # then
    await expect(desk.actions.get_by_role("alert")).to_contain_text("This contact is on hold already.")
    await desk.actions.get_by_role("button", name="Close").click()
    await expect(desk.actions.get_by_role("alert")).to_have_count(0)

    # and a dialog whose command is refused stays open, with everything in it
    await desk.button("Pass on…").click()
    await desk.dialog.get_by_role("radio", name="A colleague").check()
    await desk.dialog.get_by_label("Colleague", exact=True).select_option(label="Bruno")
    await desk.dialog.get_by_label("Note for whoever takes it").fill("For Bruno.")
    await site.set_presence("bruno-refused", "break")
    await desk.dialog.get_by_role("button", name="Pass on").click()
    await expect(desk.dialog.get_by_role("alert")).to_have_text("This agent is not there.")
    await expect(desk.dialog.get_by_label("Note for whoever takes it")).to_have_value("For Bruno.")
    await site.set_presence("bruno-refused", "available")
    await desk.dialog.get_by_role("button", name="Pass on").click()
    await expect(bruno.offer("Twice")).to_be_visible()


async def test_why_it_went_as_it_went_can_be_read(site: Site, open_desk: DeskOpener) -> None:
    desk = await open_desk(site, "anna-why")
    await desk.become("Available")
    await site.write("why", "Who gets this?", email="why@example.com")
    await desk.accept("Who gets this?")

    await desk.button("Why?").click()

    await expect(desk.dialog).to_contain_text("offered to Anna")
    await expect(desk.dialog).to_contain_text("Bruno is not available (Offline)")
    await desk.dialog.get_by_role("button", name="Close").click()
    await expect(desk.dialog).to_have_count(0)
    await expect(desk.button("Why?")).to_be_focused()


async def test_a_wrap_up_is_extended(site: Site, open_desk: DeskOpener) -> None:
    desk = await open_desk(site, "anna-extending")
    await desk.become("Available")
    await site.write("extending", "A long question", email="long@example.com")
    await desk.accept("A long question")
    await desk.button("Resolve").click()
    await desk.dialog.get_by_role("button", name="Resolve").click()

    await desk.button("+5 min").click()

    # Ten minutes that the queue gives, and five more.
    until = desk.page.get_by_label("Contact", exact=True).get_by_text("wrap-up 1")
    await expect(until).to_contain_text("wrap-up 14:")
    await expect(desk.history).to_contain_text("Wrap-up extended")
    await desk.button("Wrap-up done").click()
    await expect(desk.notice("Luca Verdi: resolved.")).to_be_visible()
