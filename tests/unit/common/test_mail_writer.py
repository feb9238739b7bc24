"""Mails as bytes, read back by another implementation: the standard library's."""

from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.mail_writer import MailFile, address_header, ids_header, text_header, write_mail

LUCA = "luca@example.com"
ENCODED_WORD_BYTES = 45
LINE_BYTES_MAX = 998  # RFC 5322, 2.1.1

# One line of anything that a customer can have written.
words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=120)
lines = st.lists(words, min_size=1, max_size=5).map(" ".join)


def read(mail: bytes) -> EmailMessage:
    """The mail as another program sees it; it must be of the form that any server takes."""
    assert mail.isascii()
    assert mail.count(b"\n") == mail.count(b"\r\n") == mail.count(b"\r")
    assert all(len(line) <= LINE_BYTES_MAX for line in mail.split(b"\r\n"))
    parsed = message_from_bytes(mail, policy=SMTP)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    assert not part.defects
    return str(part.get_content()).replace("\r\n", "\n")


@given(
    name=lines,
    subject=lines,
    text=st.lists(lines, max_size=4),
    boundary=st.from_regex("[a-z0-9_]{1,30}", fullmatch=True),
)
def test_what_is_written_is_read(name: str, subject: str, text: list[str], boundary: str) -> None:
    """given any words / when they stand in a mail / then another program reads the same words."""
    content = "\n".join(text)
    mail = read(
        write_mail(
            [("To", address_header(name, LUCA)), ("Subject", text_header(subject))],
            content,
            f"<p>{content}</p>",
            boundary=boundary,
        )
    )
    (address,) = mail["To"].addresses
    assert address.addr_spec == LUCA
    if len(name.encode()) <= ENCODED_WORD_BYTES:
        assert address.display_name == " ".join(name.split())
    # Not so of a longer one: in a name, the library's parser leaves the space between two encoded words, against RFC 2047.
    raw = address_header(name, LUCA).replace("\r\n", "")
    shown, _, _ = str(make_header(decode_header(raw))).rpartition("<")
    assert shown.strip().replace("\\", "").strip('"') == " ".join(name.split()).replace("\\", "").strip('"')
    assert mail["Subject"] == subject
    assert body(mail, "plain") == f"{content}\n"
    assert body(mail, "html") == f"<p>{content}</p>\n"


def test_lines_that_mail_servers_and_programs_take_for_something_else_arrive() -> None:
    text = ".\n..two\nFrom here\n--=_b\n--=_b--\ntrailing \n=20\n" + "long " * 400 + "\né"
    assert body(read(write_mail([], text, "", boundary="b")), "plain") == f"{text}\n"


def test_files_arrive_whole_under_their_names() -> None:
    files = [
        MailFile(name="così è.pdf", content_type="application/pdf", content=bytes(range(256)) * 20),
        MailFile(name="plain.txt", content_type="text/plain", content=b"x"),
        MailFile(name="長" * 200, content_type="IMAGE/png", content=b""),
        MailFile(name='a"b;c', content_type="image/png\r\nBcc: x", content=b"?"),
        MailFile(name="mail.eml", content_type="message/rfc822", content=b"From: x"),
    ]
    mail = read(write_mail([], "see the files", "<p>see the files</p>", boundary="b", files=files))
    assert body(mail, "plain") == "see the files\n"
    attached = list(mail.iter_attachments())
    assert [one.get_filename() for one in attached] == [file.name for file in files]
    assert [one.get_payload(decode=True) for one in attached] == [file.content for file in files]
    assert [one.get_content_type() for one in attached] == [
        "application/pdf",
        "text/plain",
        "image/png",
        "application/octet-stream",
        "application/octet-stream",
    ]


@pytest.mark.parametrize(
    "name", ["Luca\r\nBcc: anna@example.com", 'Luca" <x@example.com>, "', "a\x00b", "=?utf-8?q?x?="]
)
def test_a_name_cannot_become_a_header_or_an_address(name: str) -> None:
    mail = read(write_mail([("To", address_header(name, LUCA))], "", "", boundary="b"))
    assert mail["Bcc"] is None
    assert [address.addr_spec for address in mail["To"].addresses] == [LUCA]


@pytest.mark.parametrize(
    "address", ["", "luca", "luca@", "@example.com", "a b@example.com", "a@b@c", "a@b\r\nBcc: x@y.it", "<a@b.it>"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises((ValueError, IndexError, MessageError)):
        address_header("Luca", address)


def test_an_international_address_stands_as_it_is() -> None:
    assert address_header("Luca", "perché@città.example") == "Luca <perché@città.example>"


def test_ids_are_never_broken_and_what_is_none_is_left_out() -> None:
    long = f"<{'a' * 300}@example.com>"
    assert ids_header([long, "<b c@d>", "<é@d>", "<x@y>\r\nBcc: z", "<e@f>"]) == f"{long}\r\n <e@f>"
