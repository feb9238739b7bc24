"""The follow-up service as a whole: facts on a log, a database, a real mail server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from libs.common.clock import SystemClock
from libs.common.configuration.models import Configuration, Followup, Pool, Queue
from libs.common.events import routing
from libs.common.events.codec import decode_event, encode_record
from libs.common.events.followup import FollowUpFailed, FollowUpScheduled, FollowUpSent, FollowUpSuppressed
from libs.common.events.outbound import ReplyRequested, TextsResumed, TextsStopped
from libs.common.events.routing import ContactCancelled, ContactLapsed
from libs.common.ids import new_id
from libs.common.log.memory import MemoryLog
from libs.common.log.port import EventLog
from libs.common.log.streams import DELIVERY_EVENTS, FOLLOWUP_EVENTS, OUTBOUND_MESSAGES, ROUTING_EVENTS
from libs.common.outbox import REASON_UNKNOWN, OutboxState
from libs.common.settings import CommonSettings
from libs.common.store import reading
from libs.common.testing.builders import START_MS, a_bounce, a_contact_queued, a_contact_resolved, an_agent
from services.followup.compose import FollowupService, compose
from services.followup.store.tables import contacts, outbox, stops, texts
from tests.parts.smtp import MailServer, ReceivedMail
from tests.support.waiting import eventually

SECRET = "s" * 40
FOLLOWUP = Followup(sender="Shop <care@shop.example>", reply_to="care@shop.example", delay_ms=0)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path: Path) -> str:
    """A database of the test's own, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'followup.db'}"
    server = request.getfixturevalue("postgres_server")
    return server.create_database(new_id("test"))


class World:
    """A log with a scripted router, and follow-up services that come and go."""

    def __init__(self, tmp_path: Path, store: str, mail_server: MailServer, followup: Followup = FOLLOWUP) -> None:
        self.log = MemoryLog(partitions=2)
        self.store = store
        self.mail_server = mail_server
        self.tmp_path = tmp_path
        self.configuration = Configuration(
            pools={"care": Pool()}, queues={"orders": Queue(pool="care")}, followup=followup
        )
        self._term: int | None = None
        self._inputs = 0

    async def publish(self, *facts: routing.Fact, late_term: int | None = None) -> None:
        """Put facts on `routing.events` as the router does."""
        writer = await self.log.open_writer("router")
        if self._term is None:
            await self.take_over()
        for fact in facts:
            self._inputs += 1
            record = encode_record(
                fact,
                key="care",
                event_id=f"0-{self._inputs}",
                source="test",
                time_ms=fact.at_ms,
                correlation_id="cor_1",
                term=late_term if late_term is not None else self._term,
                input_offset=self._inputs,
            )
            await writer.append(ROUTING_EVENTS, 0, [record])
        await writer.close()

    async def take_over(self) -> int:
        """A new router begins: its term."""
        writer = await self.log.open_writer("router")
        record = encode_record(
            routing.WriterStarted(writer_id="r"), key="", event_id="w", source="test", time_ms=0, correlation_id=""
        )
        self._term = (await writer.append(ROUTING_EVENTS, 0, [record])).first_offset
        await writer.close()
        return self._term

    def service(self, log: EventLog | None = None) -> FollowupService:
        """A service, not running yet."""
        settings = CommonSettings(
            data=self.tmp_path,
            store=self.store,
            log="memory:",
            secret=SecretStr(SECRET),
            smtp_url=SecretStr(f"smtp://127.0.0.1:{self.mail_server.port}"),
        )
        return compose(settings, self.configuration, log=log or self.log, clock=SystemClock())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FollowupService]:
        """A service at work; at the end it is gone as after a kill: nothing is flushed."""
        service = self.service()
        work = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await service.close()

    async def events(self, kind: type) -> list:
        """What stands on `followup.events` of a type."""
        reader = await self.log.open_reader(FOLLOWUP_EVENTS, dict.fromkeys(range(2), 0))
        found = [decode_event(record) for record in await reader.poll()]
        await reader.close()
        return [event for event in found if isinstance(event, kind)]


