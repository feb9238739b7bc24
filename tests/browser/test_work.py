"""A contact from its offer to the mail that asks afterwards, in the browser, at the mail server and at the API."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Route, expect

from tests.browser.desk import Desk
from tests.browser.site import Site
from tests.parts.smtp import MailServer, ReceivedMail

pytestmark = pytest.mark.asyncio(loop_scope="session")
DeskOpener = Callable[..., Awaitable[Desk]]


def text_of(mail: ReceivedMail) -> str:
    """The mail's plain text."""
    body = mail.message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def test_a_contact_is_taken_answered_and_resolved(
    site: Site, open_desk: DeskOpener, post_office: MailServer
) -> None:
    desk = await open_desk(site, "anna-work")
    page = desk.page
    await desk.become("Available")

    await site.write(
        "work", "Where is my parcel?", "It should be here.\nSince Monday!", email="ada@example.com", order="4711"
    )

    offer = desk.offer("Where is my parcel?")
    await expect(offer).to_contain_text("Luca Verdi")
    await expect(offer).to_contain_text("Web form")
    await expect(offer).to_contain_text("First in line for you.")
    await expect(offer.get_by_role("timer")).to_have_text(re.compile(r"^(10:00|9:\d\d)$"))
    await expect(offer).to_be_focused()
    await expect(page).to_have_title("(1) offers – Centralino")
    await expect(page.locator("#announcements")).to_contain_text("New offer: Web form, Luca Verdi, Where is my parcel?")

    await page.keyboard.press("Alt+A")
    await expect(desk.heading("Where is my parcel?")).to_be_visible()
    await expect(page).to_have_title("Centralino")
    await expect(desk.message("Since Monday!")).to_be_visible()
    await expect(desk.mine("Where is my parcel?")).to_be_visible()
    card = page.get_by_role("region", name="Customer")
    await expect(card).to_contain_text("ada@example.com")
    await expect(card).to_contain_text("4711")
    await expect(card.get_by_role("link", name="in progress")).to_contain_text("Where is my parcel?")

    await expect(page.get_by_label("Reply to the customer")).to_be_focused()
    await desk.reply("It arrives tomorrow.")
    await expect(desk.message("It arrives tomorrow.")).to_contain_text("sent")
    await expect(page.get_by_label("Reply to the customer")).to_have_value("")
    mail = await post_office.wait_for(lambda mail: "ada@example.com" in mail.recipients)
    assert "It arrives tomorrow." in text_of(mail)

    await page.get_by_role("tab", name="Note").click()
    await page.get_by_label("Note for colleagues").fill("The carrier was late.")
    await desk.button("Add note").click()
    await expect(desk.message("The carrier was late.")).to_be_visible()
    await expect(page.get_by_role("region", name="History")).to_contain_text("Note by Anna")

    await desk.button("Resolve").click()
    await page.get_by_label("Outcome").fill("solved")
    await page.get_by_label("Summary").fill("Late carrier")
    await page.get_by_role("dialog").get_by_role("button", name="Resolve").click()

    await expect(desk.mine("Where is my parcel?")).to_have_count(0)
    await expect(card.get_by_role("link", name="resolved")).to_contain_text("solved")
    await expect(page.get_by_label("Reply to the customer")).to_be_disabled()
    asked = await post_office.wait_for(lambda found: "ada@example.com" in found.recipients and found != mail)
    assert "Where is my parcel?" in text_of(asked)
    assert "It arrives tomorrow." not in text_of(asked)
    await expect(page.get_by_role("region", name="History")).to_contain_text("Follow-up sent")


