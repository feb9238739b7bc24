"""Customers who want to be called, handed in over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from libs.common.events.inputs import CallbackWish, CustomerLeft
from tests.integration.ingest.conftest import Ingest

CALLBACK = {"account": "api", "handle": "tel:+39 333 123 4567", "not_before": "2026-11-23T09:30:00+01:00"}
NOT_BEFORE_MS = 1_795_422_600_000


async def post(ingest: Ingest, **changes: Any) -> httpx.Response:
    return await ingest.client.post("/v1/callbacks", json={**CALLBACK, **changes}, headers=ingest.token())


async def test_a_callback_is_taken_as_a_contact_that_wants_to_be_called(ingest: Ingest) -> None:
    answer = await post(ingest, name="Luca", subject="Ordine 4711", skills={"orders": 2})
    assert answer.status_code == 202, answer.text
    (received,) = await ingest.received()
    assert answer.json()["contact_hint"] == received.contact_id
    assert received.callback == CallbackWish(handle="tel:+393331234567", not_before_ms=NOT_BEFORE_MS)
    assert (received.message.handle, received.message.name) == ("tel:+393331234567", "Luca")
    assert (received.message.subject, received.skills) == ("Ordine 4711", {"orders": 2})


async def test_a_contact_may_ask_to_be_called(ingest: Ingest) -> None:
    contact = {"account": "api", "customer": {"handle": "mailto:luca@example.com"}, "text": "Mi chiami."}
    body = {**contact, "callback": {"handle": "tel:0039 333 1234567"}}
    answer = await ingest.client.post("/v1/contacts", json=body, headers=ingest.token())
    assert answer.status_code == 202, answer.text
    (received,) = await ingest.received()
    assert received.callback == CallbackWish(handle="tel:+393331234567")
    assert received.message.handle == "mailto:luca@example.com"


@pytest.mark.parametrize(
    "handle", ["tel:333 1234567", "mailto:luca@example.com", "+393331234567", "tel:+0393331234567"]
)
async def test_a_number_that_cannot_be_called_is_refused_with_its_place(ingest: Ingest, handle: str) -> None:
    answer = await post(ingest, handle=handle)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/handle"]
    body = {"account": "api", "customer": {"handle": "mailto:luca@example.com"}, "callback": {"handle": handle}}
    answer = await ingest.client.post("/v1/contacts", json=body, headers=ingest.token())
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/callback/handle"]


async def test_the_same_callback_again_says_so(ingest: Ingest) -> None:
    await post(ingest, external_id="ivr-1")
    assert (await post(ingest, external_id="ivr-1")).json()["duplicate"] is True


async def test_a_customer_may_want_no_call_any_more(ingest: Ingest) -> None:
    hint = (await post(ingest)).json()["contact_hint"]
    path = f"/v1/callbacks/{hint}"
    headers = {**ingest.token(), "X-Correlation-Id": "decline-1"}
    answer = await ingest.client.delete(path, params={"account": "api"}, headers=headers)
    assert answer.status_code == 202, answer.text
    asked, declined = await ingest.received()
    assert declined == CustomerLeft(pool="sales", contact_id=hint, declines_callback=True, correlation_id="decline-1")
    # and what was asked for knows its own request, too
    assert asked.correlation_id.startswith("cor_")
    unknown = await ingest.client.delete(path, params={"account": "nothing"}, headers=ingest.token())
    assert unknown.status_code == 404


async def test_a_token_is_needed(ingest: Ingest) -> None:
    assert (await ingest.client.post("/v1/callbacks", json=CALLBACK)).status_code == 401
