"""Rehearsals: the same customers and people under one configuration and another, as outcomes to lay side by side.

Same seed, same result. Called by the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from libs.common.configuration import Configuration
from libs.common.configuration.opening import openings_of
from libs.common.errors import RefusedError
from services.router.pools import pool_configuration
from services.router.simulator.measures import Outcome, summarise
from services.router.simulator.plans import Plan, configured_over_time, run_plan
from services.router.simulator.recorded_plan import beginning_ms, plan_recording, with_policy
from services.router.simulator.recording import Recording
from services.router.simulator.scenario import Scenario
from services.router.simulator.scenario_plan import plan_scenario

RECORDED = "as it was"
SAME = "simulated, as configured"
NEW = "simulated, new configuration"

Progress = Callable[[float], None]


class PolicyUnfitError(RefusedError):
    """The new configuration does not have the pool."""


def rehearse_recording(
    recording: Recording, policy: Configuration | None, runs: int, seed: int, progress: Progress
) -> tuple[list[Outcome], list[str]]:
    """What was recorded, what the simulation makes of it, and what it makes of it under the new configuration; and notes about it.

    How near the first two lie says how far the third may be believed. `progress` is told the share that is done.
    """
    if policy is not None and recording.pool not in policy.pools:
        raise PolicyUnfitError(f"the new configuration has no pool {recording.pool}")
    plans = [(SAME, [plan_recording(recording, seed + number) for number in range(runs)])]
    notes = [
        "Contacts, handling times and who was there when are those of the log; how soon offers are answered is drawn anew from what each "
        f"agent did. How near “{RECORDED}” and “{SAME}” lie says how far the simulation is to be believed."
    ]
    if policy is not None:
        plans.append((NEW, [_under(plan, policy) for plan in plans[0][1]]))
        notes += _strangers(plans[1][1][0])
    window = {"from_ms": recording.from_ms, "to_ms": recording.to_ms, "end_ms": recording.end_ms}
    outcomes = [summarise(RECORDED, [recording.journal], **window)]
    return outcomes + _run(plans, progress), notes


def rehearse_scenario(
    scenario: Scenario,
    configuration: Configuration,
    policy: Configuration | None,
    runs: int,
    seed: int,
    progress: Progress,
) -> list[Outcome]:
    """The scenario under its own configuration, and under the new one if there is one."""
    plans = [(SAME, [plan_scenario(scenario, configuration, seed + number) for number in range(runs)])]
    if policy is not None:
        plans.append((NEW, [plan_scenario(scenario, policy, seed + number) for number in range(runs)]))
    return _run(plans, progress)


def _under(plan: Plan, policy: Configuration) -> Plan:
    openings = openings_of(policy, plan.pool)
    configured = pool_configuration(policy, plan.pool)
    return with_policy(plan, configured_over_time(configured, openings, beginning_ms(plan), plan.end_ms or plan.to_ms))


def _strangers(plan: Plan) -> list[str]:
    """What the new configuration does not have, or has more."""
    configured = plan.configurations[0][1]
    queues = {queue.id for queue in getattr(configured, "queues", ())}
    homeless = sum(arrival.event.queue not in queues for arrival in plan.arrivals)
    new = sum(event.command_id.startswith("presence--") for _, event in plan.presences)
    notes = []
    if homeless:
        notes.append(
            f"{homeless} contacts name a queue that the new configuration does not have; they wait in its first one."
        )
    if new:
        notes.append(f"{new} agents of the new configuration were never there before; they are available all the time.")
    return notes


def _run(plans: Sequence[tuple[str, Sequence[Plan]]], progress: Progress) -> list[Outcome]:
    whole = sum(len(own) for _, own in plans)
    outcomes: list[Outcome] = []
    done = 0
    for name, own in plans:
        journals = []
        for plan in own:
            begin, length = plan.from_ms, max(1, (plan.end_ms or plan.to_ms) - plan.from_ms)

            def tell(now_ms: int, done: int = done, begin: int = begin, length: int = length) -> None:
                progress((done + min(1.0, max(0.0, (now_ms - begin) / length))) / whole)

            journals.append(run_plan(plan, tell))
            done += 1
            progress(done / whole)
        plan = own[0]
        end_ms = plan.end_ms or plan.to_ms
        outcomes.append(summarise(name, journals, from_ms=plan.from_ms, to_ms=plan.to_ms, end_ms=end_ms))
    return outcomes