async def test_a_contact_in_wrap_up_is_finished_by_its_agent(site: Site, open_desk: DeskOpener) -> None:
    desk = await open_desk(site, "anna-wrapping")
    await desk.become("Available")
    contact = await site.write("wrapping", "A short question")
    await desk.accept("A short question")

    await desk.button("Resolve").click()
    await desk.page.get_by_label("Ask the customer afterwards").uncheck()
    await desk.page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    left = re.compile(r"^wrap-up (10:00|9:\d\d)$")
    await expect(desk.contact.get_by_text(left)).to_be_visible()
    await expect(desk.mine("A short question").get_by_text(left)).to_be_visible()
    await desk.button("Wrap-up done").click()

    await expect(desk.notice("Luca Verdi: resolved.")).to_be_visible()
    await site.state_of(contact, "resolved", "anna-wrapping")


async def test_a_reply_whose_answer_is_lost_stays_and_is_sent_once(
    site: Site, open_desk: DeskOpener, post_office: MailServer
) -> None:
    desk = await open_desk(site, "anna-lost")
    await desk.become("Available")
    await site.write("lost", "Once, please", email="once@example.com")
    await desk.accept("Once, please")
    keys: list[str] = []

    async def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await desk.page.route(
        "**/messages", lambda route: lose(route) if route.request.method == "POST" else route.continue_()
    )

    await desk.reply("Only once.")
    await expect(
        desk.page.get_by_text("Not sent; your text is still here. The server does not answer.")
    ).to_be_visible()
    await expect(desk.page.get_by_label("Reply to the customer")).to_have_value("Only once.")
    await desk.button("Send").click()
    await expect(desk.page.get_by_label("Reply to the customer")).to_have_value("")
    await desk.reply("And another.")
    await expect(desk.message("And another.")).to_contain_text("sent")

    assert keys[0] == keys[1] != keys[2]
    await expect(desk.message("Only once.")).to_have_count(1)
    # The second reply has arrived, and replies of a thread go out in order: the first was sent once or never will be again.
    await post_office.wait_for(lambda mail: "And another." in text_of(mail))
    assert [mail.recipients for mail in post_office.mails if "Only once." in text_of(mail)] == [("once@example.com",)]


async def test_what_a_customer_writes_is_only_ever_text(site: Site, open_desk: DeskOpener) -> None:
    script = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script><b>bold</b>"
    desk = await open_desk(site, "anna-hostile")
    await desk.become("Available")

    fields = {"name": f"Eve {script}", "email": "eve@example.com", "field": f"Value {script}"}
    await site.write("hostile", f"Hi {script}", f"Text {script}", **fields)
    await expect(desk.offer("<b>bold</b>")).to_contain_text(f"Text {script}")
    await desk.page.keyboard.press("Alt+A")

    await expect(desk.message("<b>bold</b>")).to_contain_text(f"Text {script}")
    await expect(desk.heading("<b>bold</b>")).to_have_text(f"Hi {script}")
    await expect(desk.page.get_by_role("region", name="Customer")).to_contain_text(f"Value {script}")
    await expect(desk.page.get_by_role("region", name="Customer")).to_contain_text("Eve <img")
    await expect(desk.page).to_have_title("Centralino")
    assert await desk.page.locator("img, b, script:not([type=module])").count() == 0


async def test_a_further_message_is_counted_until_it_is_seen_and_its_file_can_be_saved(
    site: Site, open_desk: DeskOpener
) -> None:
    desk = await open_desk(site, "anna-seen")
    page = desk.page
    await desk.become("Available")
    await site.write("seen", "First subject", email="first@example.com")
    await desk.accept("First subject")
    await site.write("seen", "Second subject", email="second@example.com")
    await desk.accept("Second subject")

    file = ("receipt.txt", b"paid in full", "text/plain")
    await site.write("seen", "First subject", "One more thing", email="first@example.com", files={"file": file})
    await expect(desk.mine("First subject")).to_contain_text("1 new")
    await expect(desk.mine("Second subject")).not_to_contain_text("new")

    await desk.mine("First subject").click()
    await expect(desk.message("One more thing")).to_be_visible()
    await expect(desk.mine("First subject")).not_to_contain_text("new")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="receipt.txt").click()
    saved = await (await download.value).path()
    assert saved.read_bytes() == b"paid in full"
