"""The documents stay true: links lead somewhere, and commands, metrics, settings and keys that they name exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic_core import PydanticUndefined

from libs.common.configuration import configuration_schema, parse_configuration
from libs.common.errors import RefusedError
from libs.common.metrics import Metrics
from libs.common.settings import CommonSettings
from services.agent_api.settings import AgentApiSettings
from services.cli.commands import centralino
from services.ingest.channels.registry import CHANNELS
from services.router.settings import RouterSettings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SETTINGS = (CommonSettings, AgentApiSettings, RouterSettings)
# Said in the code by hand, or of the containers and of tests alone.
OTHER_VARIABLES = {
    "CENTRALINO_TWILIO_URL",
    "CENTRALINO_TELEGRAM_URL",
    "CENTRALINO_POSTGRES_PASSWORD",
    "CENTRALINO_BIND",
    "CENTRALINO_KAFKA_HEAP",
}
TEST_VARIABLES = re.compile(r"CENTRALINO_(TEST|SIMULATION)_\w+")
METRIC_SUFFIXES = ("_bucket", "_count", "_sum", "_created")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def anchors_of(path: Path) -> set[str]:
    """The anchors of a document's headings, as they are made for showing it."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def options_of(command: click.Command) -> set[str]:
    """Every option of a command and of the commands below it."""
    own = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
    if isinstance(command, click.Group):
        context = click.Context(command)
        below = [command.get_command(context, name) for name in command.list_commands(context)]
        return own.union(*(options_of(one) for one in below if one is not None))
    return own


def commands_in(text: str) -> Iterator[list[str]]:
    """The words of every call of `centralino` that stands in code: lines of blocks, and spans."""
    blocks = re.findall(r"^ {4,}(?!\|)(.*)$", text, re.MULTILINE)
    spans = re.findall(r"`(centralino [^`]+)`", text)
    for line in [*blocks, *spans]:
        for call in re.findall(r"(?:^|[\s(])centralino ([a-z][^|)#`]*)", line):
            yield call.split()


