"""What supervisors see and do, in the browser: giving contacts to agents and taking them back, changing and ending them, flags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from tests.browser.desk import Desk
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
DeskOpener = Callable[..., Awaitable[Desk]]


async def test_a_supervisor_gives_a_contact_to_somebody_and_takes_it_back(site: Site, open_desk: DeskOpener) -> None:
    # given a contact that nobody is there to take, and bruno on a break
    sara = await open_desk(site, "sara-guided")
    bruno = await open_desk(site, "bruno-guided")
    await bruno.become("Break")
    await site.write("guided", "Lost parcel", email="lost@example.com")
    await sara.page.get_by_role("link", name="Board").click()
    await sara.page.get_by_role("link", name="guided").click()
    waiting = sara.page.get_by_role("region", name="Waiting").get_by_role("row")
    await expect(waiting.filter(has_text="Lost parcel")).to_be_visible()

    # when she gives it to him
    await sara.button("Assign…: Lost parcel").click()
    await sara.dialog.get_by_label("Agent").select_option(label="Bruno – nothing in hand")
    await sara.dialog.get_by_role("button", name="Assign").click()

    # then it is his
    await expect(sara.notice("Bruno has it now.")).to_be_visible()
    await expect(bruno.mine("Lost parcel")).to_be_visible()
    with_agents = sara.page.get_by_role("region", name="With agents").get_by_role("row")
    await expect(with_agents.filter(has_text="Lost parcel")).to_contain_text("Bruno · in progress")

    # when she takes it back
    await sara.button("Take back: Lost parcel").click()

    # then it waits again
    await expect(bruno.mine("Lost parcel")).to_have_count(0)
    await expect(waiting.filter(has_text="Lost parcel")).to_be_visible()
    await expect(sara.notice("Luca Verdi waits again.")).to_be_visible()


async def test_a_supervisor_changes_and_ends_a_contact(site: Site, open_desk: DeskOpener) -> None:
    sara = await open_desk(site, "sara-guided")
    await site.write("guided", "Buy now", email="spam@example.com")
    await sara.page.get_by_role("link", name="Waiting").click()
    await sara.page.get_by_role("link", name="Buy now").click()
    await expect(sara.heading("Buy now")).to_be_visible()
    await expect(sara.contact.locator("header")).to_contain_text("place ")

    await sara.button("Change…").click()
    await sara.dialog.get_by_label("Queue").select_option("refunds")
    await sara.dialog.get_by_label("Priority").fill("4")
    await sara.dialog.get_by_role("button", name="Add a skill").click()
    await sara.dialog.get_by_label("Skill", exact=True).fill("cards")
    await sara.dialog.get_by_label("Level").select_option("2")
    await sara.dialog.get_by_role("button", name="Change").click()

    await expect(sara.history).to_contain_text("Changed by Sara refunds · priority 4")
    await expect(sara.contact).to_contain_text("cards 2")

    await sara.button("Cancel contact…").click()
    await sara.dialog.get_by_label("Reason").fill("spam")
    await sara.dialog.get_by_role("button", name="Cancel contact").click()
    await expect(sara.history).to_contain_text("Cancelled by Sara spam")
    await expect(sara.button("Cancel contact…")).to_have_count(0)


async def test_a_supervisor_sets_a_presence_and_sees_what_an_agent_has(site: Site, open_desk: DeskOpener) -> None:
    sara = await open_desk(site, "sara-guided")
    anna = await open_desk(site, "anna-guided")
    await anna.become("Busy")
    await sara.page.get_by_role("link", name="Board").click()
    agents = sara.page.get_by_role("region", name="Agents")

    await agents.get_by_label("Presence of Anna").select_option("break")

    await expect(anna.presence("Break")).to_be_checked()
    await expect(agents.locator("[data-presence=break]")).to_contain_text("Anna")
    await expect(agents.get_by_label("Presence of Anna")).to_be_focused()
    await agents.get_by_role("link", name="Anna").click()
    await expect(sara.page.get_by_role("heading", name="What Anna has")).to_be_visible()
    await expect(sara.page.get_by_text("Nothing in hand.")).to_be_visible()


async def test_what_needs_attention_catches_the_eye(site: Site, open_desk: DeskOpener) -> None:
    """An agent lets one offer after the other run out; as many decline one contact as the pool's rules allow."""
    sara = await open_desk(site, "sara-noticed")
    anna = await open_desk(site, "anna-noticed")
    await sara.page.get_by_role("link", name="Board").click()
    attention = sara.page.get_by_role("region", name="Needs attention")
    await expect(attention).to_contain_text("Nothing needs attention.")
    await anna.become("Available")

    await site.write("noticed", "Anybody?", email="anybody@example.com")

    await expect(sara.page.get_by_role("alert").filter(has_text="Anna does not respond")).to_be_visible()
    await expect(attention).to_contain_text("Not responding")
    await expect(attention.get_by_role("link", name="Anna")).to_be_visible()
    await expect(sara.page.get_by_role("alert").filter(has_text="An agent did not take Luca Verdi")).to_be_visible()
    await expect(attention.get_by_role("link", name="Anybody?")).to_be_visible()
    await expect(sara.page.get_by_role("row", name="noticed").get_by_role("cell").first).to_have_text("1")


async def test_every_part_fits_a_narrow_window_and_everything_in_it_has_a_name(
    site: Site, open_desk: DeskOpener
) -> None:
    sara = await open_desk(site, "sara-narrow", viewport={"width": 360, "height": 720})
    contact = await site.write("narrow", "A subject that goes on and on and on", "?" * 200, email="long@example.com")
    parts = {
        "#/": sara.page.get_by_text("My contacts"),
        "#/board": sara.page.get_by_role("heading", name="Needs attention"),
        "#/waiting": sara.button("Assign…: A subject"),
        "#/agent/anna-narrow": sara.page.get_by_role("heading", name="What Anna has"),
        f"#/contact/{contact}": sara.button("Cancel contact…"),
    }
    for address, shown in parts.items():
        await sara.page.goto(f"/{address}")
        await expect(shown).to_be_visible()
        await expect(sara.page.locator(".connection")).to_have_attribute("data-state", "live")
        width = await sara.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"{address} is {width} pixels wide"
        nameless = await sara.page.evaluate(
            """() => [...document.querySelectorAll("button, a, select, input, textarea")]
                .filter((one) => one.checkVisibility() && !(one.labels?.length || one.ariaLabel || one.textContent.trim()))
                .map((one) => one.outerHTML)"""
        )
        assert nameless == [], address
