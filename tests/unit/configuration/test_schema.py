"""The JSON Schema describes the file as a user writes it."""

from typing import Any

from libs.common.configuration import Account, configuration_schema
from libs.common.configuration.schema import known_keys


def definition(name: str) -> dict[str, Any]:
    found: dict[str, Any] = configuration_schema()["$defs"][name]
    return found


def test_keys_are_those_of_the_file() -> None:
    assert {"target", "offer_timeout", "wrap_up"} <= definition("Queue")["properties"].keys()
    assert "target_ms" not in definition("Queue")["properties"]
    assert "from" in definition("Followup")["properties"]


def test_an_accounts_name_is_its_key_and_no_field() -> None:
    assert "name" not in definition("Account")["properties"]
    assert "name" in Account.model_fields


def test_unknown_keys_are_not_allowed_anywhere() -> None:
    schema = configuration_schema()

    for part in (
        schema,
        *(schema["$defs"][name] for name in ("Account", "Agent", "Followup", "Pool", "Queue", "Rule")),
    ):
        assert part["additionalProperties"] is False


def test_a_duration_is_a_text() -> None:
    assert {"type": "null"} in definition("Queue")["properties"]["offer_timeout"]["anyOf"]
    assert {part["type"] for part in definition("Queue")["properties"]["offer_timeout"]["anyOf"]} == {"string", "null"}


def test_knows_the_keys_at_a_path() -> None:
    assert known_keys(("rules", 0, "when"))[:2] == ("channel", "account")
    assert "offer_timeout" in known_keys(("queues", "any"))
    assert known_keys(("pools", "any", "hours")) == ()
