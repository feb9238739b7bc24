"""What `up` and `serve` refuse, without a trace of Python, and what `up` says when it runs."""

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from libs.common.configuration import parse_configuration, sample_configuration
from libs.common.settings import CommonSettings
from services.cli.commands import centralino
from services.cli.welcome import first_contact, render

NOTHING_SET = {
    "CENTRALINO_CONFIG": "",
    "CENTRALINO_DATA": "",
    "CENTRALINO_LOG": "",
    "CENTRALINO_SECRET": "",
    "CENTRALINO_STORE": "",
}
PORTS = ("--ingest-port", "0", "--agent-api-port", "0", "--followup-port", "0", "--router-port", "0")


def run(*arguments: str | Path, environ: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(centralino, [str(argument) for argument in arguments], env=NOTHING_SET | (environ or {}))


def test_a_bad_configuration_is_told_whole_and_nothing_starts(tmp_path: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text("pools: {p: {}}\nqueues: {q: {pool: x, target: soon}}\n")

    result = run("up", "--config", config, "--data", tmp_path / "data")

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"Error: {config}:2:20: queues.q.pool: unknown pool x",
        f"{config}:2:31: queues.q.target: must be a duration such as 30s, 5m or 2h",
    ]


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        result = run("up", "--data", tmp_path / "data", *PORTS[2:], "--ingest-port", str(port))

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"Error: cannot listen on 127.0.0.1:{port}: Address already in use"


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    result = run("up", "--data", tmp_path / "file" / "data", *PORTS)

    assert result.exit_code == 2
    assert result.stderr == f"Error: the data folder {tmp_path}/file/data cannot be made: Not a directory\n"


def test_the_demo_takes_no_other_configuration(tmp_path: Path) -> None:
    result = run("up", "--demo", "--config", tmp_path / "x.yaml", "--data", tmp_path)

    assert (result.exit_code, result.stderr) == (
        2,
        "Error: --demo brings a configuration of its own: leave --config out\n",
    )


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "Error: CENTRALINO_CONFIG is not set, and there is no --config: the file that all services share\n"),
        (
            {"CENTRALINO_CONFIG": "centralino.yaml", "CENTRALINO_LOG": "memory:"},
            "Error: CENTRALINO_LOG is memory: which no other process sees; use `centralino up`\n",
        ),
        (
            {"CENTRALINO_PARTITIONS": "none"},
            "Error: CENTRALINO_PARTITIONS: input should be a valid integer, unable to parse string as an integer\n",
        ),
    ],
)
def test_serve_says_what_it_lacks(environ: dict[str, str], message: str) -> None:
    result = run("serve", "router", environ=environ)

    assert (result.exit_code, result.stderr) == (2, message)


def test_a_first_contact_goes_by_the_api_where_there_is_an_account() -> None:
    text = first_contact(CommonSettings(ingest_port=9001), sample_configuration())

    assert "centralino token --integration shop" in text
    assert "curl -X POST http://localhost:9001/v1/contacts" in text
    assert '"account": "api"' in text


def test_a_first_contact_goes_by_a_form_where_there_is_no_api() -> None:
    configuration = parse_configuration(
        "pools: {p: {}}\nqueues: {q: {pool: p}}\nrules: [{queue: q}]\naccounts: {site: {channel: webform, pool: p}}\n"
    )

    text = first_contact(CommonSettings(), configuration)

    assert "curl -X POST http://localhost:8001/v1/forms/site --data-urlencode email=luca@example.com" in text


def test_the_welcome_says_where_everything_is(tmp_path: Path) -> None:
    text = render(CommonSettings(data=tmp_path, agent_api_port=9002), sample_configuration(), None)

    for part in ("http://localhost:9002", "http://localhost:8001/metrics", f"--agent anna --data {tmp_path}"):
        assert part in text


def test_an_address_that_is_not_this_machines_is_named(tmp_path: Path) -> None:
    result = run("up", "--data", tmp_path, "--host", "192.0.2.1", *PORTS)

    assert result.exit_code == 2
    assert result.stderr == "Error: CENTRALINO_HOST: cannot listen on 192.0.2.1: Cannot assign requested address\n"
