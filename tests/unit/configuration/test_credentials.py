"""Secrets are in the environment, and a missing one is named."""

import pytest

from libs.common.configuration import Account, SecretMissingError, resolve_account_sid, resolve_secret, resolve_token
from libs.common.events.message import Channel

TELEGRAM = Account(name="bot", channel=Channel.TELEGRAM, pool="p", secret_env="HOOK", token_env="BOT")
TWILIO = Account(name="sms", channel=Channel.SMS, pool="p", secret_env="AUTH", account_sid_env="SID")
ENVIRON = {"HOOK": "hook-secret", "BOT": "bot-token", "AUTH": "auth-token", "SID": "AC1"}


def test_gives_what_the_variables_hold() -> None:
    assert resolve_secret(TELEGRAM, ENVIRON) == "hook-secret"
    assert resolve_token(TELEGRAM, ENVIRON) == "bot-token"
    assert resolve_account_sid(TWILIO, ENVIRON) == "AC1"


def test_the_secret_is_the_token_where_no_other_is_named() -> None:
    assert resolve_token(TWILIO, ENVIRON) == "auth-token"


@pytest.mark.parametrize("environ", [{}, {"AUTH": ""}])
def test_names_the_variable_that_is_not_set(environ: dict[str, str]) -> None:
    with pytest.raises(SecretMissingError) as caught:
        resolve_secret(TWILIO, environ)

    assert str(caught.value) == "accounts.sms.secret_env: the environment variable AUTH is not set"


def test_names_the_field_that_names_no_variable() -> None:
    with pytest.raises(SecretMissingError, match=r"accounts\.bot\.account_sid_env is not set"):
        resolve_account_sid(TELEGRAM, ENVIRON)
