"""The installations of the simulated worlds: what their pools, queues and agents are configured with, drawn from the world's chance."""

from __future__ import annotations

import random
from typing import get_args

from pydantic import TypeAdapter

from libs.common.configuration.calendars import WeeklyHours
from libs.common.configuration.models import (
    Agent,
    Configuration,
    Overflow,
    Pool,
    PoolChannel,
    Queue,
    Relaxation,
    Routing,
    Rule,
    Strategy,
)
from tests.simulation.virtual_loop import EPOCH_MS

POOLS = ("care", "sales", "returns")  # The first and the last share a partition.
QUEUES = ("quick", "slow")
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


def a_rota(rng: random.Random) -> WeeklyHours | None:
    """Hours that open and close by the minute around the time at which worlds begin; or none."""
    if rng.random() < 0.5:
        return None
    begin = EPOCH_MS // 60_000 % 60
    opened = (minute for minute in range(begin, 60) if rng.random() < 0.7)
    spans = [f"22:{minute}-22:{minute + 1:02}" if minute < 59 else "22:59-23:00" for minute in opened]
    return TypeAdapter(WeeklyHours).validate_python({"mon-sun": spans}) if spans else None


def a_world_configuration(rng: random.Random) -> Configuration:
    """Pools with two queues and a few agents, drawn anew: an installation is configured again while it runs."""
    queues: dict[str, Queue] = {}
    agents: dict[str, Agent] = {}
    channels = {
        "sms": PoolChannel(units=60, excludes=rng.choice(((), ("webchat",))), interrupts=rng.choice(((), ("email",)))),
        "email": PoolChannel(units=rng.choice((0, 40))),
    }
    routing = Routing(
        offers_open_max=rng.choice((0, 1)),
        not_responding_after=rng.choice((1, 3)),
        flag_after_declines=2,
        vanish_after_ms=rng.choice((0, 60_000)),
    )
    for pool in POOLS:
        queues[f"{pool}-quick"] = Queue(
            pool=pool,
            target_ms=30_000,
            offer_timeout_ms=10_000,
            strategy=rng.choice(STRATEGIES),
            prefer_last_agent_ms=rng.choice((0, 20_000)),
            hours=a_rota(rng),
            offer_when_closed=rng.random() < 0.2,
            overflow=an_overflow(rng, pool),
            relax=rng.choice(
                (
                    (),
                    (
                        Relaxation(after_ms=20_000, lower={"italian": 1}),
                        Relaxation(after_ms=45_000, drop=("italian",), widen=f"{pool}-slow"),
                    ),
                )
            ),
        )
        queues[f"{pool}-slow"] = Queue(
            pool=pool,
            target_ms=300_000,
            offer_timeout_ms=20_000,
            wrap_up_ms=rng.choice((0, 15_000)),
            priority=-1,
            strategy=rng.choice(STRATEGIES),
            any_of=rng.choice(((), ({"italian": 3}, {"english": 1}))),
        )
        for number in range(4):
            if number == 3 and rng.random() < 0.5:
                continue  # Comes and goes with the configuration.
            agents[f"{pool}-agent{number}"] = Agent(
                name=f"Agent {number}",
                pool=pool,
                skills={"italian": rng.randint(1, 5), **rng.choice(({}, {"english": 2}))},
                capacity={"email": rng.randint(1, 3), "webchat": rng.randint(0, 2)},
                units=rng.choice((None, 100)),
                shift=a_rota(rng),
            )
    return Configuration(
        pools={pool: Pool(channels=channels, routing=routing) for pool in POOLS},
        queues=queues,
        rules=tuple(Rule(queue=name) for name in queues),
        agents=agents,
    )


def an_overflow(rng: random.Random, pool: str) -> tuple[Overflow, ...]:
    """Where contacts of the pool's quick queue go: to its slow one, to another pool, to their end, to a call; their customers are told."""
    other = rng.choice([name for name in POOLS if name != pool])
    words = {"it": "Attenda, per favore.", "en": "Please wait."}
    before = rng.choice(
        (
            (),
            (Overflow(when="closed", to="message", text=words),),
            (Overflow(when="waiting", at_least=3, to="pool", target=other),),
            (Overflow(when="expected_wait", at_least=60_000, to="queue", target=f"{pool}-slow"),),
        )
    )
    after = rng.choice(
        (
            (),
            (
                Overflow(when="waited", at_least=15_000, to="message", text=words),
                Overflow(when="waited", at_least=40_000, to="pool", target=other),
            ),
            (Overflow(when="waited", at_least=30_000, to="queue", target=f"{pool}-slow"),),
            (Overflow(when="waited", at_least=60_000, to="end", text=words),),
            (Overflow(when="waited", at_least=20_000, to="callback"),),
            (Overflow(when="waited", at_least=5_000, to="callback"),),
        )
    )
    return (*before, *after)