@pytest.fixture
def make_world(tmp_path: Path, store: str, mail_server: MailServer) -> Callable[..., World]:
    return lambda **options: World(tmp_path, store, mail_server, **options)


@pytest.fixture
async def world(make_world) -> World:
    made = make_world()
    await made.log.connect()
    return made


def pool_configured() -> routing.PoolConfigured:
    return routing.PoolConfigured(
        pool="care", at_ms=1, version="1", queues=(), agents=(an_agent("anna", name="Anna Bianchi"),)
    )


async def test_a_contact_is_acknowledged_and_asked_afterwards_once(world: World) -> None:
    queued = a_contact_queued(
        email_message_id="a@example.com", language="en", received_ms=START_MS, due_ms=START_MS + 3_600_000
    )
    async with world.running():
        await world.publish(pool_configured(), queued)
        acknowledgement = await world.mail_server.wait_for(
            lambda mail: "auto-replied" in mail.message["Auto-Submitted"]
        )
        await world.publish(a_contact_resolved(queued.contact_id))
        asked = await world.mail_server.wait_for(lambda mail: "auto-generated" in mail.message["Auto-Submitted"])
        sent = await eventually(lambda: _at_least(world, FollowUpSent, 2))
    assert "1 hour" in _text(acknowledgement)
    assert acknowledgement.recipients == ("luca@example.com",)
    assert "Anna Bianchi" in _text(asked)
    assert asked.message["In-Reply-To"] == "<a@example.com>"
    assert {event.email_message_id for event in sent} == {acknowledgement.message_id, asked.message_id}
    assert len(await world.events(FollowUpScheduled)) == 2


async def test_only_contacts_that_were_over_long_ago_are_forgotten(world: World) -> None:
    open_one, old, fresh, cancelled, left = (a_contact_queued(number) for number in range(1, 6))
    now_ms = SystemClock().now_ms()
    service = world.service()
    await service.migrate()
    await world.publish(open_one, old, fresh, cancelled, left)
    await world.publish(a_contact_resolved(old.contact_id), a_contact_resolved(fresh.contact_id, at_ms=now_ms))
    await world.publish(
        ContactCancelled(pool=old.pool, at_ms=old.at_ms, contact_id=cancelled.contact_id, by="sara"),
        ContactLapsed(pool=old.pool, at_ms=old.at_ms, contact_id=left.contact_id),
    )
    follower = await service.projection.open(ROUTING_EVENTS)
    while await follower.turn():
        pass
    await follower.close()
    await service.intake.forget(service.engine, before_ms=now_ms - 1_000)
    async with reading(service.engine) as connection:
        kept = (await connection.execute(sa.select(contacts.c.contact_id))).scalars().all()
    assert set(kept) == {open_one.contact_id, fresh.contact_id}
    await service.close()


async def test_redelivery_and_restart_send_nothing_twice(world: World) -> None:
    queued = a_contact_queued()
    resolved = a_contact_resolved(queued.contact_id)
    async with world.running():
        await world.publish(queued, resolved)
        await eventually(lambda: _at_least(world, FollowUpSent, 2))
    await world.publish(resolved)
    async with world.running():
        marker = a_contact_queued(2)
        await world.publish(marker)
        await world.mail_server.wait_for(lambda mail: mail.recipients == ("customer2@example.com",))
    assert len([mail for mail in world.mail_server.mails if mail.recipients == ("luca@example.com",)]) == 2


async def test_what_a_deposed_router_writes_late_sends_nothing(world: World) -> None:
    first, second = a_contact_queued(1), a_contact_queued(2)
    await world.publish()
    old_term = await world.take_over()
    await world.take_over()
    await world.publish(first, late_term=old_term)
    await world.publish(second)
    async with world.running():
        await world.mail_server.wait_for(lambda mail: mail.recipients == ("customer2@example.com",))
    assert [mail.recipients for mail in world.mail_server.mails] == [("customer2@example.com",)]


