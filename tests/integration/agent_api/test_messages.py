"""What is said: customers' messages, replies with what became of them, files."""

from __future__ import annotations

import base64

from libs.common.clock import SystemClock
from libs.common.events.codec import decode_event, encode_record
from libs.common.events.outbound import (
    AddressBounced,
    MessageDelivered,
    MessageFailed,
    MessageRead,
    MessageSent,
    ReplyRequested,
)
from libs.common.log.port import EventLog
from libs.common.log.streams import DELIVERY_EVENTS, FOLLOWUP_EVENTS, OUTBOUND_MESSAGES, partition_of
from libs.common.testing.builders import a_follow_up_sent, a_message, an_attachment
from tests.support.agent_api import Api, next_frame, problem_of
from tests.support.routing import read_all

NOW_MS = SystemClock().now_ms()


async def write(log: EventLog, stream: str, key: str, *events: object) -> None:
    """Append events as the senders and the follow-up service do."""
    writer = await log.open_writer("test")
    records = [
        encode_record(
            event,  # type: ignore[arg-type]  # every event is a struct
            key=key,
            event_id=f"{key}-{id(event)}",
            source="test",
            time_ms=NOW_MS,
            correlation_id="test",
        )
        for event in events
    ]
    await writer.append(stream, partition_of(key, log.partitions(stream)), records)
    await writer.close()


async def replies(log: EventLog) -> list[ReplyRequested]:
    """The replies that were asked for."""
    return [
        decode_event(record)
        for partition in range(log.partitions(OUTBOUND_MESSAGES))
        for record in await read_all(log, OUTBOUND_MESSAGES, partition)
    ]


async def test_a_reply_becomes_part_of_the_customers_mail_thread(any_api: Api) -> None:
    # given a mail, and another one of the same customer
    api = any_api
    anna = await api.client()
    contact_id = await api.active_contact(
        1, email_message_id="<first@example.com>", email_references=("<root@example.com>",)
    )
    await api.router.receive(
        1,
        provider_id="second",
        received_ms=NOW_MS,
        email_message_id="<second@example.com>",
        email_references=("<root@example.com>", "<first@example.com>"),
    )
    await api.caught_up()

    # when
    answer = await anna.post(f"/v1/contacts/{contact_id}/messages", {"text": "On its way.\n\nAnna 🚚"})

    # then
    assert answer.status_code == 201
    assert answer.json()["status"] == "queued"
    (reply,) = await replies(api.log)
    assert reply.message_id == answer.json()["id"]
    assert reply.thread_id == a_message(1).thread_id
    assert (reply.account, reply.channel, reply.handle) == ("support-mail", "email", "mailto:luca@example.com")
    assert reply.text == "On its way.\n\nAnna 🚚"
    assert reply.subject == "Re: Where is my order?"
    assert reply.email_in_reply_to == "<second@example.com>"
    assert reply.email_references == ("<root@example.com>", "<first@example.com>", "<second@example.com>")
    messages = (await anna.get(f"/v1/contacts/{contact_id}/messages"))["items"]
    assert [message["direction"] for message in messages] == ["in", "in", "out"]


