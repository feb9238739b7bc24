"""Which queue a message goes to."""

import pytest

from libs.common.configuration.load import parse_configuration
from libs.common.configuration.models import Rule
from libs.common.testing.builders import a_message
from services.ingest.classify import NoRuleError, classify

RULES = """
pools: {care: {}}
queues:
  orders: {pool: care}
  vip: {pool: care}
  english: {pool: care}
  general: {pool: care}
agents:
  anna: {name: Anna, pool: care, skills: {lang.it: 5, orders: 5}}
accounts: {support-mail: {channel: api, pool: care}}
rules:
  - {when: {handle: "*@vip.example"}, queue: vip, priority: 10}
  - {when: {channel: email, subject_contains: [ordine, order]}, queue: orders, skills: {lang.it: 3}, priority: 1}
  - {when: {language: en, attributes: {site: [uk, us]}}, queue: english}
  - {when: {to: "help@*"}, queue: english}
  - {queue: general}
"""


def rules() -> tuple:
    return parse_configuration(RULES).rules_of("care")


@pytest.mark.parametrize(
    ("fields", "queue"),
    [
        ({"subject": "Il mio ORDINE"}, "orders"),
        ({"subject": "ordine", "channel": "sms"}, "general"),
        ({"subject": None, "text": "ordine"}, "general"),
        ({"handle": "mailto:boss@VIP.example", "handles": (), "subject": "order"}, "vip"),
        ({"handle": "tel:+39333", "handles": ("mailto:a@vip.example",), "subject": "x"}, "vip"),
        ({"subject": "x", "language": "en-GB", "attributes": {"site": "uk"}}, "english"),
        ({"subject": "x", "language": "en", "attributes": {"site": "it"}}, "general"),
        ({"subject": "x", "language": "eng", "attributes": {"site": "uk"}}, "general"),
    ],
)
def test_the_first_matching_rule_decides(fields: dict, queue: str) -> None:
    assert classify(a_message(**fields), rules()).queue == queue


def test_the_address_written_to_can_decide() -> None:
    assert classify(a_message(subject="x"), rules(), to=["help@shop.example"]).queue == "english"


def test_of_two_levels_of_a_skill_the_higher_counts_and_the_integrations_priority_goes_first() -> None:
    found = classify(a_message(subject="ordine"), rules(), skills={"lang.it": 2, "orders": 4}, priority=7)
    assert found.skills == {"lang.it": 3, "orders": 4}
    assert found.priority == 7
    assert found.rule == 1


def test_the_rules_alternatives_and_the_integrations_must_both_be_met() -> None:
    rule = Rule(queue="orders", any_of=({"it": 3}, {"en": 1}))
    given = [{"it": 1, "vip": 2}]
    assert classify(a_message(), [(0, rule)], any_of=given).any_of == (
        {"it": 3, "vip": 2},
        {"en": 1, "it": 1, "vip": 2},
    )
    assert classify(a_message(), [(0, rule)]).any_of == ({"it": 3}, {"en": 1})
    assert classify(a_message(), [(0, Rule(queue="orders"))], any_of=given).any_of == tuple(given)


def test_without_a_default_nothing_is_made_up() -> None:
    with pytest.raises(NoRuleError):
        classify(a_message(subject="x"), rules()[:2])


def test_an_expression_decides_together_with_the_other_conditions() -> None:
    placed = rules_with('{channel: email, expression: \'attributes.?tier.orValue("") == "gold"\'}')
    assert classify(a_message(attributes={"tier": "gold"}), placed).queue == "vip"
    assert classify(a_message(attributes={"tier": "gold"}, channel="sms"), placed).queue == "general"
    assert classify(a_message(attributes={}), placed).failed == ()


def test_a_rule_whose_expression_has_no_value_is_passed_over_and_told() -> None:
    found = classify(a_message(attributes={}), rules_with('{expression: \'attributes["tier"] == "gold"\'}'))
    assert (found.queue, found.rule, found.failed) == ("general", 1, (0,))


def rules_with(when: str) -> tuple:
    text = RULES[: RULES.index("rules:")] + f"rules:\n  - {{when: {when}, queue: vip}}\n  - {{queue: general}}\n"
    return parse_configuration(text).rules_of("care")
