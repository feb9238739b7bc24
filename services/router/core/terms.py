"""The terms on which a pool's agents get contacts: the parts of its configuration that the index is arranged by, worked out once.

`Terms` are a pure function of the queues, channels and rules in force. Built by `model`, read by `index` and `matching`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from libs.common.events.pool import ChannelConfiguration, Overflow, QueueConfiguration, RoutingRules
from services.router.core.entities import Contact, Needs
from services.router.core.policies import asked_needs
from services.router.core.room import RoomRules
from services.router.core.strategies import DEFAULT_STRATEGY, known_strategy

# The condition of an overflow that the time brings about.
WAITED: Final = "waited"

_NO_ROOM_RULES: Final = RoomRules((), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`strategies`: those that the queues use, the first queue's first. `strategy_by_queue` names one of them for each queue.

    `hours`: the queues' calendars; `gates`: of these those of queues that are offered while they are open alone.
    `remembers_agents`: whether any queue asks
    who had a customer's last contact. `room`: what besides the number on each channel limits what an agent has in hand.
    `vanish_after_ms`: how long an available agent may not be heard of, 0: for ever. `relaxations`: how many times contacts of a
    queue may come to ask for less. `needs`: what each queue asks of all its contacts. `overflows`: where contacts of a queue go on to;
    `waited`: of these what the time brings, in its order. `forwards`: whether contacts may go to other pools.
    """

    strategies: tuple[str, ...] = (DEFAULT_STRATEGY,)
    strategy_by_queue: Mapping[str, str] = field(default_factory=dict)
    remembers_agents: bool = False
    room: RoomRules = _NO_ROOM_RULES
    flag_after_declines: int = 0
    gates: Mapping[str, str] = field(default_factory=dict)
    vanish_after_ms: int = 0
    relaxations: Mapping[str, int] = field(default_factory=dict)
    needs: Mapping[str, Needs] = field(default_factory=dict)
    hours: Mapping[str, str] = field(default_factory=dict)
    overflows: Mapping[str, tuple[Overflow, ...]] = field(default_factory=dict)
    waited: Mapping[str, tuple[Overflow, ...]] = field(default_factory=dict)
    forwards: bool = False

    def gate_of(self, contact: Contact) -> str | None:
        """The calendar that must be open for this contact to be offered: nobody is called back outside the queue's hours."""
        return (self.gates if contact.callback is None else self.hours).get(contact.queue)

    def strategy_of(self, queue: str) -> str:
        """How an agent is chosen for a contact of this queue. One that is gone is treated as the pool's first."""
        return self.strategy_by_queue.get(queue, self.strategies[0])


def terms_of(
    queues: Mapping[str, QueueConfiguration], channels: Mapping[str, ChannelConfiguration], rules: RoutingRules
) -> Terms:
    """The terms of a pool with this configuration."""
    strategies = {queue.id: known_strategy(queue.strategy) for queue in queues.values()}
    return Terms(
        strategies=tuple(dict.fromkeys(strategies.values())) or (DEFAULT_STRATEGY,),
        strategy_by_queue=strategies,
        remembers_agents=any(queue.prefer_last_agent_ms > 0 for queue in queues.values()),
        flag_after_declines=rules.flag_after_declines,
        room=RoomRules(channels.values(), rules.offers_open_max),
        gates={
            queue.id: queue.hours
            for queue in queues.values()
            if queue.hours is not None and not queue.offer_when_closed
        },
        hours={queue.id: queue.hours for queue in queues.values() if queue.hours is not None},
        vanish_after_ms=rules.vanish_after_ms,
        relaxations={queue.id: len(queue.relax) for queue in queues.values() if queue.relax},
        needs={queue.id: _needs(queue) for queue in queues.values()},
        overflows={queue.id: queue.overflow for queue in queues.values() if queue.overflow},
        forwards=any(rule.to == "pool" for queue in queues.values() for rule in queue.overflow),
        waited={queue.id: found for queue in queues.values() if (found := _waited(queue))},
    )


def _needs(queue: QueueConfiguration) -> Needs:
    skills, alternatives = asked_needs(queue, {}, ())
    return tuple([tuple(sorted(one.items())) for one in alternatives or (skills,)])


def _waited(queue: QueueConfiguration) -> tuple[Overflow, ...]:
    rules = [rule for rule in queue.overflow if rule.when == WAITED]
    return tuple(sorted(rules, key=lambda rule: rule.at_least))
