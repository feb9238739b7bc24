"""Whole lives of contacts: how many a second one machine can do, from the customer's mail to the mail that asks how it was.

A life is Postmark's webhook, the acknowledgement, the offer, and the agent's accept, reply and resolve, each with its answer, and at its
end the follow-up mail on a real SMTP connection. So many customers are there at once; when one's follow-up has come, the next one
writes. Everything runs on this machine, the customers and agents included.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from libs.common.clock import SystemClock
from libs.common.errors import OutageError
from libs.common.events.followup import MailKind
from libs.common.ids import mail_effect_id
from services.bench.children import Children
from services.bench.figures import Figure, Report, describe_machine, percentile
from services.bench.http_load import HttpPool, collector_paused
from services.bench.logs import LogPlace
from services.bench.mail_sink import MailSink
from services.bench.people import Desk, Desks
from services.bench.requests import POSTMARK, post_bytes
from services.bench.stack import Stack, configuration

LIVES: Final = "whole lives"
STEPS: Final = ("offer", "accept", "reply", "resolve", "follow-up mail", "whole life")
_REPLY: Final = "Buongiorno, il pacco è ripartito questa mattina e arriverà domani. Ci scusiamo per il ritardo."
_LIFE_TIMEOUT_S: Final = 120.0
_STATUS_OK: Final = 200
_FIRST_BYTES: Final = 64  # A frame's type stands in front.


class LifeBrokenError(OutageError):
    """Something that belongs to a life did not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifePlan:
    """What to do: lives that count in each round, customers at once, agents who share them."""

    lives: int = 1_000
    rounds: int = 3
    customers: int = 64
    agents: int = 32
    together: bool = False
    store: str | None = None

    @property
    def warm_up(self) -> int:
        """Lives before those that count."""
        return max(self.customers, self.lives // 5)


@dataclass(slots=True, kw_only=True)
class Round:
    """What one round has seen. `ended_s`: when each life was over; `steps_s`: how long each step took; `cpu_s`: per process."""

    ended_s: list[float] = field(default_factory=list)
    steps_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_s: dict[str, float] = field(default_factory=dict)
    mails: int = 0


async def measure_life(plan: LifePlan, places: Sequence[LogPlace], folder: Path) -> Report:
    """Run it on each kind of log."""
    machine = describe_machine()
    figures: list[Figure] = []
    for place in places:
        rounds = []
        for number in range(plan.rounds):
            async with place.fresh() as url:
                with Children(folder) as children:
                    rounds.append(await _measure(plan, url, folder / f"{place.kind}-{number}", children))
        figures += _figures(plan, place.kind, rounds)
    notes = (
        f"{plan.agents} agents; {plan.customers} customers at once, each followed by the next one when the follow-up mail has come",
        f"the first {plan.warm_up} lives of a round do not count; {plan.lives} do",
        "three mails each (acknowledgement, reply, follow-up); customers and agents run on the same cores as the services",
        "processor time is that of the services from the first life to the last, warm-up included",
    )
    parameters = {name: value for name, value in asdict(plan).items() if name != "store"}  # It may hold a password.
    return Report(benchmark="life", parameters=parameters, figures=figures, notes=notes, machine=machine)


async def _measure(plan: LifePlan, url: str, folder: Path, children: Children) -> Round:
    town = _Town(plan)
    agents = [f"agent-{number}" for number in range(plan.agents)]
    # Room for everybody at once, so that what is measured is the system and not a queue.
    capacity = -(-plan.customers // plan.agents)
    async with MailSink(town.take_mail) as sink:
        stack = Stack(
            children=children,
            folder=folder,
            log_url=url,
            configuration=configuration(agents, capacity),
            together=plan.together,
            smtp_url=f"{sink.url}?connections=16",  # A mail server of one's own.
            store=plan.store,
        )
        await stack.start()
        async with Desks(stack, agents, town.take_frame) as desks:
            before = children.cpu_seconds()
            with collector_paused():
                await town.live(stack)
            desks.check()
            used = {name: seconds - before[name] for name, seconds in children.cpu_seconds().items()}
        await stack.stop()
        return Round(ended_s=town.ended_s, steps_s=town.steps_s, cpu_s=used, mails=sink.mails)


class _Town:
    """Customers, and what the agents do for each. Every life is a task that waits for what has to happen next."""

    def __init__(self, plan: LifePlan) -> None:
        self.ended_s: list[float] = []
        self.steps_s: dict[str, list[float]] = defaultdict(list)
        self._plan = plan
        self._next = 0
        self._offers: dict[int, asyncio.Future[tuple[Desk, float, dict[str, Any]]]] = {}
        self._mails: dict[str, asyncio.Future[float]] = {}
        self._early: dict[str, float] = {}  # Mails that were quicker than the answer to the agent.

    async def live(self, stack: Stack) -> None:
        """All lives, so many at once."""
        ingest = HttpPool(stack.url("ingest"))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.customers):
                group.create_task(self._live_on(stack, ingest))
        ingest.close()

    def take_frame(self, desk: Desk, came_s: float, data: bytes) -> None:
        """Something came on an agent's screen."""
        if b'"offer.made"' not in data[:_FIRST_BYTES]:
            return
        offer = msgspec.json.decode(data)["offer"]
        number = int(offer["contact"]["customer"]["name"].rpartition(" ")[2])
        offered = self._offers.pop(number, None)
        if offered is not None:
            offered.set_result((desk, came_s, offer))

    def take_mail(self, effect_id: str, taken_s: float) -> None:
        """A customer has got a mail."""
        waiting = self._mails.pop(effect_id, None)
        if waiting is None:
            self._early[effect_id] = taken_s
        else:
            waiting.set_result(taken_s)

    async def _live_on(self, stack: Stack, ingest: HttpPool) -> None:
        while self._next < self._plan.warm_up + self._plan.lives:
            number, self._next = self._next, self._next + 1
            try:
                async with asyncio.timeout(_LIFE_TIMEOUT_S):
                    await self._life(stack, ingest, number)
            except TimeoutError:
                raise LifeBrokenError(f"a contact's life has not ended within {_LIFE_TIMEOUT_S} s") from None

    async def _life(self, stack: Stack, ingest: HttpPool, number: int) -> None:
        request = post_bytes(stack.sender.post(POSTMARK, number, SystemClock().now_ms()))
        offered = self._offers[number] = asyncio.get_running_loop().create_future()
        began_s = time.perf_counter()
        answer = await ingest.ask(request)
        if answer.status != _STATUS_OK:
            raise LifeBrokenError(f"ingest answered {answer.status}: {answer.body[:300]!r}")
        desk, offered_s, offer = await offered
        contact = offer["contact"]["id"]
        self._took("offer", offered_s - began_s)
        await self._command(desk, "accept", f"/v1/offers/{offer['id']}/accept", None)
        await self._command(desk, "reply", f"/v1/contacts/{contact}/messages", {"text": _REPLY})
        resolved_s = time.perf_counter()
        resolution = {"disposition": "solved", "summary": "Il pacco è ripartito.", "follow_up": True}
        await self._command(desk, "resolve", f"/v1/contacts/{contact}/resolve", resolution)
        ended_s = await self._follow_up(contact)
        self._took("follow-up mail", ended_s - resolved_s)
        self._took("whole life", ended_s - began_s)
        self.ended_s.append(ended_s)

    async def _command(self, desk: Desk, step: str, path: str, body: dict[str, Any] | None) -> None:
        started_s = time.perf_counter()
        await desk.command("POST", path, body)
        self._took(step, time.perf_counter() - started_s)

    async def _follow_up(self, contact: str) -> float:
        effect_id = mail_effect_id(MailKind.FOLLOW_UP.value, contact)
        with contextlib.suppress(KeyError):
            return self._early.pop(effect_id)
        waiting: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._mails[effect_id] = waiting
        return await waiting

    def _took(self, step: str, seconds: float) -> None:
        self.steps_s[step].append(seconds)


def _figures(plan: LifePlan, kind: str, rounds: Sequence[Round]) -> list[Figure]:
    speeds = []
    for seen in rounds:
        ended_s = sorted(seen.ended_s)
        speeds.append(plan.lives / (ended_s[-1] - ended_s[plan.warm_up - 1]))
    figures = [Figure(subject=LIVES, measure="throughput", unit="lives/s", runs=tuple(speeds), log=kind)]
    for step in STEPS:
        counted = [seen.steps_s[step][plan.warm_up :] for seen in rounds]
        figures += [
            Figure(
                subject=step,
                measure=measure,
                unit="ms",
                runs=tuple(percentile(times_s, share) * 1000 for times_s in counted),
                log=kind,
            )
            for measure, share in (("p50", 0.5), ("p99", 0.99))
        ]
    lives = plan.warm_up + plan.lives
    for name in rounds[0].cpu_s:
        used = tuple(seen.cpu_s[name] / lives * 1000 for seen in rounds)
        figures.append(
            Figure(subject=f"{name}'s process", measure="processor time", unit="ms/life", runs=used, log=kind)
        )
    mails = tuple(seen.mails / lives for seen in rounds)
    figures.append(Figure(subject="mails", measure="taken by the mail server", unit="per life", runs=mails, log=kind))
    return figures
