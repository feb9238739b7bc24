"""The whole life of a contact on every way to run Centralino: provider's payload, offer, accept, reply, resolve, follow-up e-mail."""

import pytest

from tests.e2e.conftest import MODES
from tests.e2e.people import Desk, at_work
from tests.e2e.posts import deliver, post_of
from tests.support.waiting import eventually


@pytest.mark.parametrize("mode", MODES)
async def test_a_mail_is_offered_answered_resolved_and_followed_up(mode, make_stack, mail_server) -> None:
    stack = make_stack(mode)
    await stack.start()
    desk = Desk(stack, "anna")
    async with at_work(desk):
        answer = await deliver(stack, post_of(stack, "support-mail"))
        assert answer.status_code == 200
        offer = (await desk.frame("offer.made"))["offer"]
        assert offer["contact"]["customer"]["name"] == "Luca Bianchi"
        assert offer["contact"]["queue"] == "orders"
        assert offer["reason"]["rank"] == 1

        accepted = await desk.decided("POST", f"/v1/offers/{offer['id']}/accept")
        assert (accepted.status_code, accepted.json()["state"], accepted.json()["agent"]) == (200, "active", "anna")
        contact = accepted.json()["id"]
        messages = (await desk.call("GET", f"/v1/contacts/{contact}/messages")).json()["items"]
        assert "in ritardo" in messages[0]["text"]

        replied = await desk.call("POST", f"/v1/contacts/{contact}/messages", {"text": "Arriva domani."})
        assert replied.status_code in (200, 201, 202)
        reply = await mail_server.wait_for(lambda mail: "domani" in _text(mail))
        assert reply.recipients == ("luca.bianchi@mail.example",)
        assert reply.message["In-Reply-To"]
        await desk.frame("message.sent")

        resolved = await desk.decided("POST", f"/v1/contacts/{contact}/resolve", {"disposition": "solved"})
        assert (resolved.status_code, resolved.json()["state"], resolved.json()["light"]) == (200, "resolved", "green")
        asked = await mail_server.wait_for(lambda mail: mail.message["Auto-Submitted"] == "auto-generated")
        assert "Anna Bianchi" in _text(asked)
        assert "ordine 4711" in _text(asked)
        (acknowledged,) = [mail for mail in mail_server.mails if mail.message["Auto-Submitted"] == "auto-replied"]
        assert "1 minuto" in _text(acknowledged)

        timeline = await eventually(lambda: _timeline_with(desk, contact, "follow"))
        assert timeline
        correlation = answer.headers["x-correlation-id"]
        assert stack.output().count(correlation) >= 2, "one id runs from the webhook to the e-mail"
    await stack.stop()
    assert "in ritardo" not in stack.output(), "no customer text in logs"
    assert "luca.bianchi@mail.example" not in stack.output()


@pytest.mark.parametrize(
    ("account", "network"),
    [
        ("sms-main", "SMS"),
        ("whatsapp-main", "WhatsApp"),
        ("telegram-bot", "Telegram"),
        ("contact-form", "mail"),
    ],
)
async def test_every_channel_comes_in_and_goes_out(account, network, make_stack, make_phones, mail_server) -> None:
    stack = make_stack("up")
    phones = await make_phones(stack)
    await stack.start()
    desk = Desk(stack, "anna")
    async with at_work(desk):
        post = post_of(stack, account)
        assert (await deliver(stack, post)).status_code < 300
        assert (await deliver(stack, post)).status_code < 300, "the provider's retry"
        offer = (await desk.frame("offer.made"))["offer"]
        await desk.decided("POST", f"/v1/offers/{offer['id']}/accept")
        contact = offer["contact"]["id"]
        messages = (await desk.call("GET", f"/v1/contacts/{contact}/messages")).json()["items"]
        assert len(messages) == 1, "delivered twice is there once"
        await desk.call("POST", f"/v1/contacts/{contact}/messages", {"text": "Arriva domani."})
        await desk.frame("message.sent")
        if network == "mail":
            await mail_server.wait_for(lambda mail: "domani" in _text(mail))
        else:
            (text,) = phones.texts()
            assert (text.network, text.text) == (network, "Arriva domani.")
    await stack.stop()


async def test_one_customer_on_two_channels_is_one_card(make_stack, make_phones) -> None:
    stack = make_stack("up")
    await make_phones(stack)
    await stack.start()
    desk = Desk(stack, "anna")
    async with at_work(desk):
        for account in ("contact-form", "sms-main", "whatsapp-main"):
            await deliver(stack, post_of(stack, account))
        offers = await eventually(lambda: _offers(desk, 3))
        cards = {offer["contact"]["customer"]["id"] for offer in offers}
        assert len(cards) == 1
        card = (await desk.call("GET", f"/v1/customers/{cards.pop()}")).json()
        assert len(card["contacts"]) == 3
        assert {contact["light"] for contact in card["contacts"]} == {"red"}
    await stack.stop()


async def test_a_second_message_joins_the_open_contact(make_stack) -> None:
    stack = make_stack("up")
    await stack.start()
    desk = Desk(stack, "anna")
    async with at_work(desk):
        await deliver(stack, post_of(stack, "support-mail"))
        offer = (await desk.frame("offer.made"))["offer"]
        await desk.decided("POST", f"/v1/offers/{offer['id']}/accept")
        await deliver(stack, post_of(stack, "support-mail", "Ancora io: è urgente!"))
        await desk.frame("message.received")
        messages = (await desk.call("GET", f"/v1/contacts/{offer['contact']['id']}/messages")).json()["items"]
        assert [message["text"].splitlines()[0] for message in messages][1] == "Ancora io: è urgente!"
        assert len([frame for frame in desk.frames if frame["type"] == "offer.made"]) == 1
    await stack.stop()


def _text(mail) -> str:
    body = mail.message.get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


async def _timeline_with(desk: Desk, contact: str, word: str) -> bool:
    items = (await desk.call("GET", f"/v1/contacts/{contact}/timeline")).json()["items"]
    return any(word in item["type"] and "sent" in item["type"] for item in items)


async def _offers(desk: Desk, number: int) -> list[dict]:
    offers = (await desk.call("GET", "/v1/me/work")).json()["offers"]
    return offers if len(offers) >= number else []
