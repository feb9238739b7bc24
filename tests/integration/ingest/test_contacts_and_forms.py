"""Contacts from integrations and web forms, over HTTP."""

import pytest

from libs.common.events.inputs import CustomerLeft
from tests.integration.ingest.conftest import Ingest

CONTACT = {
    "account": "api",
    "external_id": "ord-4711-1",
    "customer": {"handle": "mailto:Luca@Example.com", "name": "Luca", "handles": ["tel:+39 333 1234567"]},
    "subject": "Ordine 4711",
    "text": "Dov'è?",
    "occurred_at": "2026-11-22T09:30:00+01:00",
    "language": "it",
    "attributes": {"order": "4711"},
    "skills": {"orders": 2},
    "any_of": [{"lang.it": 3}, {"lang.en": 4}],
    "preferred_agent": "anna",
    "priority": 5,
    "attachments": [{"name": "a.txt", "content_type": "text/plain", "content_base64": "Y2lhbw=="}],
}


async def post(ingest: Ingest, **changes):
    return await ingest.client.post("/v1/contacts", json={**CONTACT, **changes}, headers=ingest.token())


async def test_an_integrations_contact_is_taken_as_it_asks(ingest: Ingest) -> None:
    answer = await post(ingest)
    assert answer.status_code == 202
    (received,) = await ingest.received()
    assert answer.json() == {
        "contact_hint": received.contact_id,
        "message_id": received.message.id,
        "duplicate": False,
    }
    assert (received.pool, received.queue, received.skills, received.priority) == ("sales", "sales", {"orders": 2}, 5)
    assert (received.any_of, received.preferred_agent) == (({"lang.it": 3}, {"lang.en": 4}), "anna")
    assert received.message.handle == "mailto:luca@example.com"
    assert received.message.handles == ("mailto:luca@example.com", "tel:+393331234567")
    assert received.message.occurred_ms == 1_795_336_200_000
    assert received.message.attributes == {"order": "4711"}


async def test_the_same_contact_again_says_so(ingest: Ingest) -> None:
    await post(ingest)
    assert (await post(ingest)).json()["duplicate"] is True
    first, second = await ingest.received()
    assert first.message.id == second.message.id


async def test_an_integration_tells_that_a_customer_did_not_wait(ingest: Ingest) -> None:
    # given a contact that was handed in
    hint = (await post(ingest)).json()["contact_hint"]
    path = f"/v1/contacts/{hint}/left"
    # when its customer leaves
    headers = {**ingest.token(), "X-Correlation-Id": "left-1"}
    assert (await ingest.client.post(path, json={"account": "api"}, headers=headers)).status_code == 202
    # then the router is told, in the account's pool, after the contact
    _, left = await ingest.received()
    assert left == CustomerLeft(pool="sales", contact_id=hint, correlation_id="left-1")
    # and only integrations tell it, of accounts that there are
    assert (await ingest.client.post(path, json={"account": "api"})).status_code == 401
    answer = await ingest.client.post(path, json={"account": "none"}, headers=ingest.token())
    assert answer.status_code == 404


async def test_an_idempotency_key_stands_in_for_an_external_id(ingest: Ingest) -> None:
    body = {name: value for name, value in CONTACT.items() if name != "external_id"}
    ids = []
    for key in ("k1", "k1", "k2"):
        headers = {**ingest.token(), "idempotency-key": key}
        ids.append((await ingest.client.post("/v1/contacts", json=body, headers=headers)).json()["message_id"])
    assert ids[0] == ids[1] != ids[2]


async def test_only_integrations_may_hand_contacts_in(ingest: Ingest) -> None:
    assert (await ingest.client.post("/v1/contacts", json=CONTACT)).status_code == 401
    headers = {"authorization": "Bearer nonsense"}
    assert (await ingest.client.post("/v1/contacts", json=CONTACT, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"account": "nobody"}, 404, "#/account"),
        ({"account": "support-mail"}, 422, "#/account"),
        ({"customer": {"handle": "luca@example.com"}}, 422, "#/customer/handle"),
        ({"customer": {"handle": "mailto:nobody"}}, 422, "#/customer/handle"),
        ({"customer": {}}, 422, "#/customer/handle"),
        ({"skills": {"orders": 9}}, 422, "#/skills/orders"),
        ({"any_of": [{}]}, 422, "#/any_of/0"),
        ({"colour": "red"}, 422, "#/colour"),
        ({"occurred_at": "2026-11-22T09:30:00"}, 422, "#/occurred_at"),
        ({"attachments": [{"name": "x"}]}, 422, "#/attachments/0"),
        ({"attachments": [{"name": "x", "content_base64": "!"}]}, 422, "#/attachments/0/content_base64"),
    ],
)
async def test_bad_fields_are_named(ingest: Ingest, changes: dict, status: int, pointer: str) -> None:
    answer = await post(ingest, **changes)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert await ingest.received() == []


