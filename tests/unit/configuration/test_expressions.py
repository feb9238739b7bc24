"""Conditions in CEL: what they see, what is wrong with them, and where."""

from __future__ import annotations

import pytest

from libs.common.configuration.expressions import VARIABLES, Condition, ExpressionFailedError, values_of
from libs.common.configuration.load import examine_configuration
from libs.common.events.message import Attachment
from libs.common.testing.builders import a_message

CONFIGURATION = """
pools: {{care: {{}}}}
queues: {{general: {{pool: care}}}}
rules:
  - when:
      channel: email
      expression: {expression}
    queue: general
  - {{queue: general}}
accounts: {{support: {{channel: api, pool: care}}}}
agents: {{anna: {{name: Anna, pool: care}}}}
"""


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ('channel == "email" && subject.contains("ordine")', True),
        ('subject.lowerAscii().contains("ORDINE")', False),
        ('text.matches("(?i)URGENTE")', True),
        ('attributes["tier"] == "gold"', True),
        ('attributes.?colour.orValue("") == "red"', False),
        ('handles.exists(one, one.startsWith("tel:"))', True),
        ('"help@shop.example" in to', True),
        ("attachments > 0 && !automatic", True),
        ('skills["orders"] >= 2 && priority == 3', True),
        ('received.getHours("Europe/Rome") == 1', True),
        ('language == "" && name == "" && account != ""', True),
    ],
)
def test_a_condition_sees_the_message(expression: str, holds: bool) -> None:
    message = a_message(
        channel="email",
        subject="Il mio ordine",
        text="È urgente",
        name=None,
        language=None,
        attributes={"tier": "gold"},
        handles=("mailto:luca@example.com", "tel:+39333"),
        attachments=(Attachment(id="att_1", name="a", content_type="text/plain"),),
    )
    values = values_of(message, ("help@shop.example",), {"orders": 2}, 3)
    assert set(values) == set(VARIABLES)
    assert Condition(expression).holds(values) is holds


@pytest.mark.parametrize("expression", ['attributes["tier"] == "gold"', 'skills["orders"] / 0 == 1'])
def test_a_condition_without_a_value_says_so(expression: str) -> None:
    with pytest.raises(ExpressionFailedError):
        Condition(expression).holds(values_of(a_message(attributes={}), (), {"orders": 1}, 0))


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("'subjct == \"\"'", "at character 1: undeclared reference to 'subjct'"),
        ("'channel =='", "at character 11: Syntax error: mismatched input '<EOF>'"),
        ("'priority + \"x\" == 2'", "at character 10: found no matching overload for '_+_' applied to '(int, string)'"),
        ("priority + 1", "must be true or false, and is of type int"),
        ("'text.matches(\"(\")'", "invalid regular expression: missing )"),
        ("''", "must not be empty"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(expression: str, told: str) -> None:
    errors = examine_configuration(CONFIGURATION.format(expression=expression)).errors
    [error] = errors
    assert (error.line, error.path) == (7, "rules[0].when.expression")
    assert told in error.message


def test_a_mistake_on_a_later_line_of_an_expression_is_found_there() -> None:
    with pytest.raises(ValueError, match="at line 2, character 6: undeclared reference to 'chanel'"):
        Condition('true &&\n     chanel == "x"')
