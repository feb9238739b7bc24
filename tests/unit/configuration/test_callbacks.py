"""`callback` of pools and queues: how customers are called back."""

from __future__ import annotations

import pytest

from libs.common.configuration import examine_configuration, parse_configuration
from libs.common.events.pool import CallbackConfiguration
from services.router.pools import pool_configuration

FILE = """\
pools: {p: {callback: {attempts: 5, retry_after: 10m, text: {en: "Later."}}}, other: {}}
queues:
  own: {pool: p, callback: {attempts: 1, text: {}}, overflow: [{when: waited, at_least: 5m, to: callback, text: {en: "We call."}}]}
  plain: {pool: p}
  far: {pool: other}
"""


def callbacks(pool: str) -> dict[str, CallbackConfiguration]:
    """What the router is told about each queue."""
    return {queue.id: queue.callback for queue in pool_configuration(parse_configuration(FILE), pool).queues}


def test_a_queue_says_how_its_customers_are_called_or_its_pool_does() -> None:
    assert callbacks("p") == {
        "own": CallbackConfiguration(attempts=1, retry_ms=1_800_000),
        "plain": CallbackConfiguration(attempts=5, retry_ms=600_000, texts={"en": "Later."}),
    }
    # and where nobody says it, customers are told in both languages
    far = callbacks("other")["far"]
    assert (far.attempts, far.retry_ms, sorted(far.texts)) == (3, 1_800_000, ["en", "it"])


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("attempts: 5", "attempts: 0", "pools.p.callback.attempts"),
        ("attempts: 5", "attempts: 21", "pools.p.callback.attempts"),
        ("retry_after: 10m", "retry_after: 10s", "pools.p.callback.retry_after: must be at least 1m"),
        ("retry_after: 10m", "retry_after: 600000", "pools.p.callback.retry_after"),
        ('{en: "Later."}', '{fr: "Plus tard."}', "pools.p.callback.text"),
        ("retry_after: 10m", "retry: 10m", "pools.p.callback"),
    ],
)
def test_mistakes_are_told_with_their_places(before: str, after: str, message: str) -> None:
    errors = [str(problem) for problem in examine_configuration(FILE.replace(before, after)).errors]
    assert any(message in error for error in errors), errors