async def test_a_bounced_address_is_left_alone(world: World) -> None:
    queued = a_contact_queued()
    async with world.running() as service:
        await world.publish(queued)
        await eventually(lambda: _at_least(world, FollowUpSent, 1))
        await _publish_delivery(world, a_bounce())
        await eventually(lambda: _bounced(service))
        await world.publish(a_contact_resolved(queued.contact_id))
        suppressed = await eventually(lambda: _at_least(world, FollowUpSuppressed, 1))
    assert suppressed[0].reason == "bounced"
    assert len(world.mail_server.mails) == 1


async def test_a_made_up_bounce_silences_nobody(world: World) -> None:
    queued = a_contact_queued(2)
    async with world.running() as service:
        await world.publish(a_contact_queued())
        await eventually(lambda: _at_least(world, FollowUpSent, 1))
        await _publish_delivery(world, a_bounce("mailto:customer2@example.com"), a_bounce())
        await eventually(lambda: _bounced(service))
        await world.publish(queued)
        await world.mail_server.wait_for(lambda mail: mail.recipients == ("customer2@example.com",))


async def test_an_address_that_the_server_refuses_is_not_tried_again(world: World) -> None:
    world.mail_server.refuse("550 5.1.1 no such user", address="luca@example.com")
    queued = a_contact_queued()
    async with world.running():
        await world.publish(queued)
        failed = await eventually(lambda: _at_least(world, FollowUpFailed, 1))
        await world.publish(a_contact_resolved(queued.contact_id))
        suppressed = await eventually(lambda: _at_least(world, FollowUpSuppressed, 1))
    assert failed[0].reason == "smtp-550"
    assert suppressed[0].reason == "bounced"


async def test_mails_wait_for_a_mail_server_that_is_away_and_go_out_when_it_is_back(world: World) -> None:
    world.mail_server.stop()
    queued = a_contact_queued()
    async with world.running() as service:
        await world.publish(queued)
        await eventually(lambda: any(not part.ready for part in service.health.check() if part.name == "smtp"))
        assert not service.health.ready
        world.mail_server.start()
        await world.mail_server.wait_for(lambda mail: mail.recipients == ("luca@example.com",))
        await eventually(lambda: service.health.ready)


async def test_a_mail_whose_sender_died_in_the_middle_is_reported_and_not_sent_again(world: World) -> None:
    queued = a_contact_queued()
    await world.publish(queued)
    service = world.service()
    await service.migrate()
    follower = await service.projection.open(ROUTING_EVENTS)
    while await follower.turn():
        pass
    now_ms = SystemClock().now_ms()
    (item,) = await service.outbox.lease(now_ms=now_ms)
    assert await service.outbox.begin_delivery(item, now_ms=now_ms)
    async with service.engine.begin() as connection:
        # The process dies here; its lease has run out when the next one starts.
        await connection.execute(sa.update(outbox).values(due_ms=now_ms - 1))
    await follower.close()
    await service.close()
    async with world.running():
        failed = await eventually(lambda: _at_least(world, FollowUpFailed, 1))
    assert failed[0].reason == REASON_UNKNOWN
    assert world.mail_server.mails == ()


async def test_a_process_that_lost_its_lease_does_not_send(world: World) -> None:
    await world.publish(a_contact_queued())
    one, other = world.service(), world.service()
    await one.migrate()
    follower = await one.projection.open(ROUTING_EVENTS)
    while await follower.turn():
        pass
    now_ms = SystemClock().now_ms()
    (item,) = await one.outbox.lease(now_ms=now_ms)
    (taken_over,) = await other.outbox.lease(now_ms=now_ms + 10_000_000)
    assert not await one.outbox.begin_delivery(item, now_ms=now_ms)
    assert not await one.outbox.finish(item, OutboxState.SENT, "x", now_ms=now_ms)
    assert await other.outbox.begin_delivery(taken_over, now_ms=now_ms)
    await follower.close()
    await one.close()
    await other.close()


