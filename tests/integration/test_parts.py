"""The parts themselves: each does what the tests that lean on it take for granted."""

import asyncio
import gc
import socket
import warnings
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from playwright.async_api import async_playwright

from tests.parts.chromium import Chromium
from tests.parts.containers import image_ready
from tests.parts.errors import PartMissingError, PartNotOursError
from tests.parts.kafka import GivenKafka, KafkaBroker, obtain_kafka
from tests.parts.postgres import PostgresServer, obtain_postgres
from tests.parts.smtp import MailServer
from tests.support.waiting import eventually


def a_mail(to: str = "luca@example.com", subject: str = "Your order") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "care@shop.example"
    mail["To"] = to
    mail["Subject"] = subject
    mail["Message-ID"] = "<order-4711@shop.example>"
    mail.set_content("Grazie, è risolto.\n")
    return mail


async def send(server: MailServer, mail: EmailMessage, login: tuple[str, str] | None = None) -> None:
    user, password = login or (None, None)
    await aiosmtplib.send(
        mail, hostname=server.host, port=server.port, start_tls=False, timeout=20, username=user, password=password
    )


async def make_topic(broker: KafkaBroker, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def write(broker: KafkaBroker, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def read_first(broker: KafkaBroker, topic: str) -> bytes:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        record = await asyncio.wait_for(consumer.getone(partition), 30)
        return bytes(record.value)
    finally:
        await consumer.stop()


async def test_a_record_outlives_the_kill_of_the_broker() -> None:
    # A broker of its own, because the other tests' one must not be killed under them.
    with await asyncio.to_thread(obtain_kafka) as broker:
        await make_topic(broker, "letters")
        await write(broker, "letters", b"written before the kill")
        address = broker.bootstrap

        await asyncio.to_thread(broker.kill)
        with pytest.raises(KafkaError):
            await write(broker, "letters", b"written to nobody")
        await asyncio.to_thread(broker.start)

        assert broker.bootstrap == address
        assert await read_first(broker, "letters") == b"written before the kill"


async def test_a_paused_broker_answers_nothing_until_it_goes_on() -> None:
    with await asyncio.to_thread(obtain_kafka) as broker:
        await make_topic(broker, "letters")
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            await asyncio.to_thread(broker.pause)
            pending = await producer.send("letters", b"written into the silence")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(pending), 0.5)

            await asyncio.to_thread(broker.resume)

            assert (await asyncio.wait_for(pending, 30)).offset == 0
        finally:
            await producer.stop()


async def test_the_shared_broker_makes_no_topic_by_itself(kafka_broker: KafkaBroker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    await admin.start()
    try:
        await admin.describe_topics(["nobody-made-this"])

        assert "nobody-made-this" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_the_stopped_broker_comes_back_with_its_records() -> None:
    with await asyncio.to_thread(obtain_kafka) as broker:
        await make_topic(broker, "letters")
        await write(broker, "letters", b"written before the restart")

        await asyncio.to_thread(broker.restart)

        assert await read_first(broker, "letters") == b"written before the restart"


def test_a_broker_from_the_environment_is_used_and_never_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRALINO_TEST_KAFKA", "127.0.0.1:1")

    with obtain_kafka() as broker:
        assert isinstance(broker, GivenKafka)
        assert broker.url == "kafka://127.0.0.1:1"
        assert broker.url_for("letters") == "kafka://127.0.0.1:1?prefix=letters."
        with pytest.raises(PartNotOursError):
            broker.kill()


def test_a_way_that_does_not_exist_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRALINO_TEST_PARTS", "cloud")

    with pytest.raises(PartMissingError, match="cloud"):
        obtain_postgres()


@pytest.mark.parametrize("left_behind", [False, True], ids=["no-socket", "nobody-listens"])
def test_looking_for_an_engine_that_is_not_there_leaks_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, left_behind: bool
) -> None:
    path = tmp_path / "engine.sock"
    if left_behind:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    image_ready.cache_clear()
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        assert not image_ready("an-image:1")
        gc.collect()
    image_ready.cache_clear()
    assert [str(complaint.message) for complaint in complaints] == []


async def fetch_notes(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row["text"] for row in await connection.fetch("SELECT text FROM notes ORDER BY text")]
    finally:
        await connection.close()


async def add_note(url: str, text: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT NOT NULL)")
        await connection.execute("INSERT INTO notes VALUES ($1)", text)
    finally:
        await connection.close()


async def test_each_created_database_is_empty_and_its_own(postgres_server: PostgresServer) -> None:
    first = await asyncio.to_thread(postgres_server.create_database, "parts_first")
    second = await asyncio.to_thread(postgres_server.create_database, "parts_second")
    await add_note(first, "in the first")
    await add_note(second, "in the second")
    assert await fetch_notes(first) == ["in the first"]

    again = await asyncio.to_thread(postgres_server.create_database, "parts_first")
    await add_note(again, "alone")

    assert again == first
    assert await fetch_notes(again) == ["alone"]
    assert await fetch_notes(second) == ["in the second"]


async def test_a_committed_row_outlives_the_kill_of_the_server() -> None:
    with await asyncio.to_thread(obtain_postgres) as server:
        url = await asyncio.to_thread(server.create_database, "parts_killed")
        await add_note(url, "committed")

        await asyncio.to_thread(server.kill)
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await fetch_notes(url)
        await asyncio.to_thread(server.start)

        assert await fetch_notes(url) == ["committed"]


async def test_a_paused_server_answers_nobody_until_it_goes_on() -> None:
    server = await asyncio.to_thread(obtain_postgres)
    try:
        await asyncio.to_thread(server.start)
        connection = await asyncpg.connect(server.url)
        await asyncio.to_thread(server.pause)
        asked = asyncio.create_task(connection.fetchval("SELECT 1"))
        newcomer = asyncio.create_task(asyncpg.connect(server.url))
        done, _ = await asyncio.wait({asked, newcomer}, timeout=1)
        assert not done
        await asyncio.to_thread(server.resume)
        assert await asked == 1
        await (await newcomer).close()
        await connection.close()
    finally:
        await asyncio.to_thread(server.close)


async def test_the_stopped_server_cuts_clients_off_and_comes_back() -> None:
    with await asyncio.to_thread(obtain_postgres) as server:
        url = await asyncio.to_thread(server.create_database, "parts_stopped")
        await add_note(url, "committed")
        idle = await asyncpg.connect(url)

        await asyncio.to_thread(server.restart)

        await eventually(idle.is_closed)
        assert await fetch_notes(url) == ["committed"]


async def test_the_browser_renders_a_page(chromium: Chromium, tmp_path: Path) -> None:
    page_file = tmp_path / "page.html"
    page_file.write_text("<p id=p>before</p><script>p.textContent = 'rendered by script'</script>")

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.executable_path, args=list(chromium.arguments)
        )
        page = await browser.new_page()
        await page.goto(page_file.as_uri())
        text = await page.inner_text("#p")
        picture = await page.screenshot()
        await browser.close()

    assert text == "rendered by script"
    assert picture.startswith(b"\x89PNG")


