"""Kill -9 under load, of processes, broker and database: nothing lost, nothing assigned twice, one e-mail per resolve."""

import asyncio

import pytest

from tests.e2e.load import under_load

BETWEEN_KILLS = 12


@pytest.mark.parametrize("mode", ["up", "sqlite", "kafka"])
@pytest.mark.timeout(400)
async def test_each_process_is_killed_in_turn_under_load(mode, make_stack, mail_server) -> None:
    stack = make_stack(mode)
    await stack.start()
    async with under_load(stack, mail_server) as load:
        for turn, name in enumerate(stack.names * (4 if mode == "up" else 1)):
            await load.accepted_at_least((turn + 1) * BETWEEN_KILLS)
            await stack.kill(name)
            stack.launch(name)


@pytest.mark.timeout(400)
async def test_broker_and_database_are_killed_in_turn_under_load(
    make_stack, mail_server, fragile_broker, fragile_postgres
) -> None:
    stack = make_stack("kafka", fragile=True)
    await stack.start()
    async with under_load(stack, mail_server) as load:
        for turn, part in enumerate((fragile_broker, fragile_postgres)):
            await load.accepted_at_least((turn + 1) * BETWEEN_KILLS)
            await asyncio.to_thread(part.kill)
            await asyncio.to_thread(part.start)
