"""Mail handed to a real server that takes, refuses, encrypts, disappears and comes back."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from libs.common.smtp import SmtpRefusedError, SmtpSettings, SmtpTransport, SmtpUnavailableError
from tests.parts.smtp import MailServer
from tests.support.ports import free_port
from tests.support.waiting import eventually

SENDER = "care@shop.example"
LUCA = "luca@example.com"
ANNA = "anna@example.com"


@pytest.fixture(params=[False, True], ids=["step by step", "pipelining"])
def mail_server(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    """A running mail server, with and without PIPELINING."""
    with MailServer(pipelining=request.param) as server:
        yield server


def a_mail(subject: str = "Grazie") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = f"Shop <{SENDER}>"
    mail["To"] = LUCA
    mail["Subject"] = subject
    mail["Message-ID"] = "<eff_1@shop.example>"
    mail.set_content("Perché no?\n.\nA line that begins with a dot.\n")
    return mail


@asynccontextmanager
async def transport_to(url: str, tls_context: ssl.SSLContext | None = None) -> AsyncIterator[SmtpTransport]:
    transport = SmtpTransport(SmtpSettings.parse(url), tls_context=tls_context)
    yield transport
    await transport.close()


async def test_a_mail_arrives_as_it_was_written(mail_server: MailServer) -> None:
    mail = a_mail("Perché — così 😀")
    mail["Bcc"] = "secret@shop.example"
    mail.add_alternative("<p>Perché no?</p>", subtype="html")

    async with transport_to(mail_server.url) as transport:
        result = await transport.send(mail, SENDER, [LUCA, ANNA])

    assert result.accepted == (LUCA, ANNA)
    assert result.refused == ()
    assert result.reply.startswith("250 ")
    (received,) = mail_server.mails
    assert received.sender == SENDER
    assert received.recipients == (LUCA, ANNA)
    assert received.subject == "Perché — così 😀"
    assert received.message_id == "<eff_1@shop.example>"
    assert received.content.isascii()
    assert b"secret@" not in received.content
    plain = received.message.get_body(("plain",))
    rich = received.message.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert plain.get_content().splitlines() == ["Perché no?", ".", "A line that begins with a dot."]
    assert rich.get_content().strip() == "<p>Perché no?</p>"


async def test_the_message_that_was_handed_over_is_not_changed(mail_server: MailServer) -> None:
    mail = a_mail()
    mail["Bcc"] = ANNA

    async with transport_to(mail_server.url) as transport:
        await transport.send(mail, SENDER, [LUCA])

    assert mail["Bcc"] == ANNA


@pytest.mark.parametrize(("reply", "code", "permanent"), [("550 5.1.1 no", 550, True), ("451 4.7.1 later", 451, False)])
@pytest.mark.parametrize(("moment", "scope"), [("sender", "sender"), ("recipient", "recipient"), ("data", "message")])
async def test_a_refusal_says_of_what_and_for_how_long(
    mail_server: MailServer, moment: str, scope: str, reply: str, code: int, permanent: bool
) -> None:
    mail_server.refuse(reply, at=moment, times=1)  # type: ignore[arg-type]  # parametrize has plain strings

    async with transport_to(mail_server.url) as transport:
        with pytest.raises(SmtpRefusedError) as refusal:
            await transport.send(a_mail(), SENDER, [LUCA])
        # The connection goes on with the next mail, and nothing of the refused one is left on it.
        await transport.send(a_mail(), SENDER, [ANNA])

    assert (refusal.value.scope, refusal.value.code, refusal.value.permanent) == (scope, code, permanent)
    assert [mail.recipients for mail in mail_server.mails] == [(ANNA,)]


async def test_one_refused_recipient_does_not_keep_the_mail_from_the_others(mail_server: MailServer) -> None:
    mail_server.refuse("550 5.1.1 no such mailbox", address=ANNA)

    async with transport_to(mail_server.url) as transport:
        result = await transport.send(a_mail(), SENDER, [LUCA, ANNA])

    assert result.accepted == (LUCA,)
    assert [(one.address, one.code, one.permanent) for one in result.refused] == [(ANNA, 550, True)]
    assert mail_server.mails[0].recipients == (LUCA,)


async def test_recipients_of_whom_one_may_take_it_later_are_not_refused_for_ever(mail_server: MailServer) -> None:
    mail_server.refuse("550 5.1.1 no such mailbox", address=ANNA)
    mail_server.refuse("452 4.2.2 mailbox full", address=LUCA)

    async with transport_to(mail_server.url) as transport:
        with pytest.raises(SmtpRefusedError) as refusal:
            await transport.send(a_mail(), SENDER, [ANNA, LUCA])

    assert not refusal.value.permanent


@pytest.mark.parametrize("moment", ["sender", "recipient", "data"])
async def test_a_server_that_is_going_down_is_an_outage_and_no_refusal(mail_server: MailServer, moment: str) -> None:
    mail_server.refuse("421 4.3.2 closing down", at=moment, times=1)  # type: ignore[arg-type]  # as above

    async with transport_to(mail_server.url) as transport:
        with pytest.raises(SmtpUnavailableError) as outage:
            await transport.send(a_mail(), SENDER, [LUCA])
        await transport.send(a_mail(), SENDER, [LUCA])

    assert not outage.value.outcome_unknown
    assert len(mail_server.mails) == 1


async def test_a_lost_reply_leaves_the_outcome_unknown(mail_server: MailServer) -> None:
    mail_server.lose_reply()

    async with transport_to(mail_server.url) as transport:
        with pytest.raises(SmtpUnavailableError) as outage:
            await transport.send(a_mail(), SENDER, [LUCA])
        await transport.send(a_mail(), SENDER, [LUCA])

    assert outage.value.outcome_unknown
    assert len(mail_server.mails) == 2


async def test_a_server_that_is_not_there_is_an_outage_with_nothing_sent() -> None:
    async with transport_to(f"smtp://127.0.0.1:{free_port()}") as transport:
        with pytest.raises(SmtpUnavailableError) as outage:
            await transport.send(a_mail(), SENDER, [LUCA])

    assert not outage.value.outcome_unknown


async def test_a_server_that_went_and_came_back_between_two_mails_is_not_noticed(mail_server: MailServer) -> None:
    async with transport_to(mail_server.url) as transport:
        await transport.send(a_mail("1"), SENDER, [LUCA])
        mail_server.stop()
        with pytest.raises(SmtpUnavailableError):
            await transport.send(a_mail("2"), SENDER, [LUCA])
        mail_server.start()
        await transport.send(a_mail("3"), SENDER, [LUCA])
        mail_server.stop()
        mail_server.start()
        await transport.send(a_mail("4"), SENDER, [LUCA])

    assert [mail.subject for mail in mail_server.mails] == ["1", "3", "4"]


async def test_bytes_go_out_as_they_are(mail_server: MailServer) -> None:
    content = b"To: luca@example.com\r\nSubject: x\r\n\r\n.\r\n..two\nno end"
    async with transport_to(mail_server.url) as transport:
        await transport.send(content, SENDER, [LUCA])

    assert mail_server.mails[0].content == b"To: luca@example.com\r\nSubject: x\r\n\r\n.\r\n..two\r\nno end\r\n"


async def test_an_address_that_would_be_a_command_is_refused(mail_server: MailServer) -> None:
    async with transport_to(mail_server.url) as transport:
        with pytest.raises(SmtpRefusedError) as refusal:
            await transport.send(a_mail(), SENDER, ["luca@example.com>\r\nRCPT TO:<anna@example.com"])
        await transport.send(a_mail(), SENDER, [LUCA])

    assert refusal.value.permanent
    assert [mail.recipients for mail in mail_server.mails] == [(LUCA,)]


async def test_many_at_once_go_out_over_few_connections(mail_server: MailServer) -> None:
    async with transport_to(mail_server.url) as transport:
        await asyncio.gather(*(transport.send(a_mail(str(number)), SENDER, [LUCA]) for number in range(60)))

    assert sorted(int(mail.subject) for mail in mail_server.mails) == list(range(60))


async def test_a_cancelled_send_does_not_spoil_the_next(mail_server: MailServer) -> None:
    async with transport_to(mail_server.url) as transport:
        await transport.check()
        sending = asyncio.create_task(transport.send(a_mail("1"), SENDER, [LUCA]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        await transport.send(a_mail("2"), SENDER, [ANNA])

    assert mail_server.mails[-1].recipients == (ANNA,)


async def test_the_last_moment_before_the_content_can_be_noted_and_can_stop_the_mail(mail_server: MailServer) -> None:
    noted: list[int] = []

    async def note() -> None:
        noted.append(len(mail_server.mails))

    async def fail() -> None:
        raise ZeroDivisionError

    async with transport_to(mail_server.url) as transport:
        await transport.send(a_mail("1"), SENDER, [LUCA], before_data=note)
        with pytest.raises(ZeroDivisionError):
            await transport.send(a_mail("2"), SENDER, [LUCA], before_data=fail)
        mail_server.refuse(times=1)
        with pytest.raises(SmtpRefusedError):
            await transport.send(a_mail("3"), SENDER, [LUCA], before_data=note)
        await transport.send(a_mail("4"), SENDER, [ANNA])

    assert noted == [0]
    assert [mail.subject for mail in mail_server.mails] == ["1", "4"]


async def test_a_login_is_used_and_a_wrong_one_is_an_outage() -> None:
    with MailServer(login=("care@shop", "p@ss:word/1")) as server:
        address = f"{server.host}:{server.port}"
        async with transport_to(f"smtp://care%40shop:p%40ss%3Aword%2F1@{address}") as transport:
            await transport.send(a_mail(), SENDER, [LUCA])
        async with transport_to(f"smtp://care%40shop:wrong@{address}") as transport:
            with pytest.raises(SmtpUnavailableError, match="login") as outage:
                await transport.check()

        assert len(server.mails) == 1
        assert "wrong" not in str(outage.value)


async def test_an_international_address_is_written_as_it_is(mail_server: MailServer) -> None:
    mail = a_mail()
    mail.replace_header("To", "perché@example.com")

    async with transport_to(mail_server.url) as transport:
        await transport.send(mail, SENDER, ["perché@example.com"])

    (received,) = mail_server.mails
    assert received.recipients == ("perché@example.com",)
    assert "To: perché@example.com\r\n".encode() in received.content


async def test_a_server_that_takes_no_international_addresses_refuses_them_for_ever() -> None:
    async with own_server() as (port, kept), transport_to(f"smtp://127.0.0.1:{port}") as transport:
        with pytest.raises(SmtpRefusedError) as refusal:
            await transport.send(a_mail(), SENDER, ["perché@example.com"])
        await transport.send(a_mail(), SENDER, [LUCA])

    assert refusal.value.permanent
    assert len(kept.encrypted) == 1


# Encryption


class Kept:
    """An aiosmtpd handler that remembers which mails came encrypted."""

    def __init__(self) -> None:
        self.encrypted: list[bool] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ),
        check=True,
        capture_output=True,
    )
    return cert, key


@asynccontextmanager
async def own_server(
    certificate: tuple[Path, Path] | None = None, *, implicit: bool = False
) -> AsyncIterator[tuple[int, Kept]]:
    kept = Kept()
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(kept, loop=loop, tls_context=None if implicit else context)

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=context if implicit else None)
    yield server.sockets[0].getsockname()[1], kept
    server.close()
    await server.wait_closed()


def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))


@pytest.mark.parametrize(
    ("scheme", "options", "encrypted"),
    [("smtp", "", True), ("smtp", "?starttls=required", True), ("smtp", "?starttls=never", False), ("smtps", "", True)],
)
async def test_mail_is_encrypted_unless_that_is_switched_off(
    certificate: tuple[Path, Path], scheme: str, options: str, encrypted: bool
) -> None:
    async with own_server(certificate, implicit=scheme == "smtps") as (port, kept):
        async with transport_to(f"{scheme}://127.0.0.1:{port}{options}", trusting(certificate)) as transport:
            await transport.send(a_mail(), SENDER, [LUCA])
            await transport.send(a_mail(), SENDER, [LUCA])

        assert kept.encrypted == [encrypted, encrypted]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_certificate_that_nobody_vouches_for_is_an_outage(certificate: tuple[Path, Path], scheme: str) -> None:
    async with own_server(certificate, implicit=scheme == "smtps") as (port, kept):
        async with transport_to(f"{scheme}://127.0.0.1:{port}") as transport:
            with pytest.raises(SmtpUnavailableError):
                await transport.send(a_mail(), SENDER, [LUCA])

        assert kept.encrypted == []


async def test_required_starttls_that_is_not_offered_is_an_outage(mail_server: MailServer) -> None:
    async with transport_to(f"{mail_server.url}?starttls=required") as transport:
        with pytest.raises(SmtpUnavailableError, match="STARTTLS"):
            await transport.send(a_mail(), SENDER, [LUCA])

    assert mail_server.mails == ()


async def test_a_kept_connection_is_said_good_bye_to(mail_server: MailServer) -> None:
    transport = SmtpTransport(SmtpSettings.parse(mail_server.url))
    await transport.send(a_mail(), SENDER, [LUCA])

    await transport.close()
    await transport.close()

    await eventually(lambda: len(mail_server.mails) == 1)
