"""The browser, and the Centralino that it shows. Both live as long as the run, on one event loop: starting them costs seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.desk import Desk
from tests.browser.site import POOLS, Site
from tests.parts.chromium import Chromium
from tests.parts.smtp import MailServer
from tests.support.processes import Child

SiteMaker = Callable[..., Awaitable[Site]]
DeskOpener = Callable[..., Awaitable[Desk]]

EXPECT_MS = 20_000
FRAGILE = ("crash", "anew")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: Chromium) -> AsyncIterator[Browser]:
    """A running Chromium."""
    expect.set_options(timeout=EXPECT_MS)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=chromium.executable_path, args=list(chromium.arguments)
        )
        yield launched
        await launched.close()


@pytest.fixture(scope="session")
def post_office() -> Iterator[MailServer]:
    """The mail server of every site."""
    with MailServer() as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def make_site(tmp_path_factory: pytest.TempPathFactory, post_office: MailServer) -> AsyncIterator[SiteMaker]:
    """`make_site("crash")` gives a running site with these pools. It is killed at the end of the run."""
    with ExitStack() as children:

        async def make(*pools: str) -> Site:
            folder = tmp_path_factory.mktemp("site")

            def start_child(command: tuple[str, ...], *, name: str, environment: dict[str, str]) -> Child:
                child = Child(command, folder / f"{name}.log", environment=environment)
                return children.enter_context(child)

            site = Site(folder, start_child, pools, post_office.url)
            if "signing" in pools:
                await site.set_passwords("anna-signing")
            await site.start()
            return site

        yield make


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(make_site: SiteMaker) -> Site:
    """The site that tests share; each has its own pool there."""
    return await make_site(*(pool for pool in POOLS if pool not in FRAGILE))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fragile_site(make_site: SiteMaker) -> Site:
    """A site that tests kill; whoever kills it starts it again."""
    return await make_site(*FRAGILE)


@pytest_asyncio.fixture(loop_scope="session")
async def open_desk(browser: Browser, tmp_path: Path) -> AsyncIterator[DeskOpener]:
    """`open_desk(site, "anna-work")` gives a page where the agent is signed in; without an agent, the sign-in form.

    What the page says on its console as an error, and what a script of it throws, fails the test at its end.
    """
    desks: list[Desk] = []
    async with AsyncExitStack() as stack:

        async def open_page(site: Site, agent: str | None = None, **options: object) -> Desk:
            context = await browser.new_context(**{"locale": "en-GB", "base_url": site.url, **options})  # type: ignore[arg-type]  # handed through
            stack.push_async_callback(context.close)
            desk = Desk(await context.new_page(), site)
            desks.append(desk)
            await desk.begin(agent)
            return desk

        yield open_page
    faults = [fault for desk in desks for fault in desk.faults]
    assert faults == []
