"""`centralino check` and `centralino schema`: is this configuration good, and what may stand in one. Neither starts anything."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from libs.common.configuration import Configuration, ConfigurationInvalidError, configuration_schema
from services.cli.surroundings import examine_file


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def check(file: Path) -> None:
    """Check a configuration: every error at once, with its place. Exit code 1 when there are any."""
    try:
        examination = examine_file(file, os.environ)
    except ConfigurationInvalidError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    for problem in examination.errors:
        click.echo(str(problem), err=True)
    for problem in examination.warnings:
        click.echo(f"warning: {problem}", err=True)
    if examination.configuration is None:
        click.echo(f"{_count(len(examination.errors), 'error')} in {file}", err=True)
        sys.exit(1)
    click.echo(f"ok: {_summary(examination.configuration)}")


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors and other tools."""
    click.echo(json.dumps(configuration_schema(), indent=2))


def _summary(configuration: Configuration) -> str:
    parts = (
        _count(len(configuration.pools), "pool"),
        _count(len(configuration.queues), "queue"),
        _count(len(configuration.accounts), "account"),
        _count(len(configuration.rules), "rule"),
        _count(len(configuration.agents), "agent"),
    )
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
