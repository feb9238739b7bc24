"""What customers receive is shown, and nothing of it can do harm."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage

import httpx
import pytest

from libs.common.clock import VirtualClock
from libs.common.http.server import bind_listener
from services.demo.compose import make_secrets
from services.demo.customers import Target
from services.demo.mailbox import MAILS_MAX, Mailbox
from services.demo.pages import create_app, link_addresses
from services.demo.phones import Phones
from services.ingest.channels.port import AccountContext, InboundRequest
from services.ingest.channels.twilio import TwilioChannel
from tests.support.waiting import eventually

PUBLIC_URL = "http://localhost:8001"
SECRETS = make_secrets("0123456789" * 4, 1_700_000_000_000)
TWILIO_AUTH = (SECRETS.twilio_account_sid, SECRETS.twilio_auth_token)
MESSAGES = f"/twilio/2010-04-01/Accounts/{SECRETS.twilio_account_sid}/Messages.json"


def a_mail(*, subject: str = "Com'è andata?", text: str = "Ciao", html: str | None = None) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Bottega Verdi <assistenza@bottega.example>"
    mail["To"] = "luca@example.com"
    mail["Subject"] = subject
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    return mail


class Demo:
    """The demo's page without the rest of the demo; what it posts to ingest is kept in `reports`."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.reports: list[httpx.Request] = []
        self._ingest = httpx.AsyncClient(transport=httpx.MockTransport(self._report))
        target = Target(url="http://127.0.0.1:8001", public_url=PUBLIC_URL, addresses={}, secrets=SECRETS)
        self.mailbox = Mailbox(bind_listener("127.0.0.1", 0), self.clock)
        self.phones = Phones(target, self.clock, self._ingest)
        app = create_app(self.mailbox, self.phones, "http://localhost:8002")
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://demo")

    def _report(self, request: httpx.Request) -> httpx.Response:
        self.reports.append(request)
        return httpx.Response(200)

    async def close(self) -> None:
        await self.phones.close()
        await self._ingest.aclose()
        await self.client.aclose()
        self.mailbox.close()


@pytest.fixture
async def demo() -> AsyncIterator[Demo]:
    demo = Demo()
    yield demo
    await demo.close()


async def test_a_mail_sent_by_smtp_is_listed_and_shown(demo: Demo) -> None:
    def send() -> None:
        with smtplib.SMTP("127.0.0.1", demo.mailbox.port) as smtp:
            smtp.send_message(a_mail(text="Grazie, perché no? https://s.example/v1/surveys/abc."))

    async with demo.mailbox.serve():
        await asyncio.to_thread(send)

    overview, page = await demo.client.get("/"), await demo.client.get("/mails/1")

    assert 'href="/mails/1">Com&#39;è andata?</a>' in overview.text
    assert "luca@example.com" in overview.text
    assert "Grazie, perché no?" in page.text
    assert '<a href="https://s.example/v1/surveys/abc" target="_blank" rel="noopener noreferrer">' in page.text
    listed = (await demo.client.get("/mails.json")).json()["items"]
    assert [(mail["number"], mail["to"]) for mail in listed] == [(1, ["luca@example.com"])]


async def test_what_is_in_a_mail_is_text_on_the_page(demo: Demo) -> None:
    demo.mailbox.take(bytes(a_mail(subject="<script>1</script>", text="</pre><script>2</script>")), "x", ("y",))

    for path in ("/", "/mails/1"):
        answer = await demo.client.get(path)
        assert "<script" not in answer.text
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_mails_html_is_in_a_sandbox(demo: Demo) -> None:
    demo.mailbox.take(bytes(a_mail(html="<p>Ciao</p><script>1</script>")), "x", ("y",))

    page, mail = await demo.client.get("/mails/1"), await demo.client.get("/mails/1/html")

    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    policy = mail.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert mail.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/mails/1", "/mails/1/html"])
async def test_a_mail_that_is_not_there_is_404(demo: Demo, path: str) -> None:
    assert (await demo.client.get(path)).status_code == 404


