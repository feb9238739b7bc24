"""Letting a queue run empty, on the supervisors' board."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Locator, Route, expect

from libs.common.http.auth import Role
from tests.browser.desk import Desk
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
DeskOpener = Callable[..., Awaitable[Desk]]


async def test_a_supervisor_drains_a_queue_and_has_it_take_contacts_again(site: Site, open_desk: DeskOpener) -> None:
    # given two queues, and a contact that waits in one of them
    sara = await open_desk(site, "sara-emptying")
    await site.write("emptying", "Who is there?", email="there@example.com")
    await sara.page.get_by_role("link", name="Board").click()

    def row(queue: str) -> Locator:
        link = sara.page.get_by_role("link", name=queue, exact=True)
        return sara.page.get_by_role("region", name="Queues").get_by_role("row").filter(has=link)

    await expect(row("emptying").get_by_role("cell").first).to_have_text("1")

    # when she drains it into the other
    await sara.button("Let it run empty…: emptying").click()
    await sara.dialog.get_by_label("Contacts go to").select_option("general")
    await sara.dialog.get_by_role("button", name="Let it run empty").click()

    # then it says so, and what waits is there
    await expect(row("emptying")).to_contain_text("runs empty into general")
    await expect(row("emptying").get_by_role("cell").first).to_have_text("0")
    await expect(row("general").get_by_role("cell").first).to_have_text("1")
    await expect(sara.button("Take contacts again: emptying")).to_be_focused()

    # when the other is drained too, it is refused where it was asked for
    await sara.button("Let it run empty…: general").click()
    await sara.dialog.get_by_role("button", name="Let it run empty").click()
    await expect(sara.dialog.get_by_role("alert")).to_have_text("Another queue is drained to this one. End that first.")
    await sara.page.keyboard.press("Escape")

    # when the queue takes contacts again
    await sara.button("Take contacts again: emptying").click()

    # then a new contact waits there
    await expect(row("emptying")).not_to_contain_text("runs empty into")
    await site.write("emptying", "And now?", email="now@example.com")
    await expect(row("emptying").get_by_role("cell").first).to_have_text("1")


async def test_a_queue_that_somebody_else_lifted_says_so_in_its_row(site: Site, open_desk: DeskOpener) -> None:
    sara = await open_desk(site, "sara-emptying")
    await sara.page.get_by_role("link", name="Board").click()
    await sara.button("Let it run empty…: general").click()
    await sara.dialog.get_by_role("button", name="Let it run empty").click()
    rows = sara.page.get_by_role("region", name="Queues").get_by_role("row")
    await expect(rows.filter(has_text="runs empty")).to_contain_text("general")

    async def be_quicker(route: Route) -> None:
        async with site.client("sara-emptying", Role.SUPERVISOR) as client:
            await client.delete("/v1/queues/general/drain")
        await route.continue_()

    await sara.page.route("**/drain", be_quicker)
    await sara.button("Take contacts again: general").click()

    await expect(rows.get_by_role("alert").filter(has_text="This queue is not drained.")).to_be_visible()
    await expect(sara.button("Let it run empty…: general")).to_be_visible()