def _text(mail: ReceivedMail) -> str:
    body = mail.message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def _at_least(world: World, kind: type, number: int) -> list:
    events = await world.events(kind)
    return events if len({event.effect_id for event in events}) >= number else []


async def _bounced(service: FollowupService) -> bool:
    async with service.engine.connect() as connection:
        return (await connection.execute(sa.text("SELECT count(*) FROM followup_bounces"))).scalar_one() == 1


async def _publish_delivery(world: World, *events) -> None:
    writer = await world.log.open_writer("ingest")
    for event in events:
        record = encode_record(event, key="t", event_id="d", source="test", time_ms=event.at_ms, correlation_id="")
        await writer.append(DELIVERY_EVENTS, 0, [record])
    await writer.close()


TELLING = FOLLOWUP.model_copy(update={"tell_wait": True})


def waits(queued: routing.ContactQueued, minutes: int | None = 7, position: int = 3) -> routing.WaitExpected:
    return routing.WaitExpected(
        pool="care",
        at_ms=SystemClock().now_ms(),
        contact_id=queued.contact_id,
        position=position,
        expected_wait_ms=None if minutes is None else minutes * 60_000,
    )


async def _texts(world: World) -> list[ReplyRequested]:
    reader = await world.log.open_reader(OUTBOUND_MESSAGES, dict.fromkeys(range(2), 0))
    found = [decode_event(record) for record in await reader.poll()]
    await reader.close()
    return [event for event in found if isinstance(event, ReplyRequested)]


async def _some_texts(world: World, number: int) -> list[ReplyRequested]:
    async def found() -> bool:
        return len(await _texts(world)) >= number

    await eventually(found)
    return await _texts(world)


async def test_who_waits_on_a_channel_for_short_texts_is_told_so_once(make_world) -> None:
    # given a firm that tells its customers, and one who writes by sms and has to wait
    world = make_world(followup=TELLING)
    await world.log.connect()
    queued = a_contact_queued(1, channel="sms", account="sms-main", handle="tel:+393331234567", language="it")
    async with world.running() as service:
        await world.publish(pool_configured(), queued, waits(queued))
        # when
        (text,) = await _some_texts(world, 1)
        # then the text is a message of nobody's, to the customer, on the same channel
        assert (text.channel, text.account, text.handle) == ("sms", "sms-main", "tel:+393331234567")
        assert (text.automatic, text.agent_id, text.thread_id) == (True, "", queued.thread_id)
        assert "numero 3 in coda" in text.text
        assert "10 minuti" in text.text
        # when the process died between the log and its note of it, and the fact comes again
        await eventually(lambda: _published(service, 1))
        async with service.engine.begin() as connection:
            await connection.execute(sa.update(texts).values(published=False))
        await world.publish(waits(queued))
    async with world.running():
        both = await _some_texts(world, 2)
    # then it stands there a second time under the same id, which goes out once
    assert {one.message_id for one in both} == {text.message_id}


async def _published(service: FollowupService, number: int) -> bool:
    async with reading(service.engine) as connection:
        query = sa.select(sa.func.count()).select_from(texts).where(texts.c.published)
        return (await connection.execute(query)).scalar_one() == number


def by_sms(number: int, **fields: Any) -> routing.ContactQueued:
    return a_contact_queued(number, channel="sms", handle="tel:+393331234567", **fields)


