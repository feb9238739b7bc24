"""Reads a configuration: every error at once, each with file, line, column and path.

The text's own errors come from `places`, a part's own from the models, what one part says about another from `checks`; all of
them are collected, because whoever repairs a file wants to do so once. Called by the command line and by tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from libs.common.configuration.checks import check_document
from libs.common.configuration.messages import message_of_detail, place_of_detail
from libs.common.configuration.models import FROM_FILE, Configuration
from libs.common.configuration.places import Document, Place, Step
from libs.common.configuration.problems import ConfigurationInvalidError, ConfigurationProblem, Found

SAMPLE_PATH = Path(__file__).with_name("sample.yaml")
SIZE_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What became of a text: the configuration where there are no errors, and in any case what was found, in the file's order."""

    configuration: Configuration | None
    errors: tuple[ConfigurationProblem, ...]
    warnings: tuple[ConfigurationProblem, ...]


def load_configuration(path: Path) -> Configuration:
    """The configuration in a file. Raises ConfigurationInvalidError with all that is wrong, also where there is no such file."""
    return parse_configuration(read_text(path), str(path))


def parse_configuration(text: str, name: str = "centralino.yaml") -> Configuration:
    """The configuration in a text; `name` is what messages call the file. Raises ConfigurationInvalidError."""
    examination = examine_configuration(text, name)
    if examination.configuration is None:
        raise ConfigurationInvalidError(examination.errors)
    return examination.configuration


def sample_configuration() -> Configuration:
    """The built-in sample, which `up` uses when it is given no file."""
    return load_configuration(SAMPLE_PATH)


def read_text(path: Path) -> str:
    """A file's text. Raises ConfigurationInvalidError where it cannot be read, is too large or is not UTF-8."""
    try:
        data = path.read_bytes()
        if len(data) > SIZE_MAX_BYTES:
            raise _unreadable(path, f"larger than {SIZE_MAX_BYTES} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, "is not UTF-8") from error


def examine_configuration(
    text: str,
    name: str = "centralino.yaml",
    environ: Mapping[str, str] | None = None,
    further: Callable[[Configuration], Iterable[Found]] | None = None,
) -> Examination:
    """Everything that can be said about a text. With `environ`, a variable that it names and that is not set is a warning.

    `further`: what else is wrong with a configuration that is good by itself.
    """
    document = Document(text)
    errors = {_problem(name, found.place, found.path, found.message): found.path for found in document.findings}
    warnings: list[ConfigurationProblem] = []
    configuration: Configuration | None = None
    if document.readable:
        broken = set(errors.values())
        configuration, details = _validate(document.data)
        for path in _named_accounts(document.data):
            errors[_at(name, document, path, "unknown key", on_key=True)] = path
        for detail in details:
            path, on_key = place_of_detail(detail, document)
            if path not in broken:
                errors[_at(name, document, path, message_of_detail(detail, path, document), on_key=on_key)] = path
        # A value that is wrong by itself is not told again for what it says about others.
        broken = set(errors.values())
        for found in check_document(document.data, environ):
            problem = _at(name, document, found.path, found.message, on_key=found.on_key)
            if found.warning:
                warnings.append(problem)
            elif found.path not in broken:
                errors[problem] = found.path
        if further is not None and configuration is not None and not errors:
            for found in further(configuration):
                errors[_at(name, document, found.path, found.message, on_key=found.on_key)] = found.path
    return Examination(
        configuration=None if errors else configuration,
        errors=tuple(sorted(errors)),
        warnings=tuple(sorted(set(warnings))),
    )


def _validate(data: Any) -> tuple[Configuration | None, list[ErrorDetails]]:
    try:
        return Configuration.model_validate(data, context=FROM_FILE, by_alias=True, by_name=False), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _named_accounts(data: Any) -> Iterator[tuple[Step, ...]]:
    # The model has the account's name, which is its key; in the file it would be a field that is silently replaced.
    accounts = data.get("accounts") if isinstance(data, dict) else None
    for name, account in accounts.items() if isinstance(accounts, dict) else ():
        if isinstance(account, dict) and "name" in account:
            yield "accounts", name, "name"


def _at(
    file: str, document: Document, path: tuple[Step, ...], message: str, *, on_key: bool = False
) -> ConfigurationProblem:
    place = document.place_of_key(path) if on_key else document.place_of(path)
    return _problem(file, place, path, message)


def _problem(file: str, place: Place, path: tuple[Step, ...], message: str) -> ConfigurationProblem:
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return ConfigurationProblem(file=file, line=place.line, column=place.column, path=written, message=message)


def _unreadable(path: Path, message: str) -> ConfigurationInvalidError:
    return ConfigurationInvalidError((_problem(str(path), Place(line=1, column=1), (), message),))
