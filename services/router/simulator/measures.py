"""What a run, or what was recorded, comes to: service levels and waits by queue and channel, occupancy, fairness. Pure arithmetic.

Called by the comparison of policies and by staffing, which show it.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.router.simulator.accuracy import Accuracy, measure_accuracy
from services.router.simulator.journal import AgentTime, Journal, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Contacts that are counted together: those of one queue and channel, or all (`queue` and `channel` None).

    `answered`: somebody had them; `left`: the customer went first; `waiting`: neither yet. `within`: answered by their due time.
    `waits_ms`: of those answered, in ascending order.
    """

    queue: str | None
    channel: str | None
    contacts: int
    answered: int
    left: int
    waiting: int
    overdue: int
    within: int
    waits_ms: Sequence[int]

    @property
    def service_level(self) -> float | None:
        """The share answered by their due time, among those whose outcome is known: answered, left, or overdue by now."""
        known = self.answered + self.left + self.overdue
        return self.within / known if known else None

    @property
    def left_share(self) -> float | None:
        """The share of customers who left."""
        return self.left / self.contacts if self.contacts else None

    @property
    def mean_wait_ms(self) -> float | None:
        """Of those answered."""
        return statistics.fmean(self.waits_ms) if self.waits_ms else None

    def wait_percentile_ms(self, share: float) -> int | None:
        """The wait that this share of those answered did not exceed (nearest rank)."""
        if not self.waits_ms:
            return None
        return self.waits_ms[max(0, math.ceil(share * len(self.waits_ms)) - 1)]

    def share_waiting_longer(self, wait_ms: float) -> float:
        """The share of those answered who waited for longer than this."""
        return 1 - bisect_right(self.waits_ms, wait_ms) / len(self.waits_ms) if self.waits_ms else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentShare:
    """One agent over all runs. Occupancy: the share of the available time with a contact in hand; `load`: contacts in hand on average."""

    agent_id: str
    available_ms: int
    occupancy: float
    load: float
    handled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one or several runs of the same thing come to. `service_levels`: of each run, for what they differ by chance.

    `accuracies`: how near what was said of waits came, over all and by queue.
    """

    name: str
    runs: int
    all: Group
    groups: Sequence[Group]
    agents: Sequence[AgentShare]
    occupancy: float | None
    fairness: float | None
    service_levels: Sequence[float]
    accuracies: Sequence[Accuracy] = ()

    @property
    def service_level_error(self) -> float | None:
        """The standard error of the mean over the runs; None for a single one."""
        if len(self.service_levels) < 2:
            return None
        return statistics.stdev(self.service_levels) / math.sqrt(len(self.service_levels))


def summarise(name: str, journals: Sequence[Journal], *, from_ms: int, to_ms: int, end_ms: int = 0) -> Outcome:
    """The outcome of these runs, over the contacts that came from `from_ms` to before `to_ms`. What still waits is judged at `end_ms`, when
    the runs end (0: with `to_ms`).
    """
    end_ms = end_ms or to_ms
    counted = [
        [visit for visit in journal.visits.values() if from_ms <= visit.received_ms < to_ms] for journal in journals
    ]
    by_place: dict[tuple[str, str], list[Visit]] = defaultdict(list)
    for visits in counted:
        for visit in visits:
            by_place[visit.queue, visit.channel].append(visit)
    agents = _agents(journals)
    available_ms = sum(agent.available_ms for agent in agents)
    levels = [_group(None, None, visits, end_ms).service_level for visits in counted]
    return Outcome(
        name=name,
        runs=len(journals),
        all=_group(None, None, [visit for visits in counted for visit in visits], end_ms),
        groups=[_group(*place, visits, end_ms) for place, visits in sorted(by_place.items())],
        agents=agents,
        occupancy=sum(agent.occupancy * agent.available_ms for agent in agents) / available_ms
        if available_ms
        else None,
        fairness=jain([agent.occupancy for agent in agents]) if agents else None,
        service_levels=[level for level in levels if level is not None],
        accuracies=measure_accuracy([visit for visits in counted for visit in visits]),
    )


def jain(shares: Sequence[float]) -> float:
    """Jain's index of fairness: 1 where all have the same, 1/n where one has everything, and 1 where nobody has anything.

    R. Jain, D. Chiu, W. Hawe, DEC Research Report TR-301 (1984).
    """
    squares = sum(share * share for share in shares)
    return 1.0 if squares == 0 else sum(shares) ** 2 / (len(shares) * squares)


def _group(queue: str | None, channel: str | None, visits: Iterable[Visit], end_ms: int) -> Group:
    waits: list[int] = []
    contacts = left = waiting = overdue = within = 0
    for visit in visits:
        contacts += 1
        if visit.left_ms is not None:
            left += 1
        elif visit.assigned_ms is None:
            waiting += 1
            overdue += visit.due_ms < end_ms
        else:
            waits.append(visit.assigned_ms - visit.received_ms)
            within += visit.assigned_ms <= visit.due_ms
    waits.sort()
    return Group(
        queue=queue,
        channel=channel,
        contacts=contacts,
        answered=len(waits),
        left=left,
        waiting=waiting,
        overdue=overdue,
        within=within,
        waits_ms=waits,
    )


def _agents(journals: Sequence[Journal]) -> list[AgentShare]:
    """Those who were available at all."""
    by_agent: dict[str, list[AgentTime]] = defaultdict(list)
    for journal in journals:
        for agent in journal.agents.values():
            by_agent[agent.agent_id].append(agent)
    shares = []
    for agent_id, times in sorted(by_agent.items()):
        available_ms = sum(time.available_ms for time in times)
        if available_ms:
            shares.append(
                AgentShare(
                    agent_id=agent_id,
                    available_ms=available_ms,
                    occupancy=sum(time.busy_ms for time in times) / available_ms,
                    load=sum(time.contact_ms for time in times) / available_ms,
                    handled=sum(time.handled for time in times),
                )
            )
    return shares