async def test_messages_of_one_second_stand_in_the_order_in_which_they_came(any_api: Api) -> None:
    # given what a customer wrote in one breath, dated by a provider that knows whole seconds
    api = any_api
    anna = await api.client()
    said = [f"line {number}" for number in range(6)]
    contact_id = await api.active_contact(1, text=said[0], occurred_ms=NOW_MS)
    for text in said[1:]:
        await api.router.receive(1, provider_id=f"in one second: {text}", text=text, occurred_ms=NOW_MS)
    await api.caught_up()

    # when it is read page by page
    texts, cursor = [], ""
    while True:
        page = await anna.get(f"/v1/contacts/{contact_id}/messages?limit=4{cursor}")
        texts += [message["text"] for message in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    # then
    assert texts == said


async def test_only_whoever_has_the_contact_replies(api: Api) -> None:
    # given
    anna, bruno = await api.client(), await api.client("bruno")
    waiting = await api.router.receive(1)
    await api.caught_up()

    # when / then
    assert await anna.refused(f"/v1/contacts/{waiting}/messages", {"text": "hi"}) == (409, "contact-not-active")
    taken = await api.active_contact(2)
    assert await bruno.refused(f"/v1/contacts/{taken}/messages", {"text": "hi"}, key="1") == (409, "contact-not-yours")
    assert await bruno.refused(f"/v1/contacts/{taken}/messages", {"text": "hi"}, key="1") == (409, "contact-not-yours")
    assert await anna.refused(f"/v1/contacts/{taken}/messages", {"text": "  "}) == (422, "invalid")
    assert await replies(api.log) == []


async def test_a_retried_reply_is_one_reply_with_one_answer(api: Api) -> None:
    # given
    anna = await api.client()
    contact_id = await api.active_contact()

    # when the retry comes after the contact was resolved
    first = await anna.post(f"/v1/contacts/{contact_id}/messages", {"text": "hello"}, key="one")
    await anna.post(f"/v1/contacts/{contact_id}/resolve")
    second = await anna.post(f"/v1/contacts/{contact_id}/messages", {"text": "hello"}, key="one")

    # then
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert len(await replies(api.log)) == 1


async def test_the_stream_says_what_became_of_a_reply(any_api: Api) -> None:
    # given a reply
    api = any_api
    anna = await api.client()
    contact_id = await api.active_contact()
    message_id = (await anna.post(f"/v1/contacts/{contact_id}/messages", {"text": "hi"})).json()["id"]
    async with anna.stream() as socket:
        await next_frame(socket)

        # when it goes out, arrives, and is read; and an old word comes late
        sent = MessageSent(message_id=message_id, at_ms=NOW_MS, contact_id=contact_id, thread_id="t", provider_id="SM1")
        read = MessageRead(message_id="", at_ms=NOW_MS, provider_id="SM1", account="support-mail")
        late = MessageDelivered(message_id="", at_ms=NOW_MS, provider_id="SM1", account="support-mail")
        await write(api.log, DELIVERY_EVENTS, "t", sent, read, late)

        # then
        assert (await next_frame(socket, "message.sent"))["message"]["status"] == "sent"
        assert (await next_frame(socket, "message.sent"))["message"]["status"] == "read"
        await api.caught_up()
        messages = (await anna.get(f"/v1/contacts/{contact_id}/messages"))["items"]
        assert messages[-1]["status"] in ("read", "received")
        assert {message["status"] for message in messages} == {"received", "read"}

        # when another one fails
        failed_id = (await anna.post(f"/v1/contacts/{contact_id}/messages", {"text": "ho"})).json()["id"]
        failed = MessageFailed(
            message_id=failed_id, at_ms=NOW_MS, reason="the number is not in use", contact_id=contact_id
        )
        await write(api.log, DELIVERY_EVENTS, "t", failed)

        # then
        frame = await next_frame(socket, "message.failed")
        assert frame["reason"] == "the number is not in use"
        assert frame["message"]["id"] == failed_id


async def test_what_a_provider_says_before_we_know_the_message_is_not_lost(any_api: Api) -> None:
    # given a receipt that overtook the sender's own word, and that one the reply itself
    api = any_api
    anna = await api.client()
    contact_id = await api.active_contact()
    read = MessageRead(message_id="", at_ms=NOW_MS, provider_id="SM7", account="support-mail")
    sent = MessageSent(message_id="msg_7", at_ms=NOW_MS, contact_id=contact_id, thread_id="t", provider_id="SM7")
    await write(api.log, DELIVERY_EVENTS, "other", read)
    await write(api.log, DELIVERY_EVENTS, "t", sent)
    await api.caught_up()
    assert (await anna.get(f"/v1/contacts/{contact_id}/messages"))["items"][-1]["text"] is None

    # when
    reply = ReplyRequested(
        message_id="msg_7",
        contact_id=contact_id,
        thread_id="t",
        pool="care",
        account="support-mail",
        channel="email",
        handle="mailto:luca@example.com",
        agent_id="anna",
        requested_ms=NOW_MS,
        text="Here it is.",
    )
    await write(api.log, OUTBOUND_MESSAGES, "t", reply)
    await api.caught_up()

    # then
    messages = {item["id"]: item for item in (await anna.get(f"/v1/contacts/{contact_id}/messages"))["items"]}
    assert messages["msg_7"]["text"] == "Here it is."
    assert messages["msg_7"]["status"] == "read"


async def test_a_bounced_address_is_marked_and_mails_stand_in_the_history(api: Api) -> None:
    # given
    anna = await api.client()
    contact_id = await api.active_contact()
    bounce = AddressBounced(
        message_id="", at_ms=NOW_MS, handle="mailto:luca@example.com", permanent=True, reason="no such mailbox"
    )

    # when
    await write(api.log, DELIVERY_EVENTS, "t", bounce)
    await write(api.log, FOLLOWUP_EVENTS, contact_id, a_follow_up_sent(contact_id, at_ms=NOW_MS))
    await api.caught_up()

    # then
    customer_id = (await anna.get(f"/v1/contacts/{contact_id}"))["customer"]["id"]
    assert (await anna.get(f"/v1/customers/{customer_id}"))["handles"][0]["bounced"] == "no such mailbox"
    entries = (await anna.get(f"/v1/contacts/{contact_id}/timeline"))["items"]
    assert "follow-up.sent" in [entry["type"] for entry in entries]


async def test_files_are_downloaded_by_those_who_see_the_contact(api: Api) -> None:
    # given a message with a file whose bytes are not fetched yet
    anna, dario = await api.client(), await api.client("dario")
    attachment = an_attachment(name='bill "9".html', content_type="text/html", remote="https://media.example/1")
    contact_id = await api.active_contact(1, attachments=(attachment,))
    (shown,) = (await anna.get(f"/v1/contacts/{contact_id}/messages"))["items"][0]["attachments"]
    assert "remote" not in shown

    # when / then
    early = await anna.http.get(shown["url"])
    assert problem_of(early) == (404, "attachment-not-here-yet")
    assert int(early.headers["retry-after"]) > 0

    # when the bytes have come
    await api.service.parts.blobs.put(attachment.id, b"<script>alert(1)</script>", "text/html")
    answer = await anna.http.get(shown["url"])

    # then they are a download, whatever they claim to be
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''bill%20%229%22.html"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert problem_of(await dario.http.get(shown["url"])) == (404, "attachment-unknown")


async def test_a_reply_carries_files(api: Api) -> None:
    # given
    anna = await api.client()
    contact_id = await api.active_contact()
    file = {
        "name": "label.pdf",
        "content_type": "application/pdf",
        "content_base64": base64.b64encode(b"%PDF").decode(),
    }

    # when
    answer = await anna.post(f"/v1/contacts/{contact_id}/messages", {"attachments": [file]})

    # then
    assert answer.status_code == 201
    (shown,) = answer.json()["attachments"]
    assert (await anna.http.get(shown["url"])).content == b"%PDF"
    (reply,) = await replies(api.log)
    assert reply.attachments[0].id == shown["id"]
    bad = {**file, "content_base64": "not base64!"}
    assert await anna.refused(f"/v1/contacts/{contact_id}/messages", {"attachments": [bad]}) == (422, "invalid")
