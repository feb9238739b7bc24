"""The benchmarks' requests: what they send must be what ingest takes."""

from libs.common.testing.builders import START_MS
from services.bench.requests import POSTMARK, TELEGRAM, TWILIO, Sender, make_secrets


def test_every_request_is_another_message_of_another_customer():
    sender = Sender(secrets=make_secrets(), public_url="http://127.0.0.1:1")

    for account in (POSTMARK, TELEGRAM, TWILIO):
        requests = list(sender.requests(account, 0, 3, START_MS))

        assert len(set(requests)) == 3
        for request in requests:
            head, _, body = request.partition(b"\r\n\r\n")
            assert head.startswith(f"POST /v1/webhooks/{account} HTTP/1.1\r\n".encode())
            assert f"content-length: {len(body)}".encode() in head
