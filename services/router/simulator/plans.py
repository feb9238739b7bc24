"""A plan: everything that one run of a pool needs besides the router's core. Scenarios and recordings are turned into plans; a plan with
another configuration is another policy on the same customers and the same people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from libs.common.configuration.opening import Opening
from libs.common.events.inputs import AnyInput, ConfigurePool, ExtendCalendars, SetPresence
from libs.common.events.routing import OfferMade
from services.router.pools import with_calendars, work_out_calendars
from services.router.simulator.distributions import Distribution, stream
from services.router.simulator.engine import Answer, Arrival, Simulation
from services.router.simulator.journal import Journal

# Calendars are worked out for some time ahead, and further ahead as time goes by.
_CALENDARS_EVERY_MS: Final = 7 * 24 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How somebody answers offers: after how long, and which share he declines or leaves to run out."""

    delay: Distribution
    declines: float = 0.0
    ignores: float = 0.0

    def answer(self, chance: Random) -> Answer | None:
        """What he does about an offer."""
        drawn = chance.random()
        delay_ms = self.delay.draw(chance)
        if drawn < self.ignores:
            return None
        return Answer(delay_ms, accepts=drawn >= self.ignores + self.declines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run. Contacts that arrive and time that passes between `from_ms` and `to_ms` are counted; what is before warms up.

    The run ends with `end_ms` (0: with `to_ms`).
    `configurations` and `presences` stand with their times, in order. `habits` by agent; `habit` is everybody else's.
    `back_ms`: how soon somebody who did not respond says that he is there.
    """

    pool: str
    from_ms: int
    to_ms: int
    configurations: Sequence[tuple[int, ConfigurePool | ExtendCalendars]]
    presences: Sequence[tuple[int, SetPresence]]
    arrivals: Sequence[Arrival]
    habit: Habit
    habits: dict[str, Habit]
    seed: int
    back_ms: int = 5 * 60_000
    end_ms: int = 0


def run_plan(plan: Plan, progress: Callable[[int], None] | None = None) -> Journal:
    """Run it; the journal is closed at the plan's end. `progress` is told the virtual time."""
    chances: dict[str, Random] = {}

    def answer(offer: OfferMade) -> Answer | None:
        chance = chances.get(offer.agent_id)
        if chance is None:
            # A stream for each, so that what one agent does is not changed by what others are offered.
            chance = chances[offer.agent_id] = stream(plan.seed, f"offers/{offer.agent_id}")
        return plan.habits.get(offer.agent_id, plan.habit).answer(chance)

    inputs: list[tuple[int, AnyInput]] = [*plan.configurations, *plan.presences]
    inputs.sort(key=lambda pair: pair[0])  # Stable: of one moment, configurations come first.
    journal = Journal(from_ms=plan.from_ms, to_ms=plan.to_ms)
    end_ms = plan.end_ms or plan.to_ms
    Simulation(
        plan.pool,
        inputs=inputs,
        arrivals=plan.arrivals,
        observer=journal,
        answering=answer,
        back_ms=plan.back_ms,
        end_ms=end_ms,
        progress=progress,
    ).run()
    journal.close(end_ms)
    return journal


def set_presence(pool: str, agent_id: str, status: str, number: int) -> SetPresence:
    """The input by which an agent changes presence; `number` makes it a command of its own."""
    return SetPresence(
        pool=pool, command_id=f"presence-{number}", agent_id=agent_id, target_agent_id=agent_id, status=status
    )


def configured_over_time(
    configuration: ConfigurePool, openings: Mapping[str, Opening], from_ms: int, to_ms: int
) -> list[tuple[int, ConfigurePool | ExtendCalendars]]:
    """The configuration with its calendars, and the calendars further ahead as time goes by, as the router's shell appends them."""
    inputs: list[tuple[int, ConfigurePool | ExtendCalendars]] = [
        (from_ms, with_calendars(configuration, openings, from_ms))
    ]
    if openings:
        for at_ms in range(from_ms + _CALENDARS_EVERY_MS, to_ms, _CALENDARS_EVERY_MS):
            calendars = work_out_calendars(openings, at_ms)
            inputs.append((at_ms, ExtendCalendars(pool=configuration.pool, calendars=calendars)))
    return inputs