def metric_names() -> set[str]:
    """Names as they are exported."""
    families = list(Metrics().registry.collect())
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def settings_with_defaults() -> dict[str, Any]:
    return {
        f"CENTRALINO_{name.upper()}": field.default for kind in SETTINGS for name, field in kind.model_fields.items()
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"^ {4}.*$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        to = (document.parent / path).resolve() if path else document
        if not to.exists() or (anchor and to.suffix == ".md" and anchor not in anchors_of(to)):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_command_and_its_options_exist(document: Path) -> None:
    context = click.Context(centralino)
    unknown = []
    for words in commands_in(document.read_text(encoding="utf-8")):
        command: click.Command | None = centralino.get_command(context, words[0])
        if command is None:
            unknown.append(words[0])
            continue
        if isinstance(command, click.Group) and len(words) > 1 and not words[1].startswith("-"):
            subcommand = command.get_command(context, words[1].strip(",;:"))
            unknown += [] if subcommand else [" ".join(words[:2])]
        given = {word.partition("=")[0].strip(".,;") for word in words if word.startswith("--")}
        unknown += [f"{words[0]} {option}" for option in given - options_of(command)]

    assert unknown == []


def test_the_readme_shows_the_commands_that_there_are() -> None:
    shown = {words[0] for words in commands_in(text_of("README.md"))}

    assert {"up", "serve", "check", "schema", "token", "password", "dead-letters", "replay"} <= shown


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_target_of_make_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^ {4,}|`)make ([a-z]+)", text, re.MULTILINE))

    assert named - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_metric_exists(document: Path) -> None:
    named = set(re.findall(r"\bcentralino_[a-z_]*[a-z]\b", document.read_text(encoding="utf-8")))
    plain = {next((name.removesuffix(end) for end in METRIC_SUFFIXES if name.endswith(end)), name) for name in named}

    assert plain - metric_names() == set()


def test_every_setting_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(CENTRALINO_\w+)` \| ([^|]*) \|", text_of("docs/configuration.md"), re.MULTILINE))
    settings = settings_with_defaults()

    assert set(rows) == set(settings) | (OTHER_VARIABLES & set(rows))
    wrong = {
        name: (rows[name], default)
        for name, default in settings.items()
        if default not in (None, PydanticUndefined, "", ()) and f"`{default}`" not in rows[name]
    }
    assert wrong == {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_variable_exists(document: Path) -> None:
    named = set(re.findall(r"\bCENTRALINO_[A-Z_]*[A-Z]\b", document.read_text(encoding="utf-8")))
    known = set(settings_with_defaults()) | OTHER_VARIABLES

    assert {name for name in named - known if not TEST_VARIABLES.fullmatch(name)} == set()


def test_other_variables_are_documented_and_used() -> None:
    documented = text_of("docs/configuration.md")
    assert {name for name in OTHER_VARIABLES if name not in documented} == set()
    used = text_of("docker-compose.yml") + text_of("deploy/env.example")
    providers = {f"CENTRALINO_{provider.upper()}_URL" for _, provider in CHANNELS}
    assert {name for name in OTHER_VARIABLES if name not in used} <= providers


def test_every_key_of_the_configuration_is_documented() -> None:
    text = text_of("docs/configuration.md")
    schema = configuration_schema()
    keys = {
        (part, key) for part, model in schema["$defs"].items() if "properties" in model for key in model["properties"]
    } | {("top", key) for key in schema["properties"]}

    assert {f"{part}.{key}" for part, key in keys if f"`{key}`" not in text} == set()


def test_every_adapter_is_documented() -> None:
    text = text_of("docs/channels.md")

    missing = [f"{channel}/{provider}" for channel, provider in CHANNELS if f"channel: {channel}" not in text]
    assert missing == []
    assert [provider for _, provider in CHANNELS if provider not in text.lower()] == []


def test_the_examples_of_the_configuration_are_valid() -> None:
    # given the whole file in the README, and the accounts in docs/channels.md
    readme = text_of("README.md")
    block = readme[readme.index("    pools:") : readme.index("\n\nDurations are")]
    whole = "\n".join(line.removeprefix("    ") for line in block.splitlines())
    accounts = re.findall(
        r"^    ([a-z-]+: +\{channel: [^}]*\})$", text_of("docs/channels.md"), re.MULTILINE | re.DOTALL
    )

    # then all of it can be used
    assert set(parse_configuration(whole, "README.md").pools) == {"care"}
    assert len(accounts) == 7
    listed = "".join(f"  {account}\n" for account in accounts)
    text = f"pools: {{care: {{}}}}\nqueues: {{q: {{pool: care}}}}\nrules: [{{queue: q}}]\naccounts:\n{listed}"
    assert len(parse_configuration(text, "channels.md").accounts) == 7


def test_the_mistakes_that_the_readme_shows_are_those_that_are_found() -> None:
    shown = re.findall(r"^    shop\.yaml:(.*)$", text_of("README.md"), re.MULTILINE)
    text = "pools:\n  care: {timezone: Europe/Rome}\nqueues:\n  orders: {pool: car, target: 60, skils: {orders: 2}}\n"

    with pytest.raises(RefusedError) as refusal:
        parse_configuration(text, "shop.yaml")

    assert str(refusal.value).splitlines() == [f"shop.yaml:{line}" for line in shown]


def test_every_decision_has_its_page_and_stands_in_the_list() -> None:
    pages = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    listed = re.findall(r"\]\((\d{4}-[a-z-]+\.md)\) \| (.*) \|", text_of("docs/adr/README.md"))

    assert [page.name for page in pages] == [name for name, _ in listed]
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page, (_, title) in zip(pages, listed, strict=True):
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]}: {title}\n"), page.name
        assert [part for part in ("**Context.**", "**Decision.**", "**What it costs.**") if part not in text] == []


def test_every_promise_has_its_tests() -> None:
    rows = [line for line in text_of("docs/promises.md").splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, 31))
    for row in rows:
        named = re.findall(r"\[`([\w/.]+)`\]\(\.\./([\w/.]+)\)", row)
        assert named, row
        for name, place in named:
            if name.startswith("test_"):
                assert re.search(rf"^ *(async )?def {name}\(", text_of(place), re.MULTILINE), f"{place} has no {name}"
            else:
                assert (ROOT / place).exists(), place
