"""The secrets that a configuration names: they stand in the environment, never in the file. Called where an account is put to use."""

from __future__ import annotations

from collections.abc import Mapping

from libs.common.configuration.models import Account
from libs.common.errors import RefusedError


class SecretMissingError(RefusedError):
    """An account needs a secret that is not there."""


def resolve_secret(account: Account, environ: Mapping[str, str]) -> str:
    """What the account's webhooks are checked with. Raises SecretMissingError naming the variable."""
    return _resolve(account, "secret_env", account.secret_env, environ)


def resolve_token(account: Account, environ: Mapping[str, str]) -> str:
    """The credential of the provider's API: `token_env`, or the secret where that is the same. Raises SecretMissingError."""
    if account.token_env is None:
        return resolve_secret(account, environ)
    return _resolve(account, "token_env", account.token_env, environ)


def resolve_account_sid(account: Account, environ: Mapping[str, str]) -> str:
    """Twilio's id of the account. Raises SecretMissingError."""
    return _resolve(account, "account_sid_env", account.account_sid_env, environ)


def _resolve(account: Account, field: str, variable: str | None, environ: Mapping[str, str]) -> str:
    if variable is None:
        raise SecretMissingError(f"accounts.{account.name}.{field} is not set: it names the variable with the secret")
    value = environ.get(variable, "")
    if not value:
        raise SecretMissingError(f"accounts.{account.name}.{field}: the environment variable {variable} is not set")
    return value
