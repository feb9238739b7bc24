"""`token` and `password`: minted with the secret that services verify with, and stored where they look."""

import asyncio
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from libs.common.clock import SystemClock, VirtualClock
from libs.common.http.auth import Role, verify_token
from libs.common.http.problem import ProblemError
from libs.common.settings import CommonSettings
from libs.common.store import open_engine
from services.agent_api.credentials import SignIns
from services.cli.commands import centralino
from services.cli.surroundings import SECRET_FILE, find_or_make_secret, find_secret

SECRET = "s3cr3t-" * 6
NO_SECRET = {"CENTRALINO_SECRET": "", "CENTRALINO_DATA": "", "CENTRALINO_STORE": "", "CENTRALINO_CONFIG": ""}


def run(*arguments: str | Path, environ: dict[str, str] | None = None, given: str | None = None) -> Result:
    return CliRunner().invoke(
        centralino, [str(argument) for argument in arguments], env=NO_SECRET | (environ or {}), input=given
    )


def test_prints_an_integrations_token_and_nothing_else() -> None:
    result = run("token", "--integration", "shop", environ={"CENTRALINO_SECRET": SECRET})

    assert (result.exit_code, result.stderr) == (0, "")
    principal = verify_token(SECRET, result.stdout.rstrip("\n"), SystemClock().now_ms())
    assert (principal.kind, principal.id, principal.role) == ("integration", "shop", Role.AGENT)


def test_an_agents_token_has_its_role_and_ends_after_its_time() -> None:
    result = run(
        "token", "--agent", "sara", "--role", "supervisor", "--ttl", "1h", environ={"CENTRALINO_SECRET": SECRET}
    )

    token, now_ms = result.stdout.strip(), SystemClock().now_ms()
    principal = verify_token(SECRET, token, now_ms)
    assert (principal.kind, principal.id, principal.role) == ("agent", "sara", Role.SUPERVISOR)
    with pytest.raises(ProblemError) as caught:
        verify_token(SECRET, token, now_ms + 3_700_000)
    assert caught.value.detail == "The token has expired."


def test_the_secret_may_be_the_one_in_the_data_folder(tmp_path: Path) -> None:
    secret = find_or_make_secret(CommonSettings(data=tmp_path, secret=None)).get_secret_value()

    result = run("token", "--agent", "anna", "--data", tmp_path)

    assert verify_token(secret, result.stdout.strip(), SystemClock().now_ms()).id == "anna"


def test_without_a_secret_one_message_names_the_variable(tmp_path: Path) -> None:
    result = run("token", "--agent", "anna", "--data", tmp_path)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"Error: CENTRALINO_SECRET is not set, and there is no {tmp_path}/secret, which `centralino up` makes: "
        "the secret that signs tokens, at least 32 characters\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [(), ("--agent", "a", "--integration", "b"), ("--agent", "a", "--ttl", "soon"), ("--agent", "a", "--ttl", "0s")],
)
def test_refuses_what_makes_no_token(arguments: tuple[str, ...]) -> None:
    assert run("token", *arguments, environ={"CENTRALINO_SECRET": SECRET}).exit_code == 2


def test_a_bad_setting_is_named_and_its_value_is_not_shown() -> None:
    result = run("token", "--agent", "a", environ={"CENTRALINO_SECRET": "hunter2", "CENTRALINO_LOG": "redis://x"})

    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        r"Error: CENTRALINO_LOG: must match ^(sqlite:///.+|kafka://.+|memory:)$",
        "CENTRALINO_SECRET: must have at least 32 characters",
    ]


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = CommonSettings(data=tmp_path / "data", secret=None)

    first, second = find_or_make_secret(settings), find_or_make_secret(settings)

    assert first == second == find_secret(settings)
    assert len(first.get_secret_value()) >= 32
    path = settings.data / SECRET_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data.stat().st_mode) == 0o700
    assert [entry.name for entry in settings.data.iterdir()] == [SECRET_FILE]


def test_a_password_is_read_from_standard_input_and_opens_the_door(tmp_path: Path) -> None:
    result = run("password", "--agent", "anna", "--data", tmp_path, given="correct horse\n")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "The password of anna is set.\n"

    async def check(password: str) -> bool:
        engine = open_engine(CommonSettings(data=tmp_path).store_url("agent-api"))
        try:
            return await SignIns(engine, VirtualClock()).check("anna", password)
        finally:
            await engine.dispose()

    assert asyncio.run(check("correct horse"))
    assert not asyncio.run(check("correct horse\n"))


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    result = run("password", "--agent", "anna", "--data", tmp_path, given="\n")

    assert (result.exit_code, result.stderr) == (2, "Error: a password must not be empty\n")


def test_an_agent_that_the_configuration_lacks_is_a_warning(tmp_path: Path) -> None:
    config = tmp_path / "centralino.yaml"
    config.write_text("pools: {p: {}}\nqueues: {}\nagents: {anna: {name: Anna, pool: p}}\n")

    result = run("password", "--agent", "ana", "--config", config, "--data", tmp_path, given="x" * 12)

    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == f"warning: {config} has no agent ana"
