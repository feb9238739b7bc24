"""The live board, for supervisors and for agents."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from libs.common.http.auth import Role
from tests.browser.desk import Desk
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
DeskOpener = Callable[..., Awaitable[Desk]]


async def test_the_board_shows_how_things_stand_and_what_changes(site: Site, open_desk: DeskOpener) -> None:
    sara = await open_desk(site, "sara-board")
    await sara.page.get_by_role("link", name="Board").click()
    row = sara.page.get_by_role("row", name="board")
    await expect(row.get_by_role("cell").first).to_have_text("0")

    await site.write("board", "Nobody is there", email="one@example.com")
    await expect(row.get_by_role("cell").first).to_have_text("1")
    anna = await open_desk(site, "anna-board")
    await anna.become("Available")
    available = sara.page.get_by_role("region", name="Agents").locator("[data-presence=available]")
    await expect(available).to_contain_text("Anna")
    await anna.accept("Nobody is there")

    await expect(row.get_by_role("cell").nth(0)).to_have_text("0")
    await expect(row.get_by_role("cell").nth(3)).to_have_text("1")
    # What no frame tells is read again after some seconds.
    await expect(row.get_by_role("cell").nth(5)).to_have_text("100%")
    await expect(available).to_contain_text("Web form 1/3")
    await expect(sara.page.get_by_role("img", name="1 contacts were received")).to_be_visible()
    # A supervisor hears of everybody's work, and it does not become the supervisor's own.
    await sara.page.get_by_role("link", name="Desk").click()
    await expect(sara.mine("Nobody is there")).to_have_count(0)
    await expect(sara.page.get_by_role("timer")).to_have_count(0)

    # What a supervisor changes is what the agent's switch shows.
    async with site.client("sara-board", Role.SUPERVISOR) as client:
        await client.put("/v1/agents/anna-board/presence", json={"status": "break"})
    await expect(anna.presence("Break")).to_be_checked()

    # An agent sees the throughput and no colleagues.
    await anna.page.get_by_role("link", name="Board").click()
    await expect(anna.page.get_by_role("img", name="1 contacts were received")).to_be_visible()
    await expect(anna.page.get_by_role("table")).to_have_count(0)


async def test_the_board_lists_who_left_until_they_cannot_come_back(site: Site, open_desk: DeskOpener) -> None:
    # given a customer who waits, and a supervisor at the board
    sara = await open_desk(site, "sara-leaving")
    await sara.page.get_by_role("link", name="Board").click()
    left = sara.page.get_by_role("region", name="Left while waiting")
    await expect(left).to_contain_text("Nobody left who may still come back.")
    contact_id = await site.write("leaving", "Too slow", email="left@example.com")
    await site.state_of(contact_id, "queued", "sara-leaving")

    # when the customer leaves
    await site.leave("leaving", contact_id)

    # then the board says so, until when the customer may come back, and that nothing need be done
    line = left.get_by_role("listitem")
    await expect(line).to_contain_text("Too slow – Luca Verdi")
    await expect(line).to_contain_text(re.compile(r"may come back until \d\d:\d\d \(1[45]:\d\d\)"))
    await expect(left).to_contain_text("who writes in time waits again, in the old place")
    await line.get_by_role("link").click()
    await expect(sara.heading("Too slow")).to_be_visible()
    await expect(sara.history).to_contain_text("left")

    # and when the customer writes again it waits, and is on the list no more
    await site.write("leaving", "Here again", email="left@example.com")
    await sara.page.get_by_role("link", name="Board").click()
    await expect(left).to_contain_text("Nobody left who may still come back.")
    await expect(sara.page.get_by_role("row", name="leaving").get_by_role("cell").first).to_have_text("1")
