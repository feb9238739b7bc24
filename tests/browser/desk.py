"""The console's page as a person uses it: by what is seen and by names, never by how it is made inside. Called by the browser tests."""

from __future__ import annotations

import json

from playwright.async_api import ConsoleMessage, Locator, Page, expect

from libs.common.http.auth import Role
from tests.browser.site import Site

# What a browser itself writes when a request is answered with an error or not at all: tests provoke that.
_REQUEST_FAILED = ("Failed to load resource", "WebSocket connection to")


class Desk:
    """One page of one agent."""

    def __init__(self, page: Page, site: Site) -> None:
        """Listens to the page's errors from now on."""
        self.page = page
        self.site = site
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_REQUEST_FAILED):
            self.faults.append(message.text)

    async def begin(self, agent: str | None) -> None:
        """Open the page; with a session for the agent, as if signed in before."""
        if agent is not None:
            role = Role.SUPERVISOR if agent.startswith("sara") else Role.AGENT
            session = json.dumps({"agent": agent, "token": self.site.token(agent, role=role)})
            await self.keep_session(session)
        await self.page.goto("/")
        if agent is not None:
            await self.live()

    async def keep_session(self, session: str) -> None:
        """Put a session where the page finds it, once."""
        await self.page.goto("/icon.svg")
        await self.page.evaluate("session => sessionStorage.setItem('centralino.session', session)", session)

    async def live(self) -> None:
        """Wait until the stream is open."""
        await expect(self.page.locator(".connection")).to_have_attribute("data-state", "live")

    async def become(self, presence: str) -> None:
        """Choose a presence and wait until the server says the same."""
        await self.presence(presence).click()
        await expect(self.presence(presence)).to_be_checked()

    def presence(self, name: str) -> Locator:
        """One choice of the presence switch."""
        return self.page.get_by_role("radio", name=name)

    def offer(self, subject: str) -> Locator:
        """The card of an offer."""
        return self.page.get_by_role("article").filter(has_text=subject).filter(has=self.page.get_by_role("timer"))

    def mine(self, subject: str) -> Locator:
        """A line of the list of contacts."""
        return self.page.get_by_role("region", name="My contacts").get_by_role("link").filter(has_text=subject)

    def heading(self, subject: str) -> Locator:
        """The head of the open contact."""
        return self.page.get_by_role("heading", level=1, name=subject)

    def message(self, text: str) -> Locator:
        """A message or a note of the open contact."""
        return self.page.get_by_label("Messages").get_by_role("listitem").filter(has_text=text)

    def notice(self, text: str) -> Locator:
        """A notice in the corner."""
        return self.page.locator("#notices").get_by_text(text)

    @property
    def dialog(self) -> Locator:
        """The dialog that is open."""
        return self.page.get_by_role("dialog")

    @property
    def actions(self) -> Locator:
        """The buttons under the head of the open contact, and what they say."""
        return self.page.get_by_role("group", name="What can be done")

    @property
    def history(self) -> Locator:
        """What happened to the open contact."""
        return self.page.get_by_role("region", name="History")

    @property
    def contact(self) -> Locator:
        """The open contact, with everything beside it."""
        return self.page.get_by_role("article", name="Contact", exact=True)

    def button(self, name: str) -> Locator:
        """A button by its name."""
        return self.page.get_by_role("button", name=name)

    async def accept(self, subject: str) -> None:
        """Take the offer and see the contact open."""
        await self.offer(subject).get_by_role("button", name="Accept").click()
        await expect(self.heading(subject)).to_be_visible()

    async def reply(self, text: str) -> None:
        """Write a reply and send it."""
        await self.page.get_by_label("Reply to the customer").fill(text)
        await self.page.keyboard.press("Control+Enter")
