"""From a recording to a plan: what was recorded, to be run again, also under another configuration.

Arrivals, handling times and wrap-ups are each contact's own; how quickly and how gladly offers are answered is each agent's own,
drawn anew, because another policy makes other offers. Same seed, same plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from libs.common.events.inputs import ConfigurePool, ExtendCalendars, TransferContact
from services.router.simulator.distributions import Distribution, Fixed, Observed, stream
from services.router.simulator.engine import Arrival, Interlude
from services.router.simulator.plans import Habit, Plan, set_presence
from services.router.simulator.poisson import a_contact
from services.router.simulator.recording import Life, Recording

_ENOUGH: Final = 20  # Fewer answers of one agent say less about him than everybody's do.


def plan_recording(recording: Recording, seed: int) -> Plan:
    """The plan that does again what was recorded, under the configurations of then. What came before `from_ms` warms up, and what came
    after `to_ms` competes with those who came before.
    """
    handling = _handling_by_place(recording)
    chance = stream(seed, "handling")
    arrivals = [
        _arrival(recording, life, handling, number, lambda lengths: lengths.draw(chance))
        for number, life in enumerate(recording.lives.values())
    ]
    everybody = _habit(recording, list(recording.delays))
    return Plan(
        pool=recording.pool,
        from_ms=recording.from_ms,
        to_ms=recording.to_ms,
        end_ms=recording.end_ms,
        configurations=recording.configurations,
        presences=recording.presences,
        arrivals=arrivals,
        habit=everybody,
        habits={agent: _habit(recording, [agent]) for agent, own in recording.delays.items() if len(own) >= _ENOUGH},
        seed=seed,
    )


def with_policy(plan: Plan, configurations: Sequence[tuple[int, ConfigurePool | ExtendCalendars]]) -> Plan:
    """The same customers and people under another configuration, which is in force from the beginning.

    An agent of whom nothing was recorded is available all the time; one whom the configuration does not have stays away.
    """
    configured = configurations[0][1]
    assert isinstance(configured, ConfigurePool), "the first input configures the pool"
    names = {agent.id for agent in configured.agents}
    recorded = {event.target_agent_id for _, event in plan.presences}
    presences = [(at_ms, event) for at_ms, event in plan.presences if event.target_agent_id in names]
    new = [
        (configurations[0][0], set_presence(plan.pool, name, "available", -number))
        for number, name in enumerate(sorted(names - recorded), start=1)
    ]
    return replace(plan, configurations=configurations, presences=[*new, *presences])


def beginning_ms(plan: Plan) -> int:
    """When a plan's first input is due: a policy that is in force from the beginning is so from then."""
    times = [plan.from_ms, plan.configurations[0][0]]
    times += [at_ms for at_ms, _ in plan.presences[:1]] + [arrival.at_ms for arrival in plan.arrivals[:1]]
    return min(times)


def _handling_by_place(recording: Recording) -> dict[tuple[str, str] | None, Distribution]:
    lengths: dict[tuple[str, str] | None, list[int]] = defaultdict(list)
    for life in recording.lives.values():
        if life.handling_ms is not None:
            lengths[life.queued.queue, life.queued.channel].append(life.handling_ms)
            lengths[None].append(life.handling_ms)
    return {place: Observed(known) for place, known in lengths.items()}


def _arrival(
    recording: Recording,
    life: Life,
    handling: Mapping[tuple[str, str] | None, Distribution],
    number: int,
    draw: Callable[[Distribution], int],
) -> Arrival:
    """The contact as it came. One that was not finished takes as long as another of its queue and channel did."""
    queued = life.queued
    handling_ms = life.handling_ms
    if handling_ms is None:
        lengths = handling.get((queued.queue, queued.channel)) or handling.get(None)
        handling_ms = 0 if lengths is None else draw(lengths)
    plain = a_contact(
        recording.pool,
        f"con_{number}",
        queue=queued.queue,
        channel=queued.channel,
        at_ms=queued.received_ms,
        skills=queued.asked,
        priority=queued.priority,
    )
    # Every contact is its own thread: another policy must not make one of two that were two. But it is known whose it is.
    message = msgspec.structs.replace(
        plain.message, handle=queued.handle or plain.message.handle, handles=queued.handles
    )
    asked = recording.received.get(queued.message_id)
    # The input itself; where it is gone, what its fact says that it asked for beside its queue.
    event = (
        msgspec.structs.replace(plain, message=message, any_of=queued.asked_any_of)
        if asked is None
        else msgspec.structs.replace(asked, message=message, contact_id=plain.contact_id)
    )
    return Arrival(
        at_ms=queued.at_ms,
        event=event,
        handling_ms=handling_ms,
        wrap_up_ms=life.wrap_up_ms,
        patience_ms=life.patience_ms,
        interludes=tuple(_interlude(recording, interlude) for interlude in life.interludes),
        wish=life.wish,
    )


def _interlude(recording: Recording, interlude: Interlude) -> Interlude:
    """With what was asked for when it was passed on; where the input is gone, what became of it then."""
    if not isinstance(interlude.command, TransferContact):
        return interlude
    return replace(interlude, command=recording.transfers.get(interlude.command.command_id, interlude.command))


def _habit(recording: Recording, agents: Sequence[str]) -> Habit:
    delays = [delay for agent in agents for delay in recording.delays[agent]]
    expired = sum(recording.expired[agent] for agent in agents)
    declined = sum(recording.declined[agent] for agent in agents)
    offers = len(delays) + expired
    return Habit(
        delay=Observed(delays) if delays else Fixed(0),
        declines=declined / offers if offers else 0.0,
        ignores=expired / offers if offers else 0.0,
    )
