"""What the deployment's files promise: no secret in a default, every container checked, nothing from a moving place."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.common.configuration.load import load_configuration

ROOT = Path(__file__).parents[2]
OWN_SERVICES = ("ingest", "router", "agent-api", "followup", "single")
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def pinned(lock: str) -> dict[str, str]:
    """Name to version, of every package that the lock names."""
    found = re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return dict(found)


def test_every_container_is_checked_and_gets_time_to_end(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if "healthcheck" not in service] == []
    assert [name for name in OWN_SERVICES if "stop_grace_period" not in compose["services"][name]] == []


def test_own_containers_run_with_as_little_as_possible(compose: dict[str, Any]) -> None:
    for name in OWN_SERVICES:
        service = compose["services"][name]
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name


def test_a_service_waits_until_what_it_needs_is_healthy(compose: dict[str, Any]) -> None:
    needs = {name: compose["services"][name]["depends_on"] for name in OWN_SERVICES}

    assert {need["condition"] for of_one in needs.values() for need in of_one.values()} == {"service_healthy"}
    assert [name for name in OWN_SERVICES if {"kafka", "postgres"} <= set(needs[name])] == list(OWN_SERVICES[:4])


def test_no_secret_has_a_default() -> None:
    used = re.findall(r"\$\{(\w+)([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    secrets = [(name, rest) for name, rest in used if re.search("SECRET|PASSWORD", name)]
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "deploy/env.example").read_text(), re.MULTILINE))

    assert {name for name, _ in secrets} == {"CENTRALINO_SECRET", "CENTRALINO_POSTGRES_PASSWORD"}
    assert [name for name, rest in secrets if not rest.startswith(":?")] == []
    assert example == {"CENTRALINO_SECRET": "", "CENTRALINO_POSTGRES_PASSWORD": ""}


def test_ports_are_published_on_loopback_unless_told_otherwise(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert published
    assert [port for port in published if not port.startswith("${CENTRALINO_BIND:-127.0.0.1}:")] == []


def test_the_example_configuration_is_valid() -> None:
    configuration = load_configuration(ROOT / "deploy/config/centralino.yaml")

    assert configuration.rules[-1].queue in configuration.queues


def test_the_image_runs_as_an_ordinary_user_from_pinned_packages() -> None:
    lines = (ROOT / "deploy/Dockerfile").read_text().splitlines()
    last_stage = lines[max(place for place, line in enumerate(lines) if line.startswith("FROM ")) :]

    assert "USER centralino" in last_stage
    assert any("--require-hashes -r requirements.lock" in line for line in lines)
    assert not any(line.startswith("# syntax") for line in lines)


def test_locks_pin_every_package_by_hash_and_name_no_registry() -> None:
    for lock in LOCKS:
        text = (ROOT / lock).read_text()
        assert not re.search(r"https?://|--(extra-)?index|--find-links|--trusted-host", text), lock
        packages = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert packages, lock
        assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []


def test_locks_agree_with_one_another() -> None:
    everything = pinned("requirements-dev.lock")

    for lock in LOCKS[:2]:
        assert pinned(lock).items() <= everything.items(), lock


def test_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    asked = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-build.lock": groups["build"],
        "requirements-dev.lock": [*groups["dev"], *groups["build"], *project["project"]["dependencies"]],
    }

    for lock, requirements in asked.items():
        names = {re.split(r"[^A-Za-z0-9-]", text)[0].lower() for text in requirements if isinstance(text, str)}
        assert names - pinned(lock).keys() == set(), f"run `make lock`: {lock} lacks these"
