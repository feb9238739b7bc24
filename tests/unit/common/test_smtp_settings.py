import pytest

from libs.common.smtp import SmtpSettings, SmtpUrlInvalidError


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("smtp://mail", SmtpSettings(host="mail", port=25)),
        ("smtp://mail/", SmtpSettings(host="mail", port=25)),
        ("smtp://mail:2525", SmtpSettings(host="mail", port=2525)),
        ("smtps://mail", SmtpSettings(host="mail", port=465, implicit_tls=True)),
        ("smtp://u:p@mail", SmtpSettings(host="mail", port=587, user="u", password="p")),
        (
            "smtp://care%40shop:p%40ss%3A%2F%25@mail:25?starttls=required",
            SmtpSettings(host="mail", port=25, user="care@shop", password="p@ss:/%", starttls="required"),
        ),
        ("smtp://mail?starttls=never", SmtpSettings(host="mail", port=25, starttls="never")),
        (
            "smtp://mail?connections=16&starttls=never",
            SmtpSettings(host="mail", port=25, starttls="never", connections=16),
        ),
        ("smtp://[::1]:2525", SmtpSettings(host="::1", port=2525)),
    ],
)
def test_a_mail_servers_url_is_read(url: str, settings: SmtpSettings) -> None:
    assert SmtpSettings.parse(url) == settings


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail",
        "http://mail",
        "smtp://",
        "smtp://mail:port",
        "smtp://mail:99999",
        "smtp://mail?starttls=maybe",
        "smtp://mail?tls=yes",
        "smtp://mail?connections=0",
        "smtp://mail?connections=51",
        "smtp://mail?connections=1000000",
        "smtp://mail?connections=many",
        "smtp://mail?starttls",
        "smtp://mail/inbox",
        "smtp://user@mail",
        "smtp://[::1",
    ],
)
def test_what_is_no_mail_servers_url_is_refused(url: str) -> None:
    with pytest.raises(SmtpUrlInvalidError):
        SmtpSettings.parse(url)


def test_a_password_is_shown_nowhere() -> None:
    with pytest.raises(SmtpUrlInvalidError) as refusal:
        SmtpSettings.parse("smtp://user:hunter2@mail:port")

    assert "hunter2" not in str(refusal.value)
    assert "hunter2" not in repr(SmtpSettings.parse("smtp://user:hunter2@mail"))
