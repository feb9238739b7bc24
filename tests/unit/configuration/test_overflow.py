"""`overflow` of queues: what each rule must have, where it may lead, and that every mistake is told at its place."""

from __future__ import annotations

import pytest

from libs.common.configuration import examine_configuration, parse_configuration
from libs.common.configuration.schema import configuration_schema
from services.router.pools import pool_configuration

OVERFLOWING = """\
pools: {p: {hours: {mon-fri: ["09:00-18:00"]}}, night: {}}
queues:
  q:
    pool: p
    overflow:
      - {when: closed, to: message, text: {it: "Siamo chiusi.", en: "We are closed."}}
      - {when: waiting, at_least: 50, to: queue, target: general}
      - {when: waited, at_least: 15m, to: queue, target: general}
      - {when: waited, at_least: 2h, to: end}
  general: {pool: p}
  late: {pool: night}
"""


def test_reads_what_overflows() -> None:
    configuration = parse_configuration(OVERFLOWING)
    rules = configuration.queues["q"].overflow
    assert [(rule.when, rule.at_least, rule.to, rule.target) for rule in rules] == [
        ("closed", None, "message", None),
        ("waiting", 50, "queue", "general"),
        ("waited", 900_000, "queue", "general"),
        ("waited", 7_200_000, "end", None),
    ]
    # and it stands in what the router is told
    queue = next(queue for queue in pool_configuration(configuration, "p").queues if queue.id == "q")
    assert [(rule.when, rule.at_least, rule.text) for rule in queue.overflow] == [
        ("closed", 0, {"en": "We are closed.", "it": "Siamo chiusi."}),
        ("waiting", 50, {}),
        ("waited", 900_000, {}),
        ("waited", 7_200_000, {}),
    ]


FIRST = "queues.q.overflow[0]"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("when: closed", "when: never", "overflow[0].when: must be one of closed, waiting, expected_wait, waited"),
        ("to: message", "to: nowhere", "overflow[0].to: must be one of queue, pool, callback, message, end"),
        ("when: closed,", "when: closed, at_least: 3,", f"{FIRST}.at_least: is not for `closed`"),
        (", at_least: 50", "", "overflow[1].at_least: is required with `waiting`: a number of contacts"),
        ("at_least: 50", "at_least: 5m", "overflow[1].at_least: must be a number of contacts"),
        ("at_least: 50", "at_least: 0", "overflow[1].at_least: must be at least 1"),
        (", at_least: 15m", "", "overflow[2].at_least: is required with `waited`: a duration"),
        ("at_least: 15m", "at_least: 15", "overflow[2].at_least: must be a duration such as 30s, 5m or 2h"),
        ("at_least: 15m", "at_least: 2h", "overflow[3].at_least: must be later than that of the rule for `waited`"),
        (
            "target: general}\n      - {when: waited, at_least: 2h",
            "target: late}\n      - {when: waited, at_least: 2h",
            "overflow[2].target: unknown queue of the same pool late",
        ),
        ("50, to: queue, target: general", "50, to: queue, target: genera", "did you mean general?"),
        ("50, to: queue, target: general", "50, to: queue, target: q", "overflow[1].target: unknown queue of the same"),
        ("50, to: queue, target: general", "50, to: queue", "overflow[1].target: is required: the queue"),
        (", to: end", ", to: end, target: general", "overflow[3].target: is not for `end`"),
        (', text: {it: "Siamo chiusi.", en: "We are closed."}', "", "overflow[0].text: is required with `message`"),
        ('en: "We', 'fr: "We', "overflow[0].text.fr: must be one of it, en"),
        (
            "target: general}\n      - {when: waited, at_least: 2h",
            "target: general, text: {en: x}}\n      - {when: waited, at_least: 2h",
            "overflow[2].text: is not for `queue`: the customer is told nothing",
        ),
        ("to: end", "to: end, into: x", "overflow[3].into: unknown key"),
    ],
)
def test_overflow_is_checked_at_its_place(before: str, after: str, message: str) -> None:
    assert before in OVERFLOWING
    examination = examine_configuration(OVERFLOWING.replace(before, after, 1))
    told = [str(problem) for problem in examination.errors]
    assert any(message in text for text in told), told
    assert all(text.startswith("centralino.yaml:") and ": queues.q.overflow[" in text for text in told)


def test_contacts_may_not_go_round_before_they_wait() -> None:
    # given two queues, each of which is left for the other
    text = OVERFLOWING.replace(
        "general: {pool: p}", "general: {pool: p, overflow: [{when: closed, to: queue, target: q}]}"
    )
    # when, then: told once
    [problem] = examine_configuration(text).errors
    assert problem.message in {
        "contacts would go round before they wait: q -> general -> q",
        "contacts would go round before they wait: general -> q -> general",
    }
    # and those that have waited may: each goes once
    assert not examine_configuration(
        text.replace("when: closed, to: queue", "when: waited, at_least: 1m, to: queue")
    ).errors


def test_hours_that_are_not_there_never_hold() -> None:
    text = OVERFLOWING.replace('{hours: {mon-fri: ["09:00-18:00"]}}', "{}")
    assert [problem.message for problem in examine_configuration(text).warnings if "overflow" in problem.path] == [
        "never holds: neither the queue nor its pool has hours"
    ]


def test_editors_know_it() -> None:
    overflow = configuration_schema()["$defs"]["Overflow"]
    assert set(overflow["properties"]) == {"when", "at_least", "to", "target", "text"}
    assert overflow["required"] == ["when", "to"]
