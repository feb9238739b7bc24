"""The whole system from one seed: the router's world, and around it ingest, the agent API and the follow-up service, two of each.

Customers hand their messages to ingest and agents their commands to the agent API, as HTTP clients do: whoever gets no answer asks another
replica with the same key. Everything that `world` breaks and checks is broken and checked here too.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from libs.common.configuration.models import Configuration, Followup, Rule, When
from libs.common.errors import LogClosedError, OutageError
from libs.common.events.inputs import AnyInput, Command, ContactReceived
from libs.common.http.auth import Role
from libs.common.log.memory import MemoryLog
from libs.common.log.streams import ROUTING_INPUTS
from services.agent_api.access import Viewer
from services.agent_api.commands import Append, carry_out
from services.agent_api.view_messages import command_kind
from services.ingest.channels.port import AccountContext, Normalised
from tests.simulation.connection import STORM, Weather
from tests.simulation.desktop import Desktop
from tests.simulation.installation import POOLS
from tests.simulation.mail import MailBox
from tests.simulation.process import outside
from tests.simulation.services import Door, HungUpError, Office, PostRoom, SimulatedService
from tests.simulation.stores import Stores
from tests.simulation.trouble import QUIET, TROUBLE, Troubles
from tests.simulation.whole_check import STOPPING, check_stores
from tests.simulation.world import PARTITIONS, World

ROUTERS = 2
KINDS: tuple[type[SimulatedService], ...] = (Door, Door, Office, Office, PostRoom, PostRoom)
# Few messages come in a run of this world; much must happen to each.
TEMPEST = replace(STORM, append_lost=0.02, answer_lost=0.02, crash_before_append=0.01, crash_after_append=0.01)
# Who is asked and does not answer: try again.
NO_ANSWER = (HungUpError, OutageError, LogClosedError)


def completed(configuration: Configuration) -> Configuration:
    """The router's configuration, with rules per channel, and with mails."""
    rules = [
        rule
        for pool in POOLS
        for rule in (Rule(when=When(channel=("sms",)), queue=f"{pool}-slow"), Rule(queue=f"{pool}-quick"))
    ]
    followup = Followup.model_validate(
        {"delay": "5s", "from": "Shop <care@shop.example>", "tell_wait": True, "tell_wait_from": "1s"}
    )
    return configuration.model_copy(update={"rules": tuple(rules), "followup": followup})