async def test_malformed_json_is_400(ingest: Ingest) -> None:
    headers = {**ingest.token(), "content-type": "application/json"}
    for body in (b"{", b'{"text": "\\u0000"}', b"\xff"):
        answer = await ingest.client.post("/v1/contacts", content=body, headers=headers)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"


FORM = {
    "name": "Luca",
    "email": "luca@example.com",
    "phone": "333 1234567",
    "subject": "Il mio ordine",
    "message": "Dov'è? Perché?",
    "shop": "Milano",
}


async def test_a_form_becomes_a_contact_with_both_handles(ingest: Ingest) -> None:
    answer = await ingest.client.post("/v1/forms/contact-form", data=FORM)
    assert answer.status_code == 202
    (received,) = await ingest.received()
    message = received.message
    assert message.handles == ("mailto:luca@example.com", "tel:+393331234567")
    assert (message.text, message.subject, message.language) == ("Dov'è? Perché?", "Il mio ordine", "it")
    assert message.attributes == {"shop": "Milano"}
    assert received.queue == "orders"
    assert answer.json()["message_id"] == message.id


async def test_a_form_as_json_and_with_a_file(ingest: Ingest) -> None:
    assert (await ingest.client.post("/v1/forms/contact-form", json=FORM)).status_code == 202
    files = {"receipt": ("ricevuta.pdf", b"%PDF-1.7", "application/pdf")}
    assert (await ingest.client.post("/v1/forms/contact-form", data=FORM, files=files)).status_code == 202
    _, received = await ingest.received()
    (attachment,) = received.message.attachments
    assert (attachment.name, attachment.content_type, attachment.size_bytes) == ("ricevuta.pdf", "application/pdf", 8)
    blob = await ingest.service._blobs.get(attachment.id)
    assert blob is not None
    assert blob.content == b"%PDF-1.7"


async def test_a_browser_gets_a_page_of_thanks_in_the_customers_language(ingest: Ingest) -> None:
    headers = {"accept": "text/html"}
    for language, word in (("it", "Grazie"), ("en", "Thank you"), ("de", "Grazie")):
        data = {**FORM, "language": language}
        answer = await ingest.client.post("/v1/forms/contact-form", data=data, headers=headers)
        assert answer.status_code == 202
        assert word in answer.text


async def test_a_script_on_another_site_may_post(ingest: Ingest) -> None:
    answer = await ingest.client.options("/v1/forms/contact-form", headers={"origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_the_same_submission_again_is_the_same_message(ingest: Ingest) -> None:
    for _ in range(2):
        await ingest.client.post("/v1/forms/contact-form", data={**FORM, "submission_id": "s1"})
    first, second = await ingest.received()
    assert first.message.id == second.message.id


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"email": "nobody"}, "#/email"),
        ({"phone": "abc"}, "#/phone"),
        ({"email": "", "phone": ""}, "#/email"),
        ({"message": " \0 "}, "#/message"),
    ],
)
async def test_what_is_wrong_with_a_form_is_said(ingest: Ingest, changes: dict, pointer: str) -> None:
    answer = await ingest.client.post("/v1/forms/contact-form", data={**FORM, **changes})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert await ingest.received() == []


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data; boundary=x", b"nonsense", 400),
        ("multipart/form-data", b"nonsense", 400),
        ("application/json", b"[]", 400),
        ("application/json", b'{"message": {"a": 1}, "email": "a@b.example"}', 422),
        ("text/csv", b"a,b", 415),
    ],
)
async def test_a_form_that_cannot_be_read(ingest: Ingest, content_type: str, body: bytes, status: int) -> None:
    headers = {"content-type": content_type}
    answer = await ingest.client.post("/v1/forms/contact-form", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_there_are_no_forms_but_those_configured(ingest: Ingest) -> None:
    for name in ("nobody", "api", "support-mail"):
        assert (await ingest.client.post(f"/v1/forms/{name}", data=FORM)).status_code == 404
