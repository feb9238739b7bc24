"""Facts about a pool as a whole: its configuration, its queues, its agents, and inputs that came to nothing."""

from __future__ import annotations

import msgspec

from libs.common.events.pool import AgentConfiguration, Calendar, ChannelConfiguration, QueueConfiguration, RoutingRules
from libs.common.events.routing.fact import Fact


class WriterStarted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="centralino.writer.started.v1"):
    """A router took the partition over. The offset at which this record stands is its writer's term; what earlier terms
    write after it counts for nobody. It belongs to the partition, not to a pool.
    """

    writer_id: str


class PoolConfigured(Fact, frozen=True, kw_only=True, tag="centralino.pool.configured.v1"):
    """The pool has these queues, agents and rules now, and these calendars. A calendar that is new begins closed."""

    version: str
    queues: tuple[QueueConfiguration, ...]
    agents: tuple[AgentConfiguration, ...]
    channel_targets_ms: dict[str, int] = msgspec.field(default_factory=dict)
    channels: tuple[ChannelConfiguration, ...] = ()
    rules: RoutingRules = RoutingRules()
    calendars: tuple[Calendar, ...] = ()


class CalendarsExtended(Fact, frozen=True, kw_only=True, tag="centralino.pool.calendars-extended.v1"):
    """These calendars are known further ahead. Whether they are open does not change by this."""

    calendars: tuple[Calendar, ...]


class CalendarTurned(Fact, frozen=True, kw_only=True, tag="centralino.calendar.turned.v1"):
    """A calendar is open from now on, or closed. `since_ms`: when it turned; earlier than `at_ms` where nobody was there to tell."""

    calendar: str
    open: bool
    since_ms: int


class QueuePaced(Fact, frozen=True, kw_only=True, tag="centralino.queue.paced.v1"):
    """How fast a queue moves on, said anew when it is noticeably other than before. `step_us`: how long the agents on duty together take
    for one of its contacts, None: that is not known (any more). `patience_us`: how long customers stay on average, None: as far as is
    known for ever. `opens_ms`: until when its contacts are offered to nobody, 0: it is not closed.

    `libs.common.waits` says what follows for a contact at some place in the queue.
    """

    queue: str
    step_us: int | None = None
    patience_us: int | None = None
    opens_ms: int = 0


class QueueDrained(Fact, frozen=True, kw_only=True, tag="centralino.queue.drained.v1"):
    """The queue is let run empty, until that is lifted: new contacts go to `to_queue`, and those that wait in it are moved there one by
    one. None: new contacts go to the pool's default queue (its first, or the first that is not drained), and those that wait are worked
    off.
    """

    queue: str
    by: str
    to_queue: str | None = None


class DrainLifted(Fact, frozen=True, kw_only=True, tag="centralino.queue.drain-lifted.v1"):
    """The queue takes contacts again. What was moved elsewhere stays there."""

    queue: str
    by: str


class PresenceChanged(Fact, frozen=True, kw_only=True, tag="centralino.agent.presence-changed.v1"):
    """The agent's presence (`cause`: command, configuration, not-responding: he let several offers in a row run out, vanished: he was not
    heard of for too long).
    """

    agent_id: str
    status: str
    cause: str = "command"


class PresenceConfirmed(Fact, frozen=True, kw_only=True, tag="centralino.agents.presence-confirmed.v1"):
    """These agents are there. Who is available and has not been confirmed for too long goes offline (`vanished`).

    `everybody`: nobody could be heard for a while, so that the available agents count as there until more is known.
    """

    agents: tuple[str, ...] = ()
    everybody: bool = False


class HandoversDelivered(Fact, frozen=True, kw_only=True, tag="centralino.pool.handovers-delivered.v1"):
    """What the pool had for others stands in their inputs. `ids`: the keys in its outbox."""

    ids: tuple[str, ...]


class InputRefused(Fact, frozen=True, kw_only=True, tag="centralino.input.refused.v1"):
    """An input could not be carried out. `reason` is a fixed word (see `RefusalReason` of the core), `detail` a sentence."""

    input_type: str
    reason: str
    detail: str
    subject: str | None = None
