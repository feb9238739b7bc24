"""Offers that are declined, that expire, and that somebody else was quicker with."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Route, WebSocketRoute, expect

from tests.browser.desk import Desk
from tests.browser.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
DeskOpener = Callable[..., Awaitable[Desk]]


async def test_what_one_agent_declines_comes_to_the_other(site: Site, open_desk: DeskOpener) -> None:
    anna = await open_desk(site, "anna-choice")
    await anna.become("Available")
    await site.write("choice", "Who takes it?")
    await expect(anna.offer("Who takes it?")).to_be_visible()
    bruno = await open_desk(site, "bruno-choice")
    await bruno.become("Available")
    await expect(bruno.offer("Who takes it?")).to_have_count(0)

    await anna.page.keyboard.press("Alt+R")

    await expect(anna.offer("Who takes it?")).to_have_count(0)
    await expect(bruno.offer("Who takes it?")).to_contain_text("Passed over: Anna (declined).")
    await bruno.accept("Who takes it?")
    await expect(anna.mine("Who takes it?")).to_have_count(0)
    await expect(bruno.mine("Who takes it?")).to_be_visible()


async def test_an_offer_that_nobody_answers_goes_with_a_notice(site: Site, open_desk: DeskOpener) -> None:
    desk = await open_desk(site, "anna-expiry")
    await desk.become("Available")

    await site.write("expiry", "Too late")

    await expect(desk.offer("Too late").get_by_role("timer")).to_have_text("0:01")
    await expect(desk.notice("The offer of Luca Verdi expired.")).to_be_visible()
    await expect(desk.offer("Too late")).to_have_count(0)
    await expect(desk.page).to_have_title("Centralino")


async def test_an_offer_that_is_gone_is_explained_in_words(site: Site, open_desk: DeskOpener) -> None:
    desk = await open_desk(site, "anna-race")
    await desk.become("Available")
    await site.write("race", "A race")
    await expect(desk.offer("A race")).to_be_visible()

    async def be_quicker(route: Route) -> None:
        await site.set_presence("anna-race", "offline")
        await route.continue_()

    await desk.page.route("**/accept", be_quicker)
    await desk.page.keyboard.press("Alt+A")

    await expect(desk.page.get_by_role("alert")).to_contain_text("The offer was taken back.")
    await expect(desk.offer("A race")).to_have_count(0)
    await expect(desk.presence("Offline")).to_be_checked()


async def test_frames_of_kinds_that_the_page_does_not_know_change_nothing(site: Site, open_desk: DeskOpener) -> None:
    desk = await open_desk(site)

    def add_strange_frames(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def hand_on(frame: str | bytes) -> None:
            strange = {**json.loads(frame), "type": "weather.changed", "offer": "rain"}
            socket.send(json.dumps(strange))
            socket.send(frame)
            socket.send(json.dumps(strange))

        server.on_message(hand_on)

    await desk.page.route_web_socket("**/v1/stream?*", add_strange_frames)
    await desk.keep_session(json.dumps({"agent": "anna-strange", "token": site.token("anna-strange")}))
    await desk.page.goto("/")
    await desk.live()
    await desk.become("Available")
    await site.write("strange", "Nothing strange")

    await desk.accept("Nothing strange")

    await expect(desk.message("Hello!")).to_be_visible()
    await expect(desk.mine("Nothing strange")).to_be_visible()
