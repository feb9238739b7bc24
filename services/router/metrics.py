"""The router's metrics: counted from the facts that were appended, and shown from what they say is waiting now.

One `PartitionMetrics` per partition hears what its tenures do. Contacts are remembered by their labels alone. It must not be asked by
anything that decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from libs.common.events.routing import (
    CallbackDue,
    CallbackMissed,
    CallbackScheduled,
    CallbackWithdrawn,
    ContactAbandoned,
    ContactAssigned,
    ContactCancelled,
    ContactChanged,
    ContactForwarded,
    ContactLapsed,
    ContactMerged,
    ContactMoved,
    ContactQueued,
    ContactRequeued,
    ContactResolved,
    ContactReturned,
    ContactTransferred,
    CustomerNotice,
    DrainLifted,
    InputRefused,
    OfferExpired,
    OfferMade,
    OfferRejected,
    OfferWithdrawn,
    PoolConfigured,
    PoolFact,
    PresenceChanged,
    QueueDrained,
    QueuePaced,
)
from libs.common.metrics import Metrics
from libs.common.waits import wait_ms
from services.router.core.callbacks import NOT_REACHED
from services.router.core.entities import Presence
from services.router.core.overflow import CAUSE_OVERFLOW, ROUTER
from services.router.core.transitions import ContactState
from services.router.routing_state import RoutingState
from services.router.snapshot_schedule import SnapshotReport

_WAITING_STATES: Final = frozenset({ContactState.QUEUED, ContactState.OFFERED})


class _Known(NamedTuple):
    """What the labels and the wait of an open contact follow from."""

    pool: str
    queue: str
    channel: str
    received_ms: int


class PartitionMetrics:
    """See the module; it is the `Observer` of the partition's tenures."""

    def __init__(self, metrics: Metrics, partition: int) -> None:
        self._metrics: Final = metrics
        self._partition: Final = str(partition)
        self._contacts: dict[str, _Known] = {}
        self._waiting: dict[tuple[str, str], dict[str, int]] = {}
        self._presence: dict[str, dict[str, str]] = {}
        self._paces: dict[tuple[str, str], QueuePaced] = {}
        self._drains: dict[tuple[str, str], None] = {}
        self._callbacks: dict[str, None] = {}  # Open contacts that are called back.
        # What counts has been looked up before; by its labels it is found at ten times the cost.
        self._counters: Final[dict[tuple[Any, ...], Any]] = {}
        self._handlers: Final[dict[type, Callable[[Any], None]]] = {
            ContactQueued: self._queued,
            ContactAssigned: self._assigned,
            ContactRequeued: self._requeued,
            ContactTransferred: self._transferred,
            ContactChanged: self._changed,
            ContactMoved: self._moved,
            CallbackScheduled: self._callback_scheduled,
            CallbackDue: self._callback_due,
            CallbackMissed: self._callback_missed,
            CallbackWithdrawn: self._callback_withdrawn,
            ContactForwarded: self._forwarded,
            ContactMerged: self._merged,
            CustomerNotice: self._notified,
            QueueDrained: self._drained,
            DrainLifted: self._lifted,
            ContactCancelled: self._cancelled,
            ContactAbandoned: self._abandoned,
            ContactReturned: self._returned,
            ContactLapsed: self._lapsed,
            ContactResolved: self._resolved,
            PresenceChanged: self._presence_changed,
            PoolConfigured: self._configured,
            QueuePaced: self._paced,
            OfferMade: lambda fact: self._offer(fact, "made"),
            OfferRejected: lambda fact: self._offer(fact, "rejected"),
            OfferExpired: lambda fact: self._offer(fact, "expired"),
            OfferWithdrawn: lambda fact: self._offer(fact, "withdrawn"),
            InputRefused: self._refused,
        }

    def recovered(self, state: RoutingState, seconds: float) -> None:
        """Begin anew from a recovered state. What was counted before stays counted; nothing is counted twice."""
        self._clear_gauges()
        self._contacts.clear()
        self._waiting.clear()
        self._presence.clear()
        self._paces.clear()
        self._drains.clear()
        self._callbacks.clear()
        for pool, pool_state in state.pools.items():
            for queue in pool_state.queues:
                self._waiting[pool, queue] = {}
            self._drains.update(((pool, queue), None) for queue in pool_state.drains)
            for contact in pool_state.contacts.values():
                known = _Known(pool, contact.queue, contact.channel, contact.received_ms)
                self._contacts[contact.id] = known
                if contact.callback is not None:
                    self._callbacks[contact.id] = None
                if contact.state in _WAITING_STATES:
                    self._waiting.setdefault((pool, contact.queue), {})[contact.id] = contact.received_ms
            for pace in pool_state.paces.values():
                self._paces[pool, pace.queue] = QueuePaced(
                    pool=pool,
                    at_ms=0,
                    queue=pace.queue,
                    step_us=pace.said_step_us,
                    patience_us=pace.said_patience_us,
                    opens_ms=pace.said_opens_ms,
                )
            self._presence[pool] = {
                agent.id: agent.presence.value for agent in pool_state.agents.values() if not agent.removed
            }
        self._metrics.router_recoveries.labels(self._partition).inc()
        self._metrics.router_recovery_seconds.observe(seconds)

    def appended(self, facts: Sequence[PoolFact], records: int) -> None:
        """Count these facts."""
        handlers = self._handlers
        for fact in facts:
            handler = handlers.get(type(fact))
            if handler is not None:
                handler(fact)
        self._metrics.router_batches.labels(self._partition).inc()
        self._metrics.router_batch_records.observe(records)

    def decided(self, inputs: int, seconds: float) -> None:
        """Observe the mean time of a decision in a batch of them."""
        self._metrics.router_step_seconds.observe(seconds / max(1, inputs))

    def snapshot_written(self, report: SnapshotReport) -> None:
        """Observe a snapshot and how long it held the worker up."""
        self._metrics.snapshot_seconds.observe(report.seconds)
        self._metrics.snapshot_pause_seconds.labels(self._partition).set(report.pause_max_s)
        self._metrics.snapshot_bytes.labels(self._partition).set(report.size_bytes)

    def show(self, now_ms: int, lag_records: int | None) -> None:
        """Set the gauges: how it is at this time. `lag_records`: inputs on the log not decided yet, where that is known."""
        for (pool, queue), waiting in self._waiting.items():
            oldest_s = max(0, now_ms - min(waiting.values())) / 1000 if waiting else 0.0
            self._metrics.contacts_waiting.labels(pool, queue).set(len(waiting))
            self._metrics.oldest_wait_seconds.labels(pool, queue).set(oldest_s)
            self._show_expected_wait(pool, queue, len(waiting), now_ms)
            self._metrics.queues_drained.labels(pool, queue).set((pool, queue) in self._drains)
        for pool, agents in self._presence.items():
            counts = Counter(agents.values())
            for presence in Presence:
                self._metrics.agents.labels(pool, presence.value).set(counts[presence.value])
        if lag_records is not None:
            self._metrics.log_lag_records.labels("routing.inputs", self._partition).set(lag_records)

    def _show_expected_wait(self, pool: str, queue: str, waiting: int, now_ms: int) -> None:
        pace = self._paces.get((pool, queue))
        if waiting == 0 or pace is None or pace.step_us is None:
            _remove(self._metrics.expected_wait_seconds, [(pool, queue)])
            return
        expected_ms = max(0, pace.opens_ms - now_ms) + wait_ms(waiting + 1, pace.step_us, pace.patience_us)
        self._metrics.expected_wait_seconds.labels(pool, queue).set(expected_ms / 1000)

    def forget(self) -> None:
        """The partition is somebody else's now: show nothing of it any more."""
        self._clear_gauges()
        _remove(self._metrics.log_lag_records, [("routing.inputs", self._partition)])
        _remove(self._metrics.snapshot_pause_seconds, [(self._partition,)])
        _remove(self._metrics.snapshot_bytes, [(self._partition,)])
        self._contacts.clear()
        self._waiting.clear()
        self._presence.clear()
        self._drains.clear()
        self._callbacks.clear()

    def _clear_gauges(self) -> None:
        _remove(self._metrics.contacts_waiting, self._waiting)
        _remove(self._metrics.oldest_wait_seconds, self._waiting)
        _remove(self._metrics.expected_wait_seconds, self._waiting)
        _remove(self._metrics.queues_drained, self._waiting)
        _remove(self._metrics.agents, [(pool, presence.value) for pool in self._presence for presence in Presence])

    def _queued(self, fact: ContactQueued) -> None:
        self._contacts[fact.contact_id] = _Known(fact.pool, fact.queue, fact.channel, fact.received_ms)
        self._waiting.setdefault((fact.pool, fact.queue), {})[fact.contact_id] = fact.received_ms
        self._counter(self._metrics.contacts_received, fact.pool, fact.queue, fact.channel).inc()

    def _assigned(self, fact: ContactAssigned) -> None:
        known = self._contacts[fact.contact_id]
        self._waiting[known.pool, known.queue].pop(fact.contact_id, None)
        self._counter(self._metrics.contacts_assigned, known.pool, known.queue, known.channel).inc()
        wait_s = max(0, fact.at_ms - known.received_ms) / 1000
        self._counter(self._metrics.wait_seconds, known.pool, known.queue, known.channel).observe(wait_s)

    def _requeued(self, fact: ContactRequeued) -> None:
        known = self._contacts[fact.contact_id]
        self._waiting.setdefault((known.pool, known.queue), {})[fact.contact_id] = known.received_ms

    def _resolved(self, fact: ContactResolved) -> None:
        known = self._contacts.pop(fact.contact_id)
        self._waiting[known.pool, known.queue].pop(fact.contact_id, None)
        self._counter(self._metrics.contacts_resolved, known.pool, known.queue, known.channel).inc()
        self._end_callback(fact.contact_id, known, "resolved")

    def _transferred(self, fact: ContactTransferred) -> None:
        known = self._contacts[fact.contact_id] = self._contacts[fact.contact_id]._replace(queue=fact.queue)
        self._waiting.setdefault((known.pool, known.queue), {})[fact.contact_id] = known.received_ms
        self._metrics.contacts_transferred.labels(known.pool, known.queue, known.channel).inc()

    def _changed(self, fact: ContactChanged | ContactMoved) -> None:
        known = self._contacts[fact.contact_id]
        waited = self._waiting.get((known.pool, known.queue), {}).pop(fact.contact_id, None)
        self._contacts[fact.contact_id] = known._replace(queue=fact.queue)
        if waited is not None:
            self._waiting.setdefault((known.pool, fact.queue), {})[fact.contact_id] = waited

    def _moved(self, fact: ContactMoved) -> None:
        known = self._contacts[fact.contact_id]
        if fact.cause == CAUSE_OVERFLOW:
            self._overflowed(known, "queue")
        self._changed(fact)
        self._counter(self._metrics.contacts_moved, fact.pool, fact.queue, fact.cause).inc()

    def _forwarded(self, fact: ContactForwarded) -> None:
        known = self._contacts.pop(fact.contact_id)
        self._overflowed(known, "pool")
        self._waiting.get((known.pool, known.queue), {}).pop(fact.contact_id, None)

    def _merged(self, fact: ContactMerged) -> None:
        known = self._contacts.pop(fact.contact_id)
        self._waiting.get((known.pool, known.queue), {}).pop(fact.contact_id, None)
        self._count_callback(known, "merged")

    def _notified(self, fact: CustomerNotice) -> None:
        if fact.cause == CAUSE_OVERFLOW and not fact.ends:
            self._overflowed(self._contacts[fact.contact_id], "message")

    def _overflowed(self, known: _Known, to: str) -> None:
        self._counter(self._metrics.overflows, known.pool, known.queue, to).inc()

    def _callback_scheduled(self, fact: CallbackScheduled) -> None:
        known = self._contacts[fact.contact_id]
        self._waiting.setdefault((known.pool, known.queue), {}).pop(fact.contact_id, None)
        self._callbacks[fact.contact_id] = None
        self._count_callback(known, "scheduled")

    def _callback_due(self, fact: CallbackDue) -> None:
        known = self._contacts[fact.contact_id]
        self._waiting.setdefault((known.pool, known.queue), {})[fact.contact_id] = known.received_ms

    def _callback_missed(self, fact: CallbackMissed) -> None:
        self._count_callback(self._contacts[fact.contact_id], "missed")

    def _callback_withdrawn(self, fact: CallbackWithdrawn) -> None:
        known = self._contacts[fact.contact_id]
        self._waiting.setdefault((known.pool, known.queue), {})[fact.contact_id] = known.received_ms
        self._end_callback(fact.contact_id, known, "withdrawn")

    def _end_callback(self, contact_id: str, known: _Known, outcome: str) -> None:
        if contact_id in self._callbacks:
            del self._callbacks[contact_id]
            self._count_callback(known, outcome)

    def _count_callback(self, known: _Known, outcome: str) -> None:
        self._counter(self._metrics.callbacks, known.pool, known.queue, outcome).inc()

    def _drained(self, fact: QueueDrained) -> None:
        self._drains[fact.pool, fact.queue] = None

    def _lifted(self, fact: DrainLifted) -> None:
        self._drains.pop((fact.pool, fact.queue), None)

    def _cancelled(self, fact: ContactCancelled) -> None:
        known = self._contacts.pop(fact.contact_id)
        if fact.reason == CAUSE_OVERFLOW and fact.by == ROUTER:
            self._overflowed(known, "end")
        self._waiting.get((known.pool, known.queue), {}).pop(fact.contact_id, None)
        self._metrics.contacts_cancelled.labels(known.pool, known.queue, known.channel).inc()
        outcome = "not-reached" if fact.reason == NOT_REACHED else "cancelled"
        self._end_callback(fact.contact_id, known, outcome)

    def _abandoned(self, fact: ContactAbandoned) -> None:
        known = self._contacts[fact.contact_id]
        self._waiting.get((known.pool, known.queue), {}).pop(fact.contact_id, None)
        self._metrics.contacts_abandoned.labels(known.pool, known.queue, known.channel).inc()

    def _returned(self, fact: ContactReturned) -> None:
        known = self._contacts[fact.contact_id]
        self._waiting.setdefault((known.pool, known.queue), {})[fact.contact_id] = known.received_ms

    def _lapsed(self, fact: ContactLapsed) -> None:
        del self._contacts[fact.contact_id]

    def _presence_changed(self, fact: PresenceChanged) -> None:
        agents = self._presence.get(fact.pool, {})
        if fact.agent_id in agents:  # An agent whom the configuration no longer names leaves by one last fact.
            agents[fact.agent_id] = fact.status

    def _paced(self, fact: QueuePaced) -> None:
        self._paces[fact.pool, fact.queue] = fact

    def _configured(self, fact: PoolConfigured) -> None:
        for queue in fact.queues:
            self._waiting.setdefault((fact.pool, queue.id), {})
        named = {queue.id for queue in fact.queues}
        for pool, queue_id in [place for place in self._drains if place[0] == fact.pool and place[1] not in named]:
            del self._drains[pool, queue_id]
        before = self._presence.get(fact.pool, {})
        self._presence[fact.pool] = {agent.id: before.get(agent.id, Presence.OFFLINE.value) for agent in fact.agents}

    def _offer(self, fact: OfferMade | OfferRejected | OfferExpired | OfferWithdrawn, outcome: str) -> None:
        self._counter(self._metrics.offers, fact.pool, outcome).inc()

    def _counter(self, metric: Any, *labels: str) -> Any:
        """The series of a metric that has these labels: those of the configuration, so that there are not many."""
        key = (metric, *labels)
        found = self._counters.get(key)
        if found is None:
            found = self._counters[key] = metric.labels(*labels)
        return found

    def _refused(self, fact: InputRefused) -> None:
        # The pool of a refused input may be any word that somebody sent; only known ones may become a label.
        pool = fact.pool if fact.pool in self._presence else ""
        self._metrics.inputs_refused.labels(pool, fact.reason).inc()


def _remove(metric: Any, labels: Iterable[tuple[str, ...]]) -> None:
    for values in labels:
        # Removing a series that was never shown is nothing.
        metric.remove(*values)
