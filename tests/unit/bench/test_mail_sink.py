"""The benchmarks' mail server, with a real client."""

from email.message import EmailMessage

import aiosmtplib

from services.bench.mail_sink import MailSink


def a_mail(number: int) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "care@shop.example"
    mail["To"] = "luca@example.com"
    mail["Message-ID"] = f"<fup_{number}@shop.example>"
    # A line that begins with a dot, and one that is a dot alone, end no mail.
    mail.set_content("Buongiorno,\n.\n.com\n" + "una riga lunga " * 2000)
    return mail


async def test_every_mail_of_a_connection_is_taken_with_its_id():
    taken: list[str] = []
    async with MailSink(lambda mail_id, _taken_s: taken.append(mail_id)) as sink:
        host, _, port = sink.url.removeprefix("smtp://").partition(":")
        async with aiosmtplib.SMTP(hostname=host, port=int(port), start_tls=False) as client:
            for number in range(3):
                await client.send_message(a_mail(number))

    assert taken == ["fup_0", "fup_1", "fup_2"]
    assert sink.mails == 3
