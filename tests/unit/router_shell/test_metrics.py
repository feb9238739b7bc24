"""The router's metrics: counted once, shown as it is now, gone with the partition."""

from __future__ import annotations

from typing import Any

from prometheus_client.exposition import generate_latest

from libs.common.events.pool import AgentConfiguration, QueueConfiguration
from libs.common.events.routing import (
    ContactCancelled,
    ContactMoved,
    ContactRequeued,
    CustomerNotice,
    InputRefused,
    PoolConfigured,
    PresenceChanged,
    QueuePaced,
)
from libs.common.metrics import Metrics
from libs.common.testing.builders import (
    START_MS,
    a_contact_assigned,
    a_contact_queued,
    a_contact_resolved,
)
from services.router.metrics import PartitionMetrics
from services.router.routing_state import RoutingState


def shown(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def a_partition() -> tuple[Metrics, PartitionMetrics]:
    metrics = Metrics()
    partition = PartitionMetrics(metrics, 0)
    state = RoutingState(partition=0, partitions=1, configured=["care"])
    partition.recovered(state, 0.5)
    configured = PoolConfigured(
        pool="care",
        at_ms=START_MS,
        version="1",
        queues=(QueueConfiguration(id="orders"),),
        agents=(AgentConfiguration(id="anna", name="Anna"), AgentConfiguration(id="bruno", name="Bruno")),
    )
    partition.appended([configured], 1)
    return metrics, partition


def test_what_overflows_is_counted_by_what_it_went_to() -> None:
    # given
    metrics, partition = a_partition()
    queued = a_contact_queued(queue="orders")
    place: dict[str, Any] = {"pool": "care", "at_ms": START_MS, "contact_id": queued.contact_id}
    notice = CustomerNotice(**place, cause="overflow", texts={"en": "Busy."}, when="closed")
    moved = ContactMoved(**place, queue="general", cause="overflow", skills={}, offer_timeout_ms=1, when="waited")
    last = CustomerNotice(**place, cause="overflow", texts={"en": "Sorry."}, when="waited", ends=True)
    # when
    partition.appended([queued, notice, moved, last, ContactCancelled(**place, by="router", reason="overflow")], 5)
    partition.show(START_MS, 0)
    # then each is counted once, in the queue that it went from
    text = shown(metrics)
    assert 'centralino_overflows_total{pool="care",queue="orders",to="message"} 1.0' in text
    assert 'centralino_overflows_total{pool="care",queue="orders",to="queue"} 1.0' in text
    assert 'centralino_overflows_total{pool="care",queue="general",to="end"} 1.0' in text
    assert 'centralino_contacts_waiting{pool="care",queue="general"} 0.0' in text


def test_a_contact_is_counted_on_its_way() -> None:
    # given
    metrics, partition = a_partition()
    queued = a_contact_queued(queue="orders")
    # when
    partition.appended([queued], 1)
    partition.show(queued.received_ms + 5_000, 3)
    # then
    text = shown(metrics)
    labels = '{channel="email",pool="care",queue="orders"}'
    assert f"centralino_contacts_received_total{labels} 1.0" in text
    assert 'centralino_contacts_waiting{pool="care",queue="orders"} 1.0' in text
    assert 'centralino_oldest_wait_seconds{pool="care",queue="orders"} 5.0' in text
    assert 'centralino_log_lag_records{partition="0",stream="routing.inputs"} 3.0' in text
    # when
    at_ms = queued.received_ms + 7_000
    partition.appended([a_contact_assigned(queued.contact_id, at_ms=at_ms)], 1)
    partition.show(at_ms, 0)
    # then
    text = shown(metrics)
    assert f"centralino_contacts_assigned_total{labels} 1.0" in text
    assert 'centralino_wait_seconds_sum{channel="email",pool="care",queue="orders"} 7.0' in text
    assert 'centralino_contacts_waiting{pool="care",queue="orders"} 0.0' in text
    assert 'centralino_oldest_wait_seconds{pool="care",queue="orders"} 0.0' in text
    # when: it waits again, and is resolved in the end
    partition.appended(
        [ContactRequeued(pool="care", at_ms=at_ms, contact_id=queued.contact_id, agent_id="anna", cause="sign-out")], 1
    )
    partition.show(at_ms, 0)
    assert 'centralino_contacts_waiting{pool="care",queue="orders"} 1.0' in shown(metrics)
    partition.appended([a_contact_assigned(queued.contact_id), a_contact_resolved(queued.contact_id)], 2)
    partition.show(at_ms, 0)
    assert f"centralino_contacts_resolved_total{labels} 1.0" in shown(metrics)


def test_agents_are_shown_by_presence() -> None:
    metrics, partition = a_partition()
    partition.appended([PresenceChanged(pool="care", at_ms=START_MS, agent_id="anna", status="available")], 1)
    partition.show(START_MS, None)
    text = shown(metrics)
    assert 'centralino_agents{pool="care",presence="available"} 1.0' in text
    assert 'centralino_agents{pool="care",presence="offline"} 1.0' in text


def test_the_pool_of_a_refused_input_is_a_label_only_where_it_is_known() -> None:
    metrics, partition = a_partition()
    for pool in ("care", "somebody's long story"):
        partition.appended(
            [InputRefused(pool=pool, at_ms=START_MS, input_type="x", reason="pool-unknown", detail="No.")], 1
        )
    text = shown(metrics)
    assert 'centralino_inputs_refused_total{pool="care",reason="pool-unknown"} 1.0' in text
    assert 'centralino_inputs_refused_total{pool="",reason="pool-unknown"} 1.0' in text
    assert "somebody" not in text


def test_a_partition_that_is_handed_on_shows_nothing_more() -> None:
    metrics, partition = a_partition()
    partition.appended([a_contact_queued(queue="orders")], 1)
    partition.show(START_MS, 3)
    partition.forget()
    text = shown(metrics)
    assert "centralino_contacts_waiting{" not in text
    assert "centralino_agents{" not in text
    assert "centralino_log_lag_records{" not in text
    assert "centralino_contacts_received_total{" in text


def test_the_expected_wait_is_shown_while_somebody_waits_and_it_is_known() -> None:
    # given somebody who waits, in a queue of which nothing is known
    metrics, partition = a_partition()
    queued = a_contact_queued(queue="orders")
    partition.appended([queued], 1)
    partition.show(START_MS, 0)
    name = 'centralino_expected_wait_seconds{pool="care",queue="orders"}'
    assert name not in shown(metrics)
    # when its pace is said
    partition.appended([QueuePaced(pool="care", at_ms=START_MS, queue="orders", step_us=90_000_000)], 1)
    partition.show(START_MS, 0)
    # then who comes now waits for two
    assert f"{name} 180.0" in shown(metrics)
    # when nobody waits any more
    partition.appended([a_contact_assigned(queued.contact_id)], 1)
    partition.show(START_MS, 0)
    assert name not in shown(metrics)
