"""Kill -9 under load, of processes, broker and database: nothing lost, nothing assigned twice, one e-mail per resolve."""

import asyncio

import pytest

from tests.e2e.load import Load, check_history

BETWEEN_KILLS = 12


@pytest.mark.parametrize("mode", ["up", "sqlite", "kafka"])
@pytest.mark.timeout(400)
async def test_each_process_is_killed_in_turn_under_load(mode, make_stack, mail_server) -> None:
    stack = make_stack(mode)
    await stack.start()
    load = Load(stack)
    await load.start()
    try:
        for turn, name in enumerate(stack.names * (4 if mode == "up" else 1)):
            await load.accepted_at_least((turn + 1) * BETWEEN_KILLS)
            await stack.kill(name)
            stack.launch(name)
        await load.all_resolved()
        await load.all_mails_settled()
    finally:
        await load.end()
    await stack.wait_until_ready()
    await stack.stop()
    await check_history(stack, load, mail_server)


@pytest.mark.timeout(400)
async def test_broker_and_database_are_killed_in_turn_under_load(
    make_stack, mail_server, fragile_broker, fragile_postgres
) -> None:
    stack = make_stack("kafka", fragile=True)
    await stack.start()
    load = Load(stack)
    await load.start()
    try:
        for turn, part in enumerate((fragile_broker, fragile_postgres)):
            await load.accepted_at_least((turn + 1) * BETWEEN_KILLS)
            await asyncio.to_thread(part.kill)
            await asyncio.to_thread(part.start)
        await load.all_resolved()
        await load.all_mails_settled()
    finally:
        await load.end()
    await stack.wait_until_ready()
    await stack.stop()
    await check_history(stack, load, mail_server)