class WholeWorld(World):
    """See the module. `folder` holds the databases, `templates` the same ones as they are after their migrations."""

    def __init__(self, seed: int, folder: Path, templates: Stores) -> None:
        super().__init__(seed, routers=ROUTERS)
        # The view is built anew at the end, from everything that was ever said.
        self.log = MemoryLog(PARTITIONS, self.clock, retention_days=14)
        self.folder = folder
        self.stores = templates.copy_to(folder)
        self.templates = templates
        self.troubles = Troubles()
        self.box = MailBox(self.sky, self.troubles)
        self.services: dict[int, SimulatedService] = {}
        self.desktops = {pool: Desktop(pool, self.rng, self._find_office) for pool in POOLS}
        self._wanted = range(ROUTERS + len(KINDS))
        for pool, desktop in self.desktops.items():
            self.start(desktop.follow(), f"desktop of {pool}")

    @property
    def configuration(self) -> Configuration:
        """What the services are configured with when they start."""
        return self._configuration

    @configuration.setter
    def configuration(self, configuration: Configuration) -> None:
        self._configuration = completed(configuration)

    async def run_stretch(self, duration_s: float, weather: Weather = TEMPEST) -> None:
        self.troubles.now = TROUBLE
        await super().run_stretch(duration_s, weather)

    async def send(self, event: AnyInput, *, beside: str | None = None) -> None:
        """What people do goes through the services; what nobody would send goes to the log."""
        if isinstance(event, ContactReceived):
            await self._hand_in(event)
        elif isinstance(event, Command):
            await self._command(event)
        else:
            await super().send(event, beside=beside)

    async def close(self) -> None:
        for service in self.services.values():
            await service.stop()
        await super().close()

    async def _hand_in(self, event: ContactReceived) -> None:
        """Deliver a message as a provider does: again and again, until it is taken."""
        message = event.message
        number = int(message.handle.removeprefix(f"tel:+39333{len(event.pool)}"))
        # Some have no address, one is a machine.
        local = "no-reply" if number == 1 else f"customer{number}"
        handles = () if number % 4 == 0 else (f"mailto:{local}@{event.pool}.example",)
        # One wants no automatic texts by sms, and says nothing else there.
        text = "STOP" if number == STOPPING and message.channel == "sms" else "Where is it?"
        message = msgspec.structs.replace(message, handles=handles, text=text, name=f"Customer {number}")
        account = AccountContext(name=message.account, channel=message.channel, pool=event.pool)
        while True:
            door = self._find(Door)
            if door is not None:
                try:
                    request = door.receiver.receive(account, Normalised(messages=(message,)), message.id)
                    await door.ask(request)
                except NO_ANSWER:
                    self.troubles.happened["message handed in again"] += 1
                else:
                    return
            await asyncio.sleep(self.rng.uniform(0.5, 10))

    async def _command(self, event: Command) -> None:
        """Ask for something as an agent's desktop does, with the same key until there is an answer."""
        viewer = Viewer(id=event.agent_id, name=event.agent_id, role=Role.AGENT, pool=event.pool)

        def make(command_id: str, _asked_ms: int) -> Append:
            asked = msgspec.structs.replace(event, command_id=command_id)
            return Append(stream=ROUTING_INPUTS, key=event.pool, event=asked, subject=event.agent_id)

        while True:
            office = self._find(Office)
            if office is not None:
                kind = command_kind(event)
                request = carry_out(office.parts, viewer, event.command_id, kind, event.command_id, None, make)
                try:
                    row = await office.ask(request)
                except NO_ANSWER:
                    self.troubles.happened["command asked again"] += 1
                else:
                    self.troubles.happened[f"command {row.state}"] += 1
                    return
            await asyncio.sleep(self.rng.uniform(0.5, 5))

    def _find(self, kind: type[Any]) -> Any:
        there = [service for service in self.services.values() if type(service) is kind and not service.process.dead]
        return self.rng.choice(there) if there else None

    def _find_office(self) -> Office | None:
        office: Office | None = self._find(Office)
        return office

    async def _keep(self, number: int) -> None:
        """Keep one process running while the storm lasts, and up afterwards."""
        if number < ROUTERS:
            await super()._keep(number)
        else:
            await self._keep_service(number)

    async def _keep_service(self, number: int) -> None:
        while True:
            service = self.services.get(number)
            if service is None:
                await asyncio.sleep(self.rng.uniform(0, 20))
                service = self.services[number] = KINDS[number - ROUTERS](self, number)
            if not self._storm:
                return
            fate = self.rng.random()
            died = outside(service.process.died.wait(), "obituary")
            await asyncio.wait([died, service.task], timeout=self.rng.uniform(5, 200))
            died.cancel()
            if not service.process.dead:
                service.check_alive()
                if not self._storm or fate >= 0.8:
                    continue
                if 0.3 <= fate < 0.6:
                    self.stalls += 1
                    service.process.stall()
                    await asyncio.sleep(self.rng.uniform(1, 60))
                    service.process.resume()
                    continue
                if fate >= 0.6:
                    await service.stop()
                self.troubles.happened["kill of " + service.name] += 1
                service.process.kill()
            await service.process.died.wait()
            del self.services[number]

    async def _pass_time(self, duration_s: float | None, keepers: list[asyncio.Task[None]]) -> None:
        if duration_s is None:
            self.troubles.now = QUIET
        await super()._pass_time(duration_s, keepers)

    async def _catch_up(self) -> None:
        for _ in range(20_000):
            await super()._catch_up()
            for service in self.services.values():
                service.check_alive()
            if await self.stores.behind(self.log) == "":
                return
            await asyncio.sleep(1)
        raise AssertionError(f"the services do not catch up: {await self.stores.behind(self.log)}")

    async def check(self) -> None:
        await super().check()
        self.troubles.happened["wait told"] = await check_stores(self)
