"""docs/events.md and docs/asyncapi-streams.yaml are made from the event types, are current, and describe real events."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types

from libs.common.events.catalogue import HEADER_NOTES, STREAM_NOTES, UNTYPED_NOTES, event_types, type_name
from libs.common.events.codec import STREAM_TYPES, encode_record, encode_value, type_of
from libs.common.events.document import asyncapi_document, documents, main
from libs.common.log.streams import stream_specs
from libs.common.testing import builders
from tests.golden.routing_histories import FOLDER, read

ROOT = Path(__file__).parents[2]

EVENTS = (
    builders.a_contact_received(message=builders.a_message(attachments=(builders.an_attachment(),))),
    builders.an_add_note("con_1"),
    builders.a_reply_requested("con_1"),
    builders.a_bounce(),
    builders.a_follow_up_sent("con_1"),
)


@cache
def described() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docs/asyncapi-streams.yaml").read_text(encoding="utf-8"))
    return loaded


def faults_of(event: Any) -> list[str]:
    reference = f"#/components/messages/{type_of(event)}/payload"
    schema = {"components": described()["components"], "$ref": reference}
    value = json.loads(encode_value(event))
    return [f"{fault.json_path}: {fault.message}" for fault in Draft202012Validator(schema).iter_errors(value)]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_the_committed_file_is_what_would_be_written(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == documents()[path], "run python -m libs.common.events.document"


def test_a_stale_file_is_found_and_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.common.events.document.DOCS", tmp_path)
    (tmp_path / "events.md").write_text("old")

    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_every_stream_is_described_once() -> None:
    assert set(STREAM_NOTES) == set(STREAM_TYPES)
    assert set(STREAM_NOTES) | set(UNTYPED_NOTES) == set(stream_specs(partitions=1))
    assert set(described()["channels"]) == set(STREAM_TYPES)


def test_every_event_has_a_chapter_and_a_schema() -> None:
    text = (ROOT / "docs/events.md").read_text(encoding="utf-8")
    names = [type_name(kind) for stream in STREAM_TYPES for kind in event_types(stream)]

    assert len(names) == len(set(names)) > 30
    assert [name for name in names if f"\n### `{name}`\n" not in text] == []
    assert set(described()["components"]["messages"]) == set(names)


def test_every_reference_leads_somewhere() -> None:
    document = described()

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for value in part.values() for found in references(value)]
        return [found for value in part for found in references(value)] if isinstance(part, list) else []

    found = references(document)
    assert len(found) > 100
    for reference in found:
        here = document
        for step in reference.removeprefix("#/").split("/"):
            here = here[step]


@pytest.mark.parametrize("event", EVENTS, ids=type_of)
def test_an_event_is_as_its_schema_says(event: Any) -> None:
    assert faults_of(event) == []


@pytest.mark.parametrize("history", sorted(path.stem for path in FOLDER.glob("*.jsonl")))
def test_recorded_inputs_and_facts_are_as_their_schemas_say(history: str) -> None:
    events = [event for one in read(history) for event in (one.input, *one.facts)]

    assert events
    assert [fault for event in events for fault in faults_of(event)] == []


def test_the_schemas_refuse_what_is_no_event() -> None:
    schema = {"components": asyncapi_document()["components"], "$ref": "#/components/schemas/OfferMade"}

    assert not Draft202012Validator(schema).is_valid({"type": "centralino.offer.made.v1", "offer_id": 7})


def test_the_headers_are_those_that_records_have() -> None:
    # given a record with everything that can be in the headers: it is so large that it is packed
    agents = tuple(builders.an_agent(f"agent-{number}") for number in range(10_000))
    record = encode_record(
        builders.a_configure_pool(agents=agents),
        key="care",
        event_id="e",
        source="s",
        time_ms=0,
        correlation_id="c",
        subject="x",
        causation_id="y",
        term=1,
        input_offset=2,
    )
    least = encode_record(
        builders.a_contact_received(), key="care", event_id="e", source="s", time_ms=0, correlation_id="c"
    )

    assert {name for name, _ in record.headers} == {note.name for note in HEADER_NOTES}
    assert {name for name, _ in least.headers} == {note.name for note in HEADER_NOTES if note.required}