async def test_only_the_newest_mails_are_kept(demo: Demo) -> None:
    for _ in range(MAILS_MAX + 1):
        demo.mailbox.take(b"Subject: x\r\n\r\ny", "a", ("b",))

    assert demo.mailbox.mail(1) is None
    assert [mail.number for mail in demo.mailbox.mails()][:2] == [MAILS_MAX + 1, MAILS_MAX]


async def test_twilio_takes_a_message_and_reports_its_delivery_signed(demo: Demo) -> None:
    callback = f"{PUBLIC_URL}/v1/webhooks/whatsapp-main?message=msg_1"
    fields = {"To": "whatsapp:+393205550003", "From": "whatsapp:+39029", "Body": "Ecco!", "StatusCallback": callback}

    answer = await demo.client.post(MESSAGES, data=fields, auth=TWILIO_AUTH)

    def reports() -> list[httpx.Request]:
        demo.clock.advance_ms(1_000)
        return demo.reports

    (report,) = await eventually(reports)
    assert answer.status_code == 201
    assert answer.json()["sid"].startswith("SM")
    assert "Ecco!" in (await demo.client.get("/")).text
    account = AccountContext(
        name="whatsapp-main", channel="whatsapp", pool="care", provider="twilio", secret=SECRETS.twilio_auth_token
    )
    inbound = InboundRequest(method="POST", url=callback, headers=dict(report.headers), body=report.content)
    TwilioChannel().verify(inbound, account, demo.clock.now_ms())
    (delivery,) = TwilioChannel().normalise(inbound, account, demo.clock.now_ms()).deliveries
    assert type(delivery).__name__ == "MessageDelivered"


async def test_only_ingest_is_ever_told_of_a_delivery(demo: Demo) -> None:
    fields = {"To": "+393205550003", "Body": "x", "StatusCallback": "http://elsewhere.example/"}

    await demo.client.post(MESSAGES, data=fields, auth=TWILIO_AUTH)
    await demo.client.post(MESSAGES, data=fields | {"StatusCallback": f"{PUBLIC_URL}/v1/webhooks/x"}, auth=TWILIO_AUTH)

    def reports() -> list[httpx.Request]:
        demo.clock.advance_ms(1_000)
        return demo.reports

    await eventually(reports)
    assert [report.url.path for report in demo.reports] == ["/v1/webhooks/x"]


@pytest.mark.parametrize("auth", [("", ""), ("AC", "wrong")])
async def test_twilio_asks_for_its_credentials(demo: Demo, auth: tuple[str, str]) -> None:
    answer = await demo.client.post(MESSAGES, data={"To": "+39", "Body": "x"}, auth=auth)

    assert answer.status_code == 401


async def test_telegram_takes_a_message(demo: Demo) -> None:
    path = f"/telegram/bot{SECRETS.telegram_bot_token}/sendMessage"

    answer = await demo.client.post(path, json={"chat_id": 700100003, "text": "Buongiorno!"})

    assert answer.json()["ok"] is True
    assert answer.json()["result"]["message_id"] == 1
    assert "Buongiorno!" in (await demo.client.get("/")).text


async def test_telegram_refuses_as_telegram_does(demo: Demo) -> None:
    wrong = await demo.client.post("/telegram/bot1:x/sendMessage", json={"chat_id": 1, "text": "x"})
    empty = await demo.client.post(f"/telegram/bot{SECRETS.telegram_bot_token}/sendMessage", json={"chat_id": 1})

    assert (wrong.status_code, wrong.json()["ok"]) == (401, False)
    assert (empty.status_code, empty.json()["error_code"]) == (400, 400)


def test_only_web_addresses_become_links() -> None:
    text = 'javascript:alert(1) <b> https://a.example/?q="x http://b.example/c).'

    linked = str(link_addresses(text))

    assert linked.startswith("javascript:alert(1) &lt;b&gt; <a ")
    assert linked.count("<a ") == 2
    assert '"x' not in linked.replace("&#34;x", "")
