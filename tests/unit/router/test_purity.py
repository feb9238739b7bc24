"""The core decides from its state and the input alone: nothing in its source could make two runs differ."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import services.router.core

MODULES = sorted(Path(next(iter(services.router.core.__path__))).glob("*.py"))
IMPORTS = (
    "__future__",
    "bisect",
    "collections",
    "dataclasses",
    "enum",
    "heapq",
    "itertools",
    "libs.common.events.inputs",
    "libs.common.events.message",
    "libs.common.events.pool",
    "libs.common.events.routing",
    "libs.common.waits",
    "msgspec",
    "services.router.core",
    "typing",
)
FORBIDDEN_CALLS = {"eval", "exec", "float", "hash", "id", "input", "iter_set", "open", "print", "vars"}


def offences(source: str) -> list[str]:
    """What in this source has no place in the core."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [
            f"imports {name}"
            for name in names
            if not any(name == allowed or name.startswith(f"{allowed}.") for allowed in IMPORTS)
        ]
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append(f"float {node.value}")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            found.append("divides into a float")
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.Global):
            found.append(type(node).__name__)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            found.append(f"calls {node.func.id}")
        iterated = node.iter if isinstance(node, ast.For | ast.comprehension) else None
        if isinstance(iterated, ast.Set | ast.SetComp) or (
            isinstance(iterated, ast.Call)
            and isinstance(iterated.func, ast.Name)
            and iterated.func.id in {"set", "frozenset"}
        ):
            found.append("iterates over a set")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_core_is_pure(path: Path) -> None:
    assert offences(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from random import choice",
        "from libs.common.clock import Clock",
        "import services.router.runner",
        "x = 0.5",
        "x = 1 / 2",
        "async def f(): await g()",
        "for x in {1, 2}: pass",
        "y = [x for x in set(z)]",
        "print(1)",
        "x = hash('a')",
    ],
)
def test_the_test_of_purity_can_fail(source: str) -> None:
    assert offences(source)
