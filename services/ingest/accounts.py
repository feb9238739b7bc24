"""The configured accounts as the adapters need them: with the secrets from the environment and the URLs that providers call.

Called by `compose` once. A secret that is not set is not an error at start, because the other accounts can work; the account's
webhooks are refused until it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Final

from libs.common.configuration.models import Account, Configuration
from libs.common.logging import get_logger
from services.ingest.channels.port import AccountContext

PROVIDER_URLS: Final[Mapping[str, str]] = {
    "twilio": "https://api.twilio.com",
    "telegram": "https://api.telegram.org",
}


def build_accounts(
    configuration: Configuration, environ: Mapping[str, str], ingest_url: str
) -> dict[str, AccountContext]:
    """Every account by its name. `ingest_url` is how providers reach this service, without a trailing slash."""
    followup = configuration.followup
    # Who wrote by a form or through an integration is answered by mail, from the address that the firm's own mails come from.
    fallback = parseaddr(followup.reply_to or followup.sender or "")[1] or None
    return {
        name: _context(name, account, environ, ingest_url, fallback) for name, account in configuration.accounts.items()
    }


def _context(
    name: str, account: Account, environ: Mapping[str, str], ingest_url: str, fallback: str | None
) -> AccountContext:
    secret = _look_up(name, account.secret_env, environ)
    provider = account.provider or (account.channel.value if account.channel.value in PROVIDER_URLS else None)
    api_url = account.api_url or environ.get(f"CENTRALINO_{(provider or 'none').upper()}_URL")
    return AccountContext(
        name=name,
        channel=account.channel.value,
        pool=account.pool,
        provider=provider,
        address=account.address or (fallback if provider is None else None),
        from_name=account.from_name,
        language=account.language,
        account_sid=_look_up(name, account.account_sid_env, environ),
        api_url=(api_url or PROVIDER_URLS.get(provider or "", "")).rstrip("/"),
        webhook_url=f"{ingest_url}/v1/webhooks/{name}",
        secret=secret,
        token=_look_up(name, account.token_env, environ) or secret,
    )


def _look_up(account: str, variable: str | None, environ: Mapping[str, str]) -> str | None:
    if variable is None:
        return None
    value = environ.get(variable) or None
    if value is None:
        get_logger(__name__).warning("secret_not_set", account=account, variable=variable)
    return value
