"""The `centralino` group: which commands there are, and what a user sees when something is wrong.

A command's module is imported when the command is used, so that `check` does not wait for the web framework. Every error that
somebody can mend is one message on standard error and exit code 2; everything else is a bug and shows its traceback.
"""

from __future__ import annotations

import importlib
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import click

from libs.common.errors import CentralinoError, OutageError, RefusedError

# The command and where it is, in the order of the help.
COMMANDS: Final[dict[str, str]] = {
    "up": "services.cli.up:up",
    "serve": "services.cli.serve:serve",
    "check": "services.cli.check:check",
    "schema": "services.cli.check:schema",
    "token": "services.cli.access:token",
    "password": "services.cli.access:password",
    "dead-letters": "services.cli.dead_letters:dead_letters",
    "explain": "services.cli.explain:explain",
    "replay": "services.cli.replay:replay",
    "simulate": "services.cli.simulate:simulate",
    "staffing": "services.cli.staffing:staffing",
    "bench": "services.cli.bench:bench",
}


class BadSettingsError(click.ClickException):
    """Something that the user asked for or set cannot be."""

    exit_code = 2


class OutageMetError(click.ClickException):
    """A part that the command needs does not answer."""

    exit_code = 1


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for, and turns our errors into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands that exist."""
        return [name for name, place in COMMANDS.items() if importlib.util.find_spec(place.partition(":")[0])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What was asked in vain is exit code 2, what does not answer is 1."""
        try:
            return super().invoke(ctx)
        except RefusedError as error:
            raise BadSettingsError(str(error)) from error
        except OutageError as error:
            raise OutageMetError(str(error)) from error
        except CentralinoError as error:
            if type(error).__name__ not in _TELLING:
                raise
            raise BadSettingsError(str(error)) from error


# Errors of the surroundings that stand outside the two families above; named, so that no web framework is imported for them.
_TELLING: Final = frozenset({"PortUnavailableError", "SecretTooShortError", "LogMismatchError"})


def _version() -> str:
    try:
        return version("centralino")
    except PackageNotFoundError:
        return "from source, not installed"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_version(), message="%(prog)s %(version)s")
def centralino() -> None:
    """Takes customer contacts in from every channel, gives each to the right available agent, and follows up by e-mail.

    Settings come from CENTRALINO_... in the environment; options go before them.
    """
