"""`check` and `schema` as a user sees them: exact outputs and exit codes."""

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from libs.common.configuration import configuration_schema
from libs.common.configuration.load import SAMPLE_PATH
from services.cli.commands import centralino


def run(*arguments: str | Path, environ: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(centralino, [str(argument) for argument in arguments], env=environ)


def test_a_good_file_gives_a_summary_and_exit_code_0() -> None:
    result = run("check", SAMPLE_PATH)

    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "ok: 1 pool, 2 queues, 2 accounts, 2 rules, 3 agents\n",
        "",
    )


def test_every_error_is_told_with_its_place_and_exit_code_1(tmp_path: Path) -> None:
    file = tmp_path / "centralino.yaml"
    file.write_text("pools: {care: {}}\nqueues:\n  orders: {pool: car, skills: {orders: 9}}\nagent: {}\n")

    result = run("check", file)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{file}:3:18: queues.orders.pool: unknown pool car; did you mean care?",
        f"{file}:3:40: queues.orders.skills.orders: must be 1 to 5",
        f"{file}:4:1: agent: unknown key; did you mean agents?",
        f"warning: {file}:3:32: queues.orders.skills.orders: unknown skill: no agent has it",
        f"3 errors in {file}",
    ]


def test_a_pool_that_the_router_would_refuse_is_an_error_at_its_place(tmp_path: Path) -> None:
    # given more different skills than a pool may have
    agents = "".join(
        f"  a{number}: {{name: A, pool: care, skills: {{{', '.join(f's{number}-{skill}: 1' for skill in range(300))}}}}}\n"
        for number in range(17)
    )
    file = tmp_path / "centralino.yaml"
    file.write_text(f"pools:\n  care: {{}}\nqueues: {{q: {{pool: care}}}}\nrules: [{{queue: q}}]\nagents:\n{agents}")

    result = run("check", file)

    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == (
        f"{file}:2:3: pools.care: The agents of a pool have at most 5000 different skills."
    )


def test_a_pool_that_no_log_would_take_is_an_error_at_its_place(tmp_path: Path) -> None:
    # given so much that cannot be packed
    chance = random.Random(7)
    queues = "".join(
        f"  q{number}: {{pool: care, skills: {{{', '.join(f's{chance.randrange(10**30)}: 1' for _ in range(20))}}}}}\n"
        for number in range(4_000)
    )
    file = tmp_path / "centralino.yaml"
    file.write_text(f"pools:\n  care: {{}}\nqueues:\n{queues}rules: [{{queue: q1}}]\nagents: {{}}\n")

    result = run("check", file)

    assert result.exit_code == 1
    [error] = [line for line in result.stderr.splitlines() if not line.startswith("warning")][:-1]
    assert error.startswith(f"{file}:2:3: pools.care: its 0 agents, 4000 queues and 0 calendars take ")
    assert error.endswith("at most 900000 are possible: divide it into several pools")


def test_a_secret_that_is_not_set_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "centralino.yaml"
    file.write_text(
        "pools: {p: {}}\nqueues: {q: {pool: p}}\nagents: {a: {name: A, pool: p}}\nrules: [{queue: q}]\n"
        "accounts: {bot: {channel: telegram, pool: p, secret_env: NO_SUCH_SECRET, token_env: THE_TOKEN}}\n"
    )

    result = run("check", file, environ={"THE_TOKEN": "1:x"})

    assert result.exit_code == 0
    assert result.stderr == (
        f"warning: {file}:5:58: accounts.bot.secret_env: the environment variable NO_SUCH_SECRET is not set\n"
    )
    assert result.stdout == "ok: 1 pool, 1 queue, 1 account, 1 rule, 1 agent\n"


def test_a_file_that_is_not_there_is_exit_code_1(tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"

    result = run("check", file)

    assert (result.exit_code, result.stderr) == (1, f"{file}:1:1: cannot be read: No such file or directory\n")


def test_the_demos_configuration_is_good() -> None:
    result = run("check", "services/demo/demo.yaml")

    assert result.exit_code == 0
    assert result.stdout == "ok: 1 pool, 4 queues, 7 accounts, 9 rules, 6 agents\n"


def test_schema_prints_the_schema() -> None:
    result = run("schema")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == configuration_schema()


@pytest.mark.parametrize("command", ["up", "serve", "check", "schema", "token", "password", "dead-letters"])
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: centralino {command}")


def test_a_command_that_does_not_exist_is_exit_code_2() -> None:
    assert run("chek").exit_code == 2
