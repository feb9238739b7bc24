"""The console has words, in each of its languages, for everything that the services may tell it by a fixed word.

Whoever adds a kind of entry to the history, a reason to refuse, a cause, a state or an obstacle finds out here that people have no
words for it yet. The words stand in services/agent_api/console/js/words_said.LANGUAGE.js, those of the console itself in words.LANGUAGE.js.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from libs.common.configuration.models import Overflow, Queue
from libs.common.events.followup import MailKind
from libs.common.events.message import Channel
from services.agent_api.models import Presence as ChosenPresence
from services.agent_api.view_frames import TIMELINE_TYPES
from services.router.core.entities import Presence
from services.router.core.explain import Obstacle
from services.router.core.refusals import RefusalReason
from services.router.core.strategies import STRATEGIES
from services.router.core.transitions import ContactState
from tests.support.asyncapi import document

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "services" / "agent_api" / "console" / "js"
LANGUAGES = ("en", "it")

_KEY = re.compile(r'^  (?:"([^"]+)"|([a-z_]+)):', re.MULTILINE)
# `t("key")` and `t("key", values)`; what is put together out of parts is checked by its parts' enumerations below.
_USED = re.compile(r'\bt\(\s*"([^"]+)"')


def keys_of(language: str) -> list[str]:
    """Every key that a language has words for, in the order of its files."""
    text = "".join((SCRIPTS / f"{name}.{language}.js").read_text(encoding="utf-8") for name in ("words_said", "words"))
    return [quoted or plain for quoted, plain in _KEY.findall(text)]


def trees(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", None)) == name:
            yield node


def problem_words() -> set[str]:
    """The short words of the problems that the agent API's code raises, wherever it writes them out."""
    found = set()
    for _, tree in trees("services/agent_api", "libs/common/http"):
        for call in calls(tree, "ProblemError"):
            if len(call.args) > 1 and isinstance(call.args[1], ast.Constant):
                found.add(str(call.args[1].value))
    return found


def causes() -> set[str]:
    """Why the router did something by itself: the values of its `CAUSE_...` names."""
    return {
        str(node.value.value)
        for _, tree in trees("services/router/core")
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id.startswith("CAUSE_")
    }


def suppressions() -> set[str]:
    """Why the follow-up service left a mail undone: what its plan gives in one of its fixed words."""
    tree = ast.parse((ROOT / "services" / "followup" / "plan.py").read_text(encoding="utf-8"))
    words = {
        str(keyword.value.value)
        for call in calls(tree, "Suppressed")
        for keyword in call.keywords
        if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant)
    }
    return words | {"disabled", "automatic", "no-reply-address", "bounced", "too-many"}


def needed() -> set[str]:
    words = {f"event.{entry_type}" for entry_type in TIMELINE_TYPES}
    words |= {f"problem.{reason}" for reason in RefusalReason}
    words |= {f"problem.{word}" for word in problem_words()}
    words |= {f"reason.{cause}" for cause in causes() | suppressions()}
    words |= {f"state.{state}" for state in ContactState}
    words |= {f"presence.{presence}" for presence in Presence}
    words |= {f"channel.{channel}" for channel in Channel}
    words |= {f"obstacle.{obstacle}" for obstacle in Obstacle}
    words |= {f"when.{condition}" for condition in get_args(Overflow.model_fields["when"].annotation)}
    words |= {f"overflow.{target}" for target in get_args(Overflow.model_fields["to"].annotation)}
    words |= {f"{kind}.{strategy}" for kind in ("why", "strategy") for strategy in STRATEGIES}
    return words


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_for_whatever_the_services_say(language: str) -> None:
    assert sorted(needed() - set(keys_of(language))) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_for_whatever_the_console_says_itself(language: str) -> None:
    used = {key for path in SCRIPTS.glob("*.js") for key in _USED.findall(path.read_text(encoding="utf-8"))}

    assert len(used) > 50
    assert sorted(used - set(keys_of(language))) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_said_twice(language: str) -> None:
    keys = keys_of(language)

    assert sorted({key for key in keys if keys.count(key) > 1}) == []


def test_the_languages_have_the_same_keys() -> None:
    assert keys_of("en") == keys_of("it")


def test_every_kind_of_entry_that_the_view_writes_is_in_the_list() -> None:
    """Kinds that are put together, such as `offer.{state}`, must at least be like one in the list."""
    written = [
        (path.name, call.args[3]) for path, tree in trees("services/agent_api") for call in calls(tree, "note_down")
    ]
    assert len(written) > 20
    for name, argument in written:
        if isinstance(argument, ast.Constant):
            assert argument.value in TIMELINE_TYPES, f"{name} writes {argument.value!r}"
        elif isinstance(argument, ast.JoinedStr):
            parts = [
                re.escape(part.value) if isinstance(part, ast.Constant) and isinstance(part.value, str) else "[a-z-]+"
                for part in argument.values
            ]
            pattern = re.compile("".join(parts))
            assert any(pattern.fullmatch(entry_type) for entry_type in TIMELINE_TYPES), f"{name} writes {pattern}"
        else:
            raise AssertionError(f"{name}: the kind of an entry is neither a word nor put together of words")
    assert {entry_type.partition(".")[0] for entry_type in TIMELINE_TYPES} >= set(MailKind)


def test_every_change_that_the_stream_tells_of_is_described() -> None:
    """Changes that are put together from variables are told by the frames of other tests."""
    described = document()["components"]["messages"]["contact.updated"]["payload"]["allOf"][1]["properties"]["change"]
    told = {
        str(call.args[2].value)
        for _, tree in trees("services/agent_api")
        for call in calls(tree, "tell_update")
        if isinstance(call.args[2], ast.Constant)
    }

    assert len(told) > 10
    assert sorted(told - set(described["enum"])) == []


def test_the_presences_that_people_choose_are_the_routers() -> None:
    assert set(get_args(ChosenPresence)) == set(Presence) - {Presence.NOT_RESPONDING}
    assert Queue.model_fields["strategy"].default in STRATEGIES
