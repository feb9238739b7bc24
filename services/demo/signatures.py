"""How the providers sign what they post. The simulated customers' messages come through the providers, so the demo signs as they do.

Written from the providers' documents alone and apart from what ingest verifies with, so that the two are a test of each other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable


def twilio_signature(auth_token: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """`X-Twilio-Signature` of a form: base64 HMAC-SHA-1 over the URL and, sorted, each name with its distinct values.

    https://www.twilio.com/docs/usage/webhooks/webhooks-security
    """
    pairs = sorted(set(parameters))
    data = url + "".join(f"{name}{value}" for name, value in pairs)
    return base64.b64encode(hmac.digest(auth_token.encode(), data.encode(), hashlib.sha1)).decode()


def mailgun_signature(signing_key: str, timestamp: str, token: str) -> str:
    """The form field `signature`: hex HMAC-SHA-256 over timestamp and token; the mail itself is not covered.

    https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
    """
    return hmac.digest(signing_key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hex()


def basic_credentials(user_and_password: str) -> str:
    """The `Authorization` header for `user:password` in a URL, which is all that Postmark offers (RFC 7617)."""
    return f"Basic {base64.b64encode(user_and_password.encode()).decode()}"
