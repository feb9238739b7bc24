"""`centralino explain`: why a contact was offered to whom, or why it still waits. Reads the log and writes nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from libs.common.settings import CommonSettings
from services.cli.surroundings import check_log_exists, read_settings

if TYPE_CHECKING:
    from services.router.explain import Explanation


@click.command()
@click.argument("contact")
@click.option("--log", help="The event log: sqlite:///path or kafka://host:9092 (CENTRALINO_LOG).")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder (CENTRALINO_DATA, ./data).")
@click.option("--pool", help="The contact's pool, where it is known: less of the log is read.")
@click.option("--json", "as_json", is_flag=True, help="The whole explanation as JSON.")
def explain(contact: str, log: str | None, data: Path | None, pool: str | None, as_json: bool) -> None:
    """Say why the CONTACT was offered to whom, who was left out and why, and why it waits if it does."""
    from services.router.explain_document import as_document, as_lines

    settings = read_settings(CommonSettings, {"log": log, "data": data})
    check_log_exists(settings.log)
    explanation = asyncio.run(_explain(settings, contact, pool))
    if as_json:
        click.echo(json.dumps(as_document(explanation), ensure_ascii=False, indent=2))
        return
    for line in as_lines(explanation):
        click.echo(line)


async def _explain(settings: CommonSettings, contact: str, pool: str | None) -> Explanation:
    from libs.common.log.open import open_log
    from libs.common.log.streams import ROUTING_EVENTS, partition_of
    from services.router.explain import explain_contact

    log = open_log(settings.log, settings.partitions, settings.retention_days)
    try:
        await log.connect()
        count = log.partitions(ROUTING_EVENTS)
        return await explain_contact(log, contact, range(count) if pool is None else (partition_of(pool, count),))
    finally:
        await log.close()