async def test_the_mail_server_keeps_what_it_accepts(mail_server: MailServer) -> None:
    await send(mail_server, a_mail(subject="Il tuo caffè"))

    received = await mail_server.wait_for(lambda mail: "luca@example.com" in mail.recipients)

    assert received.sender == "care@shop.example"
    assert received.subject == "Il tuo caffè"
    assert received.message.get_content().splitlines() == ["Grazie, è risolto."]
    assert received.message_id == "<order-4711@shop.example>"


async def test_the_mail_server_refuses_one_address_as_often_as_told(mail_server: MailServer) -> None:
    mail_server.refuse("451 4.3.0 try again later", at="recipient", address="luca@example.com", times=1)

    await send(mail_server, a_mail(to="anna@example.com"))
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(mail_server, a_mail())
    await send(mail_server, a_mail())

    assert refused.value.recipients[0].code == 451
    assert [mail.recipients for mail in mail_server.mails] == [("anna@example.com",), ("luca@example.com",)]


@pytest.mark.parametrize(
    ("moment", "error"), [("data", aiosmtplib.SMTPDataError), ("sender", aiosmtplib.SMTPSenderRefused)]
)
async def test_the_mail_server_refuses_at_each_moment(
    mail_server: MailServer, moment: str, error: type[Exception]
) -> None:
    mail_server.refuse("554 5.7.1 not wanted", at=moment)  # type: ignore[arg-type]  # parametrize has plain strings

    with pytest.raises(error, match="not wanted"):
        await send(mail_server, a_mail())
    mail_server.accept_all()
    await send(mail_server, a_mail())

    assert len(mail_server.mails) == 1


async def test_a_lost_reply_leaves_the_mail_taken_over_and_the_sender_unsure(mail_server: MailServer) -> None:
    mail_server.lose_reply()

    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(mail_server, a_mail())
    await send(mail_server, a_mail())

    assert [mail.message_id for mail in mail_server.mails] == ["<order-4711@shop.example>"] * 2


async def test_the_mail_server_goes_and_comes_back_on_its_port(mail_server: MailServer) -> None:
    port = mail_server.port
    client = aiosmtplib.SMTP(hostname=mail_server.host, port=port, start_tls=False)
    await client.connect()

    mail_server.stop()
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await send(mail_server, a_mail())
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.noop()
    mail_server.start()
    await send(mail_server, a_mail())

    assert mail_server.port == port
    assert len(mail_server.mails) == 1


async def test_a_mail_server_with_a_login_wants_it() -> None:
    with MailServer(login=("care", "secret")) as server:
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await send(server, a_mail(), login=("care", "wrong"))
        with pytest.raises(aiosmtplib.SMTPSenderRefused, match="authentication required"):
            await send(server, a_mail())
        await send(server, a_mail(), login=("care", "secret"))

        assert len(server.mails) == 1
        assert server.url == f"smtp://care:secret@127.0.0.1:{server.port}"
