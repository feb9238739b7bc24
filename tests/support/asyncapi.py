"""The stream's description, docs/asyncapi.yaml, as something that tests hold frames against."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types

PATH = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    loaded: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return loaded


@cache
def _validator(frame_type: str) -> Draft202012Validator:
    reference = f"#/components/messages/{frame_type}/payload"
    return Draft202012Validator({"components": document()["components"], "$ref": reference})


def check_frame(frame: dict[str, Any]) -> None:
    """AssertionError for a frame that is not as the document says."""
    assert frame["type"] in document()["components"]["messages"], f"{frame['type']} is not described"
    faults = [f"{fault.json_path}: {fault.message}" for fault in _validator(frame["type"]).iter_errors(frame)]
    assert not faults, f"{frame['type']}: {faults}"
