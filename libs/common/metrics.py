"""The metrics: the one closed list of names, and one set of them per service instance.

Labels hold configured names (pool, queue, channel, account), routes and outcomes; never a customer, a contact or an agent. Several
services of one process have a registry each, so that each `/metrics` shows its own. Called by every service's `compose`.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

WAIT_BUCKETS_S: Final = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400)
REQUEST_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SHORT_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
BATCH_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

POOL_QUEUE_CHANNEL: Final = ("pool", "queue", "channel")


class Metrics:
    """Every metric of Centralino, in one registry. A counter's exported name ends in `_total`.

    A metric without labels shows as 0 on services that do not use it; one with labels shows nothing there.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        ProcessCollector(registry=self.registry)
        self._build_http()
        self._build_routing()
        self._build_channels()

    def _build_http(self) -> None:
        self.http_requests = self._counter(
            "centralino_http_requests", "Answered HTTP requests.", ("service", "route", "status")
        )
        self.http_request_seconds = self._histogram(
            "centralino_http_request_seconds", "From request to end of answer.", ("service", "route"), REQUEST_BUCKETS_S
        )
        self.http_requests_in_flight = self._gauge(
            "centralino_http_requests_in_flight", "Requests being worked on.", ("service",)
        )
        self.websocket_connections = self._gauge("centralino_websocket_connections", "Open WebSockets.")
        self.websocket_frames = self._counter("centralino_websocket_frames", "Frames sent.", ("type",))
        self.websocket_slow_closed = self._counter(
            "centralino_websocket_slow_closed", "WebSockets closed because they read too slowly."
        )
        self.commands = self._counter("centralino_commands", "Agents' commands by outcome.", ("type", "outcome"))
        self.command_seconds = self._histogram(
            "centralino_command_seconds", "From an agent's command to its outcome.", ("type",), REQUEST_BUCKETS_S
        )

    def _build_routing(self) -> None:
        self.contacts_received = self._counter(
            "centralino_contacts_received", "Contacts opened by a message.", POOL_QUEUE_CHANNEL
        )
        self.contacts_assigned = self._counter(
            "centralino_contacts_assigned", "Contacts given to an agent.", POOL_QUEUE_CHANNEL
        )
        self.contacts_resolved = self._counter("centralino_contacts_resolved", "Contacts resolved.", POOL_QUEUE_CHANNEL)
        self.contacts_cancelled = self._counter(
            "centralino_contacts_cancelled", "Contacts ended by a supervisor without an answer.", POOL_QUEUE_CHANNEL
        )
        self.overflows = self._counter(
            "centralino_overflows",
            "Contacts that went on from a queue by its overflow, by what they went to.",
            ("pool", "queue", "to"),
        )
        self.contacts_abandoned = self._counter(
            "centralino_contacts_abandoned", "Contacts whose customer left while they waited.", POOL_QUEUE_CHANNEL
        )
        self.contacts_transferred = self._counter(
            "centralino_contacts_transferred", "Contacts passed on, by the queue that they went to.", POOL_QUEUE_CHANNEL
        )
        self.contacts_moved = self._counter(
            "centralino_contacts_moved", "Waiting contacts moved to this queue.", ("pool", "queue", "cause")
        )
        self.callbacks = self._counter(
            "centralino_callbacks", "Callbacks by what became of them.", ("pool", "queue", "outcome")
        )
        self.queues_drained = self._gauge(
            "centralino_queue_drained", "1 while the queue is let run empty.", ("pool", "queue")
        )
        self.contacts_waiting = self._gauge("centralino_contacts_waiting", "Contacts waiting now.", ("pool", "queue"))
        self.oldest_wait_seconds = self._gauge(
            "centralino_oldest_wait_seconds", "How long the longest-waiting contact waits.", ("pool", "queue")
        )
        self.expected_wait_seconds = self._gauge(
            "centralino_expected_wait_seconds",
            "How long who comes now will probably wait, of queues with contacts waiting, where it is known.",
            ("pool", "queue"),
        )
        self.wait_seconds = self._histogram(
            "centralino_wait_seconds", "From received to assigned.", POOL_QUEUE_CHANNEL, WAIT_BUCKETS_S
        )
        self.agents = self._gauge("centralino_agents", "Agents by presence.", ("pool", "presence"))
        self.offers = self._counter("centralino_offers", "Offers by outcome.", ("pool", "outcome"))
        self.inputs_refused = self._counter("centralino_inputs_refused", "Inputs refused.", ("pool", "reason"))
        self.log_lag_records = self._gauge(
            "centralino_log_lag_records", "Records on the log not read yet.", ("stream", "partition")
        )
        self.router_batches = self._counter("centralino_router_batches", "Batches of facts appended.", ("partition",))
        self.router_batch_records = self._histogram(
            "centralino_router_batch_records", "Records in a batch.", (), BATCH_BUCKETS
        )
        self.router_step_seconds = self._histogram(
            "centralino_router_step_seconds", "Time of one decision.", (), SHORT_BUCKETS_S
        )
        self.router_recoveries = self._counter(
            "centralino_router_recoveries", "Times that a partition was taken over or recovered.", ("partition",)
        )
        self.router_recovery_seconds = self._histogram(
            "centralino_router_recovery_seconds", "From taking a partition over to its first decision.", ()
        )
        self.snapshot_seconds = self._histogram("centralino_snapshot_seconds", "Time to write a snapshot.", ())
        self.snapshot_pause_seconds = self._gauge(
            "centralino_snapshot_pause_seconds",
            "Longest time at a stretch that the last snapshot held the worker up.",
            ("partition",),
        )
        self.snapshot_bytes = self._gauge("centralino_snapshot_bytes", "Size of the last snapshot.", ("partition",))
        self.partitions_owned = self._gauge("centralino_partitions_owned", "Partitions that this replica works on.")

    def _build_channels(self) -> None:
        self.webhook_messages = self._counter(
            "centralino_webhook_messages",
            "Messages from channels by outcome (accepted, refused, unavailable ...).",
            ("account", "outcome"),
        )
        self.rules_failed = self._counter(
            "centralino_rules_failed",
            "Rules passed over because their expression had no value for a message.",
            ("pool",),
        )
        self.dead_letters = self._counter(
            "centralino_dead_letters", "Records set aside as dead letters.", ("stream", "service")
        )
        self.deliveries = self._counter("centralino_deliveries", "Replies sent by outcome.", ("channel", "outcome"))
        self.delivery_seconds = self._histogram(
            "centralino_delivery_seconds", "Time of a send to a provider.", ("channel",), REQUEST_BUCKETS_S
        )
        self.mails = self._counter("centralino_mails", "Mails by kind and outcome.", ("kind", "outcome"))

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...] = SHORT_BUCKETS_S
    ) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=buckets)
