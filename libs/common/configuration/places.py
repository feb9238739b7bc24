"""From YAML text to plain data that remembers where everything stands. Called by `load`; it knows nothing of the models.

YAML 1.1 would read `no` as false, `12:30` as 750 and `2026-01-01` as a date. Here plain words are what they look like: only
`true`, `false`, `null`, whole and decimal numbers are anything but text, as in YAML 1.2's core schema.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

Step = str | int
Path = tuple[Step, ...]

DEPTH_MAX: Final = 20
PARTS_MAX: Final = 500_000  # Aliases of aliases can make a short text unfold to any size.

_DIGITS_MAX: Final = 18
_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line and a column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with the text itself, before anything is known about its meaning."""

    place: Place
    path: Path
    message: str


class _Loader(yaml.SafeLoader):
    """Reads plain words as YAML 1.2's core schema does."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own hook


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(null|~|)$"), ["n", "~", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?$"), list("-+0123456789")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


_LOADERS: Final[list[type[Any]]] = [_Loader]  # Each but the last is tried, and its errors are not told.

if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class _QuickLoader(Composer, CParser, Resolver):
        """The same with libyaml to read the text, three times as quick; what that says of a text that is no YAML is less clear.

        Nodes are put together in Python: in C a text that is nested a million times deep ends the process.
        """

        yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            Resolver.__init__(self)

    _LOADERS.insert(0, _QuickLoader)


def _compose(text: str) -> yaml.Node | None:
    """The text as nodes. Raises what the last of the loaders raises."""
    for loader_kind in _LOADERS[:-1]:
        with suppress(yaml.YAMLError):
            return _compose_by(loader_kind, text)
    return _compose_by(_LOADERS[-1], text)


def _compose_by(loader_kind: Any, text: str) -> yaml.Node | None:
    loader = loader_kind(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
    finally:
        loader.dispose()
    return node


class _TooManyPartsError(Exception):
    """The text unfolds to more parts than a configuration can have."""


def _place(mark: yaml.Mark) -> Place:
    return Place(line=mark.line + 1, column=mark.column + 1)


class Document:
    """The data of a YAML text (`data`), what is wrong with the text (`findings`) and the place of every part (`place_of`)."""

    def __init__(self, text: str) -> None:
        """Read the text. Never raises for what a user can write; a text that is no YAML has `data` None and a finding."""
        self.findings: list[Finding] = []
        self.readable = True
        self._values: dict[Path, Place] = {}
        self._keys: dict[Path, Place] = {}
        self._typed: set[Path] = set()
        self._parts = 0
        self.data = self._read(text)

    def place_of(self, path: Sequence[Step]) -> Place:
        """Where the value at `path` begins, or the nearest part around it that exists."""
        return self._nearest(tuple(path), self._values)

    def place_of_key(self, path: Sequence[Step]) -> Place:
        """Where the key of the value at `path` stands; in a list, the value."""
        return self._nearest(tuple(path), ChainMap(self._keys, self._values))

    def has(self, path: Sequence[Step]) -> bool:
        """Whether there is a value at `path`."""
        return tuple(path) in self._values

    def looks_like_text(self, path: Sequence[Step]) -> bool:
        """Whether the value is a plain word that quotes would make a text: a number, true or false."""
        return tuple(path) in self._typed

    def _nearest(self, path: Path, places: Mapping[Path, Place]) -> Place:
        while path and path not in places:
            path = path[:-1]
        return places.get(path, Place(line=1, column=1))

    def _read(self, text: str) -> Any:
        try:
            root = _compose(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = _place(mark) if mark else Place(line=1, column=1)
            words = ", ".join(part for part in (error.context, error.problem) if part)
            return self._unreadable(place, f"not readable as YAML: {words}")
        except yaml.reader.ReaderError as error:
            # The only error without a mark: a character that YAML forbids, counted from the text's beginning.
            before = text[: error.position].split("\n")
            place = Place(line=len(before), column=len(before[-1]) + 1)
            return self._unreadable(place, "not readable as YAML: a character that it does not allow")
        except RecursionError:
            return self._unreadable(Place(line=1, column=1), "nested too deeply")
        if root is None:
            return {}
        try:
            return self._build(root, (), ())
        except _TooManyPartsError:
            return self._unreadable(Place(line=1, column=1), f"has more than {PARTS_MAX} parts")

    def _unreadable(self, place: Place, message: str) -> None:
        self.readable = False
        self.findings.append(Finding(place=place, path=(), message=message))

    def _build(self, node: yaml.Node, path: Path, around: tuple[yaml.Node, ...]) -> Any:
        self._values[path] = _place(node.start_mark)
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise _TooManyPartsError
        if len(around) > DEPTH_MAX or any(node is other for other in around):
            self.findings.append(Finding(place=_place(node.start_mark), path=path, message="nested too deeply"))
            return None
        if isinstance(node, yaml.MappingNode):
            return self._build_mapping(node, path, (*around, node))
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*path, index), (*around, node)) for index, item in enumerate(node.value)]
        return self._build_scalar(node, path)

    def _build_mapping(self, node: yaml.MappingNode, path: Path, around: tuple[yaml.Node, ...]) -> dict[str, Any]:
        built: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        # What is merged in comes first, so that the places of the mapping's own keys replace those of the same name.
        for key_node, value_node in sorted(node.value, key=lambda pair: pair[0].tag != _MERGE):
            place = _place(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self.findings.append(Finding(place=place, path=path, message="a key must be a plain word"))
                continue
            key: str = key_node.value
            if key_node.tag == _MERGE:
                self._merge(value_node, path, around, merged)
                continue
            if key in built:
                first = self._keys[*path, key].line
                message = f"given twice, first on line {first}"
                self.findings.append(Finding(place=place, path=(*path, key), message=message))
                continue
            self._keys[*path, key] = place
            built[key] = self._build(value_node, (*path, key), around)
        return {**merged, **built}

    def _merge(self, node: yaml.Node, path: Path, around: tuple[yaml.Node, ...], merged: dict[str, Any]) -> None:
        # `<<: *defaults`: what the mapping itself says comes first, then the earlier of several defaults.
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(source, yaml.MappingNode) and not any(source is other for other in around):
                for key, value in self._build_mapping(source, path, (*around, source)).items():
                    merged.setdefault(key, value)
            else:
                message = "<< must be followed by a mapping"
                self.findings.append(Finding(place=_place(source.start_mark), path=path, message=message))

    def _build_scalar(self, node: yaml.Node, path: Path) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind in ("int", "float", "bool"):
            self._typed.add(path)
        if kind == "str":
            return text
        try:
            if kind == "int":
                # Longer numbers are no quantity of anything; Python refuses to read some of them at all.
                return int(text) if len(text) <= _DIGITS_MAX else text
            if kind == "float":
                return float(text)
        except ValueError:
            message = f"must be a number, not {text[:40]!r}"
            self.findings.append(Finding(place=_place(node.start_mark), path=path, message=message))
            return None
        if kind in ("bool", "null"):
            return text == "true" if kind == "bool" else None
        message = f"the tag {node.tag} is not allowed"
        self.findings.append(Finding(place=_place(node.start_mark), path=path, message=message))
        return None
