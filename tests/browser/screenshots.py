"""The pictures of the console for the documentation: `python -m tests.browser.screenshots`, with the demo that it starts itself.

They go to docs/images. Nothing else calls it. Colleagues are sent on a break meanwhile, so that enough work comes to anna.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path

import httpx
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.parts.chromium import obtain_chromium
from tests.support.ports import free_port
from tests.support.processes import Child, centralino_command

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SERVICES = ("ingest", "agent-api", "followup", "router", "demo")
COLLEAGUES = ("carla", "davide", "emily")
REPLIES = {
    "it": "Buongiorno, controllo subito e le scrivo entro un'ora.",
    "en": "Thank you for writing, I am looking into it right now.",
}
SENT = re.compile("sent|delivered|read")
WAIT_MS = 120_000
# The board has something to show when so many contacts are resolved.
ENOUGH = re.compile(r"^([4-9]\d|\d{3})$")
BOARD_MS = 400_000


async def take_pictures(folder: Path) -> None:
    """Start the demo, work in it for a while, and write the pictures into `folder`."""
    chromium = obtain_chromium()
    ports = {name: free_port() for name in SERVICES}
    with tempfile.TemporaryDirectory() as scratch:
        options = [part for name, port in ports.items() for part in (f"--{name}-port", str(port))]
        command = centralino_command("up", "--demo", "--seed", "7", "--data", scratch, *options)
        url = f"http://127.0.0.1:{ports['agent-api']}"
        with Child(command, Path(scratch) / "demo.log") as demo:
            await demo.wait_until_ready(f"{url}/readyz", timeout_s=60)
            await demo.wait_for_output("A supervisor sees everything")
            passwords = dict(re.findall(r"(anna|sara)(?: with the|,) password (\S+)", demo.output()))
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=chromium.executable_path, args=list(chromium.arguments)
                )
                await _work(browser, url, passwords, folder)
                await browser.close()


async def _work(browser: Browser, url: str, passwords: dict[str, str], folder: Path) -> None:
    anna = await _sign_in(browser, url, "anna", passwords["anna"])
    await anna.get_by_role("radio", name="Available").click()
    await _send(url, passwords["sara"], "break", "busy", "break")
    for number in (1, 2):
        await _wait_for_offer(anna)
        await anna.keyboard.press("Alt+A")
        # The one before stays open until this one is taken.
        await expect(anna.get_by_role("region", name="My contacts").get_by_role("link")).to_have_count(number)
        await expect(anna.get_by_label("Messages").get_by_role("listitem")).to_have_count(1)
        await anna.get_by_label("Reply to the customer").fill(REPLIES[await _language(anna, url)])
        await anna.keyboard.press("Control+Enter")
        await expect(anna.get_by_label("Messages").get_by_role("listitem").nth(1)).to_contain_text(SENT)
    await anna.get_by_role("tab", name="Note").click()
    await anna.get_by_label("Note for colleagues").fill("Asked the warehouse; they call back this afternoon.")
    await anna.get_by_role("button", name="Add note").click()
    await anna.get_by_role("region", name="History").get_by_text("Note by anna").wait_for()
    await anna.get_by_role("tab", name="Reply").click()
    await _wait_for_offer(anna)
    await anna.screenshot(path=folder / "console.png")
    sara = await _sign_in(browser, url, "sara", passwords["sara"])
    await sara.get_by_role("link", name="Board").click()
    phone = await _sign_in(browser, url, "anna", passwords["anna"], width=390, scheme="dark")
    await phone.get_by_role("region", name="My contacts").get_by_role("link").first.wait_for()
    await phone.screenshot(path=folder / "phone.png")
    await _send(url, passwords["sara"], "available", "available", "break")
    resolved = sara.locator("[data-tile=resolved]")
    await expect(resolved).to_have_text(ENOUGH, timeout=BOARD_MS)
    # What was said in the corner meanwhile would hide a part of it.
    for _ in range(await sara.locator("#notices .close").count()):
        await sara.locator("#notices .close").first.click()
    await sara.screenshot(path=folder / "board.png")


async def _sign_in(
    browser: Browser, url: str, agent: str, password: str, *, width: int = 1280, scheme: str = "light"
) -> Page:
    context = await browser.new_context(
        base_url=url,
        locale="en-GB",
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 800},
    )
    page = await context.new_page()
    await page.goto("/")
    await page.get_by_label("Agent").fill(agent)
    await page.get_by_label("Password").fill(password)
    await page.keyboard.press("Enter")
    await page.get_by_text("Live", exact=True).wait_for()
    return page


async def _language(page: Page, url: str) -> str:
    """The language of the contact that was taken last, as far as we can write it."""
    session = json.loads(await page.evaluate("sessionStorage.getItem('centralino.session')"))
    headers = {"Authorization": f"Bearer {session['token']}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        contacts = (await client.get("/v1/me/work")).json()["contacts"]
    return "en" if contacts[-1]["language"] == "en" else "it"


async def _wait_for_offer(page: Page) -> None:
    await page.get_by_role("timer").first.wait_for(timeout=WAIT_MS)


async def _send(url: str, password: str, *presences: str) -> None:
    """Give the colleagues these presences."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        session = (await client.post("/v1/session", json={"agent_id": "sara", "password": password})).json()
        client.headers["Authorization"] = f"Bearer {session['token']}"
        for agent, status in zip(COLLEAGUES, presences, strict=True):
            answer = await client.put(f"/v1/agents/{agent}/presence", json={"status": status})
            answer.raise_for_status()


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    chosen.mkdir(parents=True, exist_ok=True)
    asyncio.run(take_pictures(chosen))
