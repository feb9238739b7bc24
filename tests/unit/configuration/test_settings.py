"""Settings come from the environment, and the defaults follow one another."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.common.errors import RefusedError
from libs.common.settings import CommonSettings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("CENTRALINO_")]:
        monkeypatch.delenv(name)


def test_everything_is_in_the_data_folder_by_default() -> None:
    settings = CommonSettings(data=Path("/srv/centralino"))

    assert settings.log == "sqlite:////srv/centralino/log.db"
    assert settings.store_url("agent-api") == "sqlite:////srv/centralino/agent-api.db"
    assert settings.blobs == Path("/srv/centralino/blobs")
    assert CommonSettings().log == "sqlite:///data/log.db"


def test_public_urls_follow_the_ports() -> None:
    settings = CommonSettings(ingest_port=9001, agent_api_url="https://desk.example/")

    assert settings.ingest_url == "http://localhost:9001"
    assert settings.agent_api_url == "https://desk.example"
    assert settings.followup_url == "http://localhost:8003"


def test_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRALINO_LOG", "kafka://broker:9092")
    monkeypatch.setenv("CENTRALINO_STORE", "postgresql://db/centralino")
    monkeypatch.setenv("CENTRALINO_TRUSTED_PROXIES", "10.0.0.1, 10.0.0.2")
    monkeypatch.setenv("CENTRALINO_LOG_LEVEL", "WARNING")
    monkeypatch.setenv("CENTRALINO_SMTP_URL", "")

    settings = CommonSettings()

    assert settings.log == "kafka://broker:9092"
    assert settings.store_url("ingest") == settings.store_url("followup") == "postgresql://db/centralino"
    assert settings.trusted_proxies == ("10.0.0.1", "10.0.0.2")
    assert settings.log_level == "warning"
    assert settings.smtp_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("LOG", "redis://x"), ("STORE", "mysql://x"), ("INGEST_PORT", "70000"), ("SECRET", "short"), ("INGEST_URL", "x")],
)
def test_refuses_what_cannot_work(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CENTRALINO_{name}", value)

    with pytest.raises(ValidationError):
        CommonSettings()


def test_there_is_no_default_secret() -> None:
    with pytest.raises(RefusedError, match="CENTRALINO_SECRET is not set"):
        CommonSettings().require_secret()
