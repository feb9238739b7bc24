"""The rules of CONTRIBUTING.md that a program can check: sizes, docstrings, and names that must not stand anywhere."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# What is longer, and why it is let be. A file or function that has become shorter must leave the list.
LONG_FILES = {
    "libs/common/testing/contract.py": "one suite of independent tests, which every log runs as a whole",
}
LONG_FUNCTIONS: dict[str, str] = {}

# Words that mean that somebody could not decide where something belongs.
VAGUE_MODULES = frozenset({"utils", "util", "helpers", "helper", "manager", "managers", "misc", "common_utils"})

# Where packages, images and jars come from is told by each tool's own configuration on the machine, never by this project.
REGISTRY_HOSTS = re.compile(
    r"\b(pypi\.org|pythonhosted\.org|registry\.npmjs\.org|docker\.io|ghcr\.io|quay\.io|(?<!no-emit-)index-url|extra-index)\b"
)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


CODE = sources("services", "libs")
TESTS = sources("tests")


def functions(tree: ast.AST, around: str = "") -> Iterator[tuple[str, int]]:
    """Every function with its length in lines, decorators apart; those inside classes and functions too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{around}{node.name}", node.end_lineno - node.lineno + 1
            yield from functions(node, f"{around}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{around}{node.name}.")
        else:
            yield from functions(node, around)


def test_the_code_was_found() -> None:
    assert len(CODE) > 100
    assert len(TESTS) > 50


def test_no_file_is_too_long() -> None:
    long = {name_of(path) for path in CODE if len(path.read_text(encoding="utf-8").splitlines()) > FILE_LINES_MAX}

    assert long == set(LONG_FILES), f"over {FILE_LINES_MAX} lines; or no more, and still in the list"


def test_no_function_is_too_long() -> None:
    long = {
        f"{name_of(path)}:{name}"
        for path in CODE
        for name, lines in functions(ast.parse(path.read_text(encoding="utf-8")))
        if lines > FUNCTION_LINES_MAX
    }

    assert long == set(LONG_FUNCTIONS), f"over {FUNCTION_LINES_MAX} lines; or no more, and still in the list"


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "the module has no docstring"


def test_modules_have_names_that_say_something() -> None:
    vague = [name_of(path) for path in [*CODE, *TESTS] if {path.stem, *path.parts} & VAGUE_MODULES]

    assert vague == []


def test_no_registry_is_named() -> None:
    text_files = {".py", ".toml", ".yml", ".yaml", ".md", ".lock", ".xml", ".html", ".js", ".example", ""}
    own = Path(__file__)
    skipped = {".git", ".venv", "node_modules", "data", "dist"}
    named = [
        f"{name_of(path)}: {found[0]}"
        for path in sorted(ROOT.rglob("*"))
        if not skipped & set(path.relative_to(ROOT).parts)
        and not any(part.endswith("_cache") or part == ".hypothesis" for part in path.relative_to(ROOT).parts)
        and path.is_file()
        and path.suffix in text_files
        and path != own
        for found in [REGISTRY_HOSTS.search(path.read_text(encoding="utf-8", errors="replace"))]
        if found
    ]

    assert named == []
