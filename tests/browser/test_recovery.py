"""The page over a server that is killed: it says so, comes back by itself, and shows the truth."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from tests.browser.desk import Desk
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
DeskOpener = Callable[..., Awaitable[Desk]]
LOST = "The connection is lost and is being opened again."


async def test_the_page_comes_back_after_a_kill_and_has_missed_nothing(
    fragile_site: Site, open_desk: DeskOpener
) -> None:
    site = fragile_site
    desk = await open_desk(site, "anna-crash")
    await desk.become("Available")
    await site.write("crash", "Before the crash", email="before@example.com")
    await desk.accept("Before the crash")
    await desk.page.get_by_label("Reply to the customer").fill("Half a sente")

    site.kill()
    await expect(desk.page.get_by_text(LOST)).to_be_visible()
    await desk.button("Send").click()
    await expect(
        desk.page.get_by_text("Not sent; your text is still here. The server does not answer.")
    ).to_be_visible()
    await site.start()
    await site.write("crash", "After the crash", email="after@example.com")

    await expect(desk.offer("After the crash")).to_be_visible()
    await desk.live()
    await expect(desk.page.get_by_text(LOST)).to_be_hidden()
    await expect(desk.presence("Available")).to_be_checked()
    await expect(desk.page.get_by_label("Reply to the customer")).to_have_value("Half a sente")
    await desk.reply("Half a sentence, and the rest.")
    await expect(desk.message("Half a sentence, and the rest.")).to_contain_text("sent")


async def test_the_page_begins_anew_where_its_cursor_is_no_good_any_more(
    fragile_site: Site, open_desk: DeskOpener
) -> None:
    site = fragile_site
    desk = await open_desk(site, "anna-anew")
    await desk.become("Available")
    contact = await site.write("anew", "Will be gone", email="gone@example.com")
    await desk.accept("Will be gone")
    await site.write("anew", "Stays", email="stays@example.com")
    await desk.accept("Stays")

    # The view is lost and folded again from the log: its cursors are others. One contact is resolved before the page is back.
    site.kill()
    site.forget_view()
    await desk.page.context.set_offline(True)
    await site.start()
    await site.state_of(contact, "active", "anna-anew")
    async with site.client("anna-anew") as client:
        answer = await client.post(f"/v1/contacts/{contact}/resolve", json={"follow_up": False})
    assert answer.status_code == 200, answer.text
    await desk.page.context.set_offline(False)

    await expect(desk.mine("Will be gone")).to_have_count(0)
    await expect(desk.mine("Stays")).to_be_visible()
    await desk.live()
    await expect(desk.message("Hello!")).to_be_visible()
    await expect(desk.presence("Available")).to_be_checked()