async def test_a_wait_that_is_over_unknown_or_not_to_be_told_is_not_told(make_world) -> None:
    world = make_world(followup=TELLING)
    await world.log.connect()
    late, unknown, machine, last = (
        by_sms(1),
        by_sms(2),
        by_sms(3, automatic=True),
        by_sms(4),
    )
    old = msgspec.structs.replace(waits(late), at_ms=waits(late).at_ms - 600_000)
    async with world.running():
        await world.publish(pool_configured(), late, old, unknown, waits(unknown, None), machine, waits(machine))
        await world.publish(last, waits(last))
        told = await _some_texts(world, 1)
    assert [text.contact_id for text in told] == [last.contact_id]


async def test_an_acknowledgement_says_the_place_and_about_how_long(world: World) -> None:
    # given a mail that has to wait, longer than is aimed at
    queued = a_contact_queued(language="en", received_ms=START_MS, due_ms=START_MS + 300_000)
    await world.publish(pool_configured(), queued, waits(queued, 25, 4))
    # when
    async with world.running():
        mail = await world.mail_server.wait_for(lambda mail: "auto-replied" in mail.message["Auto-Submitted"])
    # then it says what is known, and promises nothing that is not to be kept
    assert "You are number 4 in line now; the wait is about 25 minutes." in " ".join(_text(mail).split())
    assert "within" not in _text(mail)
    # and no text goes out besides
    assert await _texts(world) == []


async def test_a_notice_goes_out_once_in_the_customers_language(world: World) -> None:
    # given a mail, and what the router wants its customer to know
    queued = a_contact_queued(1, language="it", email_message_id="a@example.com", subject="Ordine 7")
    notice = routing.CustomerNotice(
        pool="care",
        at_ms=SystemClock().now_ms(),
        contact_id=queued.contact_id,
        cause="overflow",
        texts={"it": "Ti richiamiamo domani.", "en": "We call you tomorrow."},
    )
    async with world.running():
        # when the fact comes twice, and a second notice after it
        await world.publish(pool_configured(), queued, notice, notice, msgspec.structs.replace(notice, notice=2))
        told = await _some_texts(world, 2)
    # then each is a message in the customer's own thread
    assert [text.text for text in told] == ["Ti richiamiamo domani."] * 2
    assert len({text.message_id for text in told}) == 2
    assert told[0].email_in_reply_to == "a@example.com"
    assert told[0].automatic


async def _stopped(service: FollowupService, number: int) -> bool:
    async with reading(service.engine) as connection:
        query = sa.select(sa.func.count()).select_from(stops).where(stops.c.stopped)
        return (await connection.execute(query)).scalar_one() == number


async def test_who_stops_the_texts_gets_none_until_they_are_wanted_again(make_world) -> None:
    # given a firm that tells its customers, and one who was told by sms and answers with the word that the text names
    world = make_world(followup=TELLING)
    await world.log.connect()
    handle = "tel:+393331234567"
    first, second, chat, third = by_sms(1), by_sms(2), a_contact_queued(3, channel="whatsapp", handle=handle), by_sms(4)
    async with world.running() as service:
        await world.publish(pool_configured(), first, waits(first))
        (text,) = await _some_texts(world, 1)
        assert text.text.endswith("Per non ricevere più questi avvisi scrivi FERMA.")
        stop = TextsStopped(message_id="msg_stop", at_ms=2, handle=handle, channel="sms")
        await _publish_delivery(world, stop)
        await eventually(lambda: _stopped(service, 1))
        # when the same customer has to wait again, by sms and on another channel
        await world.publish(second, waits(second), chat, waits(chat))
        # then only the other channel tells it
        assert {one.contact_id for one in await _some_texts(world, 2)} == {first.contact_id, chat.contact_id}
        # and when the texts are wanted again they come again, though an older word is delivered once more
        resume = TextsResumed(message_id="msg_start", at_ms=3, handle=handle, channel="sms")
        await _publish_delivery(world, resume, stop)
        await eventually(lambda: _stopped(service, 0))
        await world.publish(third, waits(third))
        told = {one.contact_id for one in await _some_texts(world, 3)}
    assert told == {first.contact_id, chat.contact_id, third.contact_id}
