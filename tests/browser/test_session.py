"""Signing in and out, languages, and what the page's own rules forbid."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.desk import Desk
from tests.browser.site import HOUR_MS, PASSWORD, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")
DeskOpener = Callable[..., Awaitable[Desk]]


async def test_a_wrong_password_is_refused_and_the_right_one_is_taken(site: Site, open_desk: DeskOpener) -> None:
    desk = await open_desk(site)
    page = desk.page

    await page.get_by_label("Agent").fill("anna-signing")
    await page.get_by_label("Password").fill("a wrong one")
    await desk.button("Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("The agent or the password is wrong.")

    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await desk.live()
    await expect(desk.presence("Offline")).to_be_checked()

    # The session is the tab's: it outlives a reload, and ends with signing out, which makes the agent go offline.
    await desk.become("Available")
    await page.reload()
    await desk.live()
    await expect(desk.presence("Available")).to_be_checked()
    await desk.button("Sign out").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    async with site.client("anna-signing") as client:
        assert (await client.get("/v1/me")).json()["presence"] == "offline"
    assert await page.evaluate("sessionStorage.getItem('centralino.session')") is None


async def test_a_session_that_has_ended_leads_back_to_the_form_with_a_sentence(
    site: Site, open_desk: DeskOpener
) -> None:
    desk = await open_desk(site)
    expired = site.token("bruno-signing", ttl_ms=HOUR_MS, ago_ms=2 * HOUR_MS)

    await desk.keep_session(json.dumps({"agent": "bruno-signing", "token": expired}))
    await desk.page.goto("/")

    await expect(desk.page.get_by_role("alert")).to_have_text("Your session has ended. Please sign in again.")
    await expect(desk.page.get_by_label("Password")).to_be_visible()


async def test_the_page_speaks_italian_to_who_prefers_it_and_changes_on_demand(
    site: Site, open_desk: DeskOpener
) -> None:
    desk = await open_desk(site, "anna-words", locale="it-IT")
    page = desk.page

    await desk.become("Disponibile")
    await site.write("words", "Dov'è il mio pacco?")
    await expect(page.get_by_role("button", name="Accetta")).to_be_visible()
    await expect(page.locator("html")).to_have_attribute("lang", "it")

    await page.get_by_label("Lingua").select_option("en")

    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(desk.presence("Available")).to_be_checked()
    await desk.accept("Dov'è il mio pacco?")
    await page.reload()
    await expect(desk.heading("Dov'è il mio pacco?")).to_be_visible()
    await expect(page.get_by_label("Reply to the customer")).to_be_visible()


async def test_both_languages_have_every_text(site: Site, open_desk: DeskOpener) -> None:
    desk = await open_desk(site)

    keys = await desk.page.evaluate(
        """async () => {
            const {en} = await import("/js/words.en.js");
            const {it} = await import("/js/words.it.js");
            const kinds = (texts) => Object.entries(texts).map(([key, text]) => `${key} ${typeof text}`).sort();
            return [kinds(en), kinds(it)];
        }"""
    )

    assert keys[0] == keys[1]
    assert len(keys[0]) > 100


async def test_the_page_may_run_nothing_but_its_own_files(site: Site, open_desk: DeskOpener) -> None:
    desk = await open_desk(site)

    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as client:
        for path in ("/", "/js/main.js", "/style/base.css"):
            policy = (await client.get(path)).headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
    # Even a mistake in the console's own code could not turn text into markup.
    thrown = await desk.page.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>'; return '' } catch (error) { return error.name } }"
    )
    assert thrown == "TypeError"
    desk.faults.clear()
