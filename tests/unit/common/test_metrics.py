import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from libs.common.metrics import Metrics

# What contract.md of the project promises to whoever builds dashboards: name, type and labels.
PROMISED = {
    "centralino_contacts_received_total": ("pool", "queue", "channel"),
    "centralino_contacts_assigned_total": ("pool", "queue", "channel"),
    "centralino_contacts_resolved_total": ("pool", "queue", "channel"),
    "centralino_contacts_abandoned_total": ("pool", "queue", "channel"),
    "centralino_contacts_cancelled_total": ("pool", "queue", "channel"),
    "centralino_contacts_transferred_total": ("pool", "queue", "channel"),
    "centralino_contacts_moved_total": ("pool", "queue", "cause"),
    "centralino_queue_drained": ("pool", "queue"),
    "centralino_callbacks_total": ("pool", "queue", "outcome"),
    "centralino_contacts_waiting": ("pool", "queue"),
    "centralino_oldest_wait_seconds": ("pool", "queue"),
    "centralino_expected_wait_seconds": ("pool", "queue"),
    "centralino_wait_seconds": ("pool", "queue", "channel"),
    "centralino_agents": ("pool", "presence"),
    "centralino_log_lag_records": ("stream", "partition"),
}
PERSONAL_LABELS = {"customer", "contact", "agent", "handle", "message", "thread", "path"}


def metric_names(metrics: Metrics) -> dict[str, tuple[str, ...]]:
    return {
        (f"{metric._name}_total" if metric._type == "counter" else metric._name): metric._labelnames
        for metric in vars(metrics).values()
        if hasattr(metric, "_labelnames")
    }


def test_the_promised_metrics_are_there_with_their_labels() -> None:
    names = metric_names(Metrics())

    assert {name: names.get(name) for name in PROMISED} == PROMISED


def test_every_name_is_ours_and_no_label_is_about_a_person() -> None:
    for name, labels in metric_names(Metrics()).items():
        assert name.startswith("centralino_"), name
        assert not PERSONAL_LABELS & set(labels), name


def test_each_service_of_a_process_has_its_own() -> None:
    first, second = Metrics(), Metrics()

    first.contacts_received.labels("care", "orders", "email").inc()

    line = b'centralino_contacts_received_total{channel="email",pool="care",queue="orders"} 1.0'
    assert line in generate_latest(first.registry)
    assert line not in generate_latest(second.registry)


def test_one_registry_takes_one_set() -> None:
    registry = CollectorRegistry()
    assert Metrics(registry).registry is registry

    with pytest.raises(ValueError, match="Duplicated"):
        Metrics(registry)
