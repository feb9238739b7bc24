"""What a process finds and makes around it: settings, the data folder with its secret, the configuration, the event log.

Called by the commands. Everything wrong here is a RefusedError with the name of the setting and without its value, which may be a
secret.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import SecretStr, ValidationError

from libs.common.clock import SystemClock
from libs.common.configuration import Configuration, ConfigurationProblem
from libs.common.configuration.load import SAMPLE_PATH, Examination, examine_configuration, read_text
from libs.common.configuration.problems import ConfigurationInvalidError, Found
from libs.common.errors import RefusedError
from libs.common.settings import CommonSettings
from services.router.pools import find_refused

SECRET_FILE: Final = "secret"  # noqa: S105  # the file's name, not what is in it
_SECRET_BYTES: Final = 32
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_SQLITE: Final = "sqlite:///"

S = TypeVar("S", bound=CommonSettings)


class SettingsInvalidError(RefusedError):
    """A setting cannot be used."""


class DataFolderError(RefusedError):
    """The data folder cannot be used."""


def read_settings(kind: type[S], overrides: Mapping[str, Any] | None = None) -> S:
    """The settings from the environment, `overrides` (options; None: not given) before them. Raises SettingsInvalidError."""
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        return kind(**given)
    except ValidationError as error:
        lines = [
            f"CENTRALINO_{'_'.join(str(step) for step in detail['loc'][:1]).upper()}: {_sentence(detail)}"
            for detail in error.errors(include_input=False, include_url=False)
            # Settings that follow from one that is wrong are not told.
            if detail["type"] != "default_factory_not_called"
        ]
        raise SettingsInvalidError("\n".join(lines)) from None


def _sentence(detail: Any) -> str:
    if detail["type"] == "string_pattern_mismatch":
        return f"must match {detail['ctx']['pattern']}"
    if detail["type"] == "too_short":
        return f"must have at least {detail['ctx']['min_length']} characters"
    message: str = detail["msg"]
    return message[:1].lower() + message[1:]


def prepare_folder(folder: Path) -> None:
    """Make the data folder where it is missing, readable by its owner alone: it holds customers' messages. Raises DataFolderError."""
    try:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderError(f"the data folder {folder} cannot be made: {error.strerror}") from error


def find_secret(settings: CommonSettings) -> SecretStr:
    """The signing secret: the setting, else what `up` keeps in the data folder. Raises RefusedError where there is neither."""
    if settings.secret is not None:
        return settings.secret
    path = settings.data / SECRET_FILE
    try:
        return _checked(path, path.read_text("ascii").strip())
    except FileNotFoundError:
        raise RefusedError(
            f"CENTRALINO_SECRET is not set, and there is no {path}, which `centralino up` makes: "
            "the secret that signs tokens, at least 32 characters"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataFolderError(f"the secret in {path} cannot be read") from error


def find_or_make_secret(settings: CommonSettings) -> SecretStr:
    """The same, and made (mode 0600) where there is none. Two processes at once agree on one."""
    path = settings.data / SECRET_FILE
    if settings.secret is None and not path.exists():
        prepare_folder(settings.data)
        # Written whole under another name first: a crash in between must not leave half a secret behind.
        draft = path.with_name(f".{SECRET_FILE}-{os.getpid()}-{secrets.token_hex(4)}")
        try:
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
            with os.fdopen(file, "w") as stream:
                stream.write(f"{secrets.token_urlsafe(_SECRET_BYTES)}\n")
                stream.flush()
                os.fsync(stream.fileno())
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                pass  # Another process was quicker, and its secret is as good.
            finally:
                draft.unlink()
        except OSError as error:
            raise DataFolderError(f"the secret in {path} cannot be made: {error.strerror}") from error
    return find_secret(settings)


def _checked(path: Path, secret: str) -> SecretStr:
    if len(secret) < _SECRET_BYTES:
        raise DataFolderError(f"the secret in {path} is shorter than {_SECRET_BYTES} characters")
    return SecretStr(secret)


def examine_file(path: Path, environ: Mapping[str, str]) -> Examination:
    """Everything that can be said about a configuration, also whether the router would take it. Raises ConfigurationInvalidError where
    it cannot be read.
    """
    return examine_configuration(read_text(path), str(path), environ, further=_find_refused)


def _find_refused(configuration: Configuration) -> Iterator[Found]:
    for pool, message in find_refused(configuration, SystemClock().now_ms()).items():
        yield Found(path=("pools", pool), message=message, on_key=True)


def read_configuration(
    path: Path | None, environ: Mapping[str, str]
) -> tuple[Configuration, tuple[ConfigurationProblem, ...]]:
    """The configuration (None: the built-in sample) and its warnings. Raises ConfigurationInvalidError."""
    examination = examine_file(path or SAMPLE_PATH, environ)
    if examination.configuration is None:
        raise ConfigurationInvalidError(examination.errors)
    return examination.configuration, examination.warnings


def check_log_exists(url: str) -> None:
    """Whoever only reads makes no log where there is none. Raises RefusedError."""
    if url == "memory:":
        raise RefusedError("CENTRALINO_LOG is memory: which no other process sees")
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        raise RefusedError(f"CENTRALINO_LOG is {url}, and there is no such file")


def choose_port(port: int, host: str) -> int:
    """The port, or one that is free now where it is 0. Raises RefusedError where the host is not this machine's.

    The public URLs that services hand out contain their ports, so these must be known before anything listens. Between this and the
    bind another process may take the port; then the start fails and says so.
    """
    if port != 0:
        return port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
            chosen: int = probe.getsockname()[1]
    except OSError as error:
        raise RefusedError(f"CENTRALINO_HOST: cannot listen on {host}: {error.strerror or error}") from error
    return chosen
