"""The descriptions of the API: complete, and valid by their own standards."""

from __future__ import annotations

from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

from libs.common.clock import VirtualClock
from libs.common.log.memory import MemoryLog
from services.agent_api.compose import compose
from services.agent_api.view_frames import FRAME_TYPES
from tests.support.agent_api import a_configuration, settings_for
from tests.support.asyncapi import document


def test_every_frame_type_is_described() -> None:
    described = document()
    assert described["asyncapi"].startswith("3.")
    assert set(described["components"]["messages"]) == set(FRAME_TYPES)
    assert set(described["channels"]["stream"]["messages"]) == set(FRAME_TYPES)


async def test_the_openapi_document_is_valid_and_names_every_route(tmp_path: Path) -> None:
    # given
    clock = VirtualClock()
    service = compose(settings_for(tmp_path), a_configuration(), log=MemoryLog(clock=clock), clock=clock)

    # when
    openapi = service.app.openapi()

    # then
    OpenAPIV31SpecValidator(openapi).validate()
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }
    assert {name for name in operations if "/v1/" in name} == {
        "POST /v1/session",
        "GET /v1/me",
        "PUT /v1/me/presence",
        "GET /v1/me/work",
        "POST /v1/stream/tickets",
        "GET /v1/commands/{command_id}",
        "POST /v1/offers/{offer_id}/accept",
        "POST /v1/offers/{offer_id}/reject",
        "GET /v1/contacts",
        "GET /v1/contacts/{contact_id}",
        "GET /v1/contacts/{contact_id}/messages",
        "POST /v1/contacts/{contact_id}/messages",
        "GET /v1/contacts/{contact_id}/timeline",
        "GET /v1/contacts/{contact_id}/explain",
        "POST /v1/contacts/{contact_id}/notes",
        "POST /v1/contacts/{contact_id}/resolve",
        "POST /v1/contacts/{contact_id}/wrap-up/done",
        "POST /v1/contacts/{contact_id}/wrap-up/extend",
        "POST /v1/contacts/{contact_id}/transfer",
        "POST /v1/contacts/{contact_id}/hold",
        "POST /v1/contacts/{contact_id}/callback",
        "POST /v1/contacts/{contact_id}/callback/not-reached",
        "POST /v1/contacts/{contact_id}/resume",
        "POST /v1/contacts/{contact_id}/pull",
        "POST /v1/contacts/{contact_id}/consult",
        "DELETE /v1/contacts/{contact_id}/consult",
        "POST /v1/contacts/{contact_id}/assign",
        "POST /v1/contacts/{contact_id}/requeue",
        "PATCH /v1/contacts/{contact_id}",
        "POST /v1/contacts/{contact_id}/cancel",
        "GET /v1/attachments/{attachment_id}",
        "GET /v1/customers",
        "GET /v1/customers/{customer_id}",
        "GET /v1/colleagues",
        "GET /v1/destinations",
        "GET /v1/queues",
        "GET /v1/expected-waits",
        "POST /v1/queues/{queue}/drain",
        "DELETE /v1/queues/{queue}/drain",
        "GET /v1/agents",
        "PUT /v1/agents/{agent_id}/presence",
        "GET /v1/metrics/realtime",
        "GET /v1/reports/service-level",
    }
    for name, operation in operations.items():
        if "/v1/" not in name:
            continue
        answers = operation["responses"]
        assert "application/problem+json" in answers["503"]["content"], name
        parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert name.startswith("GET") or "Idempotency-Key" in parameters, name
    await service.close()
