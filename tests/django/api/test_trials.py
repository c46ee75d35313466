from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.test import AsyncClient, Client
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.runtime import flush
from agentcore_metering.core import dropped
from example.stub_provider import StubProvider, directive
from tests.django.api.asgi import post_scope
from tests.django.api.urls import LLM_CONFIG
from tests.django.builders import KEY, make_stub_config
from tests.django.factories import make_config, make_user
from tests.django.trackers.operation_cases import run

pytestmark = pytest.mark.django_db

TEST = f"{LLM_CONFIG}test/"
TEST_CALL = f"{LLM_CONFIG}test-call/"
HELLO = directive(in_=7, out=5, text="Hi there", chunks=4)
USAGE_KEYS = {
    "model",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "cost_currency",
}


def stub_form(stub: StubProvider, **config: Any) -> dict[str, Any]:
    options = {"model": "gpt-4o-mini", "api_key": KEY, "api_base": stub.api_base(), "num_retries": 0, **config}
    return {"provider": "openai", "config": options}


def post(api: APIClient, url: str, body: Any) -> Any:
    return api.post(url, body, format="json")


def call_body(row: Any, **fields: Any) -> dict[str, Any]:
    return {"config_uuid": str(row.uuid), "prompt": HELLO, **fields}


def read_events(body: bytes) -> list[dict[str, Any]]:
    blocks = body.decode("ascii").split("\n\n")
    assert blocks.pop() == ""
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


# --- test/


def test_working_form_is_ok_and_leaves_one_row(api: APIClient, admin: Any, stub: StubProvider) -> None:
    response = post(api, TEST, stub_form(stub))

    assert (response.status_code, response.json()) == (200, {"ok": True})
    row = LLMUsage.objects.get()
    assert (row.node_name, row.user, row.success, row.config_uuid) == ("config_test", admin, True, None)
    [request] = stub.requests
    assert request.body["max_tokens"] == 64


def test_refused_key_is_told_in_words_without_the_providers_text(api: APIClient, stub: StubProvider) -> None:
    row = make_stub_config(stub)

    response = post(api, TEST_CALL, call_body(row, prompt=directive(status=401)))

    assert response.status_code == 200
    assert response.json() == {
        "ok": False,
        "detail": "The API key is invalid. Please check the model configuration.",
        "error_key": "invalid_api_key",
    }
    assert KEY not in response.content.decode()


def test_detail_is_in_the_readers_language(api: APIClient, stub: StubProvider) -> None:
    row = make_stub_config(stub)

    response = api.post(
        TEST_CALL, call_body(row, prompt=directive(status=401)), format="json", HTTP_ACCEPT_LANGUAGE="zh-hans"
    )

    assert "API" in response.json()["detail"]
    assert not response.json()["detail"].isascii()


def test_without_locale_middleware_the_test_answers(api: APIClient, stub: StubProvider, settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Locale" not in name]

    assert post(api, TEST, stub_form(stub)).json() == {"ok": True}


def test_incomplete_form_is_told_what_is_missing(api: APIClient) -> None:
    response = post(api, TEST, {"provider": "openai", "config": {"model": "m"}})

    assert response.status_code == 200
    assert response.json()["ok"] is False
    assert response.json()["detail"].startswith("OpenAI configuration is incomplete. Set api_key.")
    assert not LLMUsage.objects.exists()


@pytest.mark.parametrize("reference", ["config_uuid", "config_id"])
def test_mask_stands_for_the_stored_key(api: APIClient, stub: StubProvider, reference: str) -> None:
    row = make_stub_config(stub)
    ref = str(row.uuid) if reference == "config_uuid" else row.pk
    shown = api.get(f"{LLM_CONFIG}{row.uuid}/").json()["config"]

    response = post(api, TEST, {"provider": "openai", "config": shown, reference: ref})

    assert "***" in shown["api_key"]
    assert response.json() == {"ok": True}
    assert LLMUsage.objects.get().config_uuid == row.uuid


def test_typed_key_wins_over_the_stored_one(api: APIClient, stub: StubProvider) -> None:
    row = make_stub_config(stub, config={"api_key": "stored-key-that-is-old"})

    response = post(api, TEST, {**stub_form(stub), "config_uuid": str(row.uuid)})

    assert response.json() == {"ok": True}
    row.refresh_from_db()
    assert row.config["api_key"] == "stored-key-that-is-old"


def test_mask_is_not_sent_to_another_address(api: APIClient, stub: StubProvider) -> None:
    row = make_config()
    form = stub_form(stub, api_key="***4711")

    response = post(api, TEST, {**form, "config_uuid": str(row.uuid)})

    assert response.status_code == 400
    assert response.json()["ok"] is False
    assert "api_key" in response.json()["detail"]["config"]
    assert not LLMUsage.objects.exists()


@pytest.mark.parametrize("ref", [{}, {"config_uuid": str(UUID(int=4711))}], ids=["no row named", "row is gone"])
def test_mask_of_nothing_is_refused(api: APIClient, stub: StubProvider, ref: dict[str, str]) -> None:
    response = post(api, TEST, {**stub_form(stub, api_key="***"), **ref})

    assert response.status_code == 400
    assert "api_key" in response.json()["detail"]["config"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"config": {}}, "provider"),
        ({"provider": "openai", "config": [1]}, "config"),
        ({"provider": "openai", "config": {"model": 5}}, "config"),
        ({"provider": "openai", "config_uuid": "x"}, "config_uuid"),
        ({"provider": "openai", "config_id": 2**70}, "config_id"),
    ],
)
def test_bad_form_is_400_with_its_fields(api: APIClient, body: dict[str, Any], field: str) -> None:
    response = post(api, TEST, body)

    assert response.status_code == 400
    assert response.json()["ok"] is False
    assert field in response.json()["detail"]


# --- test-call/


@pytest.mark.parametrize("reference", ["config_uuid", "config_id"])
def test_prompt_is_answered_with_content_and_usage(
    api: APIClient, admin: Any, stub: StubProvider, reference: str
) -> None:
    row = make_stub_config(stub)
    ref = str(row.uuid) if reference == "config_uuid" else row.pk

    response = post(api, TEST_CALL, {reference: ref, "prompt": HELLO})

    answer = response.json()
    assert (response.status_code, answer["ok"], answer["content"]) == (200, True, "Hi there")
    assert set(answer["usage"]) == USAGE_KEYS
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (7, 5)
    usage = LLMUsage.objects.get()
    assert (usage.node_name, usage.user, usage.config_uuid) == ("admin_test_call", admin, row.uuid)
    assert usage.metadata["node_name"] == "admin_test_call"


def test_admin_can_try_a_users_configuration(api: APIClient, stub: StubProvider) -> None:
    row = make_stub_config(stub, user=make_user("bob"))

    assert post(api, TEST_CALL, call_body(row)).json()["ok"] is True


@pytest.mark.parametrize("fields", [{"is_active": False}, {"model_type": "embedding"}])
def test_configuration_that_no_call_can_name_is_not_found(
    api: APIClient, stub: StubProvider, fields: dict[str, Any]
) -> None:
    row = make_stub_config(stub, **fields)

    response = post(api, TEST_CALL, call_body(row))

    assert response.status_code == 200
    assert response.json() == {"ok": False, "detail": "Config not found", "error_key": "config_not_found"}


def test_empty_answer_is_told_as_such(api: APIClient, stub: StubProvider) -> None:
    row = make_stub_config(stub)

    response = post(api, TEST_CALL, call_body(row, prompt=directive(empty=True)))

    assert response.json()["detail"] == "LLM returned empty response"


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"prompt": "x" * 4097}, "prompt"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 4097}, "max_tokens"),
        ({"config_uuid": None}, "non_field_errors"),
        ({"stream": "perhaps"}, "stream"),
    ],
)
def test_bad_call_is_400_with_its_fields(api: APIClient, fields: dict[str, Any], where: str) -> None:
    response = post(api, TEST_CALL, {"config_uuid": str(UUID(int=1)), "prompt": "Hi", **fields})

    assert response.status_code == 400
    assert response.json()["ok"] is False
    assert where in response.json()["detail"]


def test_max_tokens_reach_the_provider(api: APIClient, stub: StubProvider) -> None:
    row = make_stub_config(stub)

    post(api, TEST_CALL, call_body(row, max_tokens=77))

    assert stub.requests[-1].body["max_tokens"] == 77


# --- test-call/ as server-sent events


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", "application/json"])
def test_stream_is_events_that_end_with_the_usage(api: APIClient, stub: StubProvider, accept: str) -> None:
    row = make_stub_config(stub)

    response: Any = api.post(TEST_CALL, call_body(row, stream=True), format="json", HTTP_ACCEPT=accept)
    events = read_events(response.getvalue())

    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    assert (response["Cache-Control"], response["X-Accel-Buffering"]) == ("no-cache", "no")
    assert "".join(event["content"] for event in events if event["type"] == "content") == "Hi there"
    assert len(events) > 2
    assert events[-1]["type"] == "done"
    assert events[-1]["ok"] is True
    assert set(events[-1]["usage"]) == USAGE_KEYS
    assert LLMUsage.objects.get().is_streaming


def test_reasoning_comes_as_events_of_its_own(api: APIClient, stub: StubProvider) -> None:
    row = make_stub_config(stub)
    prompt = directive(think="Hmm", text="Yes", chunks=2)

    response: Any = post(api, TEST_CALL, call_body(row, prompt=prompt, stream=True))
    events = read_events(response.getvalue())

    assert "".join(event["content"] for event in events if event["type"] == "reasoning") == "Hmm"


def test_failing_stream_ends_with_words_in_the_readers_language(api: APIClient, stub: StubProvider) -> None:
    row = make_stub_config(stub)
    body = call_body(row, prompt=directive(status=401), stream=True)

    response: Any = api.post(TEST_CALL, body, format="json", HTTP_ACCEPT_LANGUAGE="zh-hans")
    [event] = read_events(response.getvalue())

    assert (event["type"], event["ok"], event["error_key"]) == ("done", False, "invalid_api_key")
    assert not event["detail"].isascii()
    assert KEY not in json.dumps(event)


@pytest.mark.parametrize(
    ("config", "key"), [(None, "config_not_found"), ({"num_retries": "many"}, "config_invalid")], ids=["gone", "broken"]
)
def test_stream_that_cannot_begin_is_one_event(
    api: APIClient, stub: StubProvider, config: dict[str, Any] | None, key: str
) -> None:
    uuid = UUID(int=4711) if config is None else make_stub_config(stub, config=config).uuid

    response: Any = post(api, TEST_CALL, {"config_uuid": str(uuid), "prompt": "Hi", "stream": True})

    assert response.status_code == 200
    [event] = read_events(response.getvalue())
    assert (event["type"], event["ok"], event["error_key"]) == ("done", False, key)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("events_read", [0, 2])
def test_wsgi_client_that_leaves_ends_the_call_as_cancelled(
    api: APIClient, stub: StubProvider, events_read: int
) -> None:
    row = make_stub_config(stub)
    response: Any = post(api, TEST_CALL, call_body(row, stream=True))
    events = iter(response)

    for _number in range(events_read):
        next(events)
    response.close()

    assert LLMUsage.objects.get().status == "cancelled"
    assert list(events) == []


async def _asgi_request(client: AsyncClient, body: dict[str, Any]) -> bytes:
    response: Any = await client.post(TEST_CALL, json.dumps(body), content_type="application/json")
    assert response.is_async
    body_read = b"".join([piece async for piece in response.streaming_content])
    await close_connections()
    return body_read


async def close_connections() -> None:
    """Those of the thread that this event loop's views ran in, which nobody else can close."""
    await sync_to_async(connections.close_all)()


@pytest.mark.django_db(transaction=True)
def test_asgi_stream_is_the_same_events(admin: Any, stub: StubProvider) -> None:
    row = make_stub_config(stub)
    client = AsyncClient()
    client.force_login(admin)
    wsgi = Client()
    wsgi.force_login(admin)

    over_asgi = read_events(run(lambda: _asgi_request(client, call_body(row, stream=True))))
    answer: Any = wsgi.post(TEST_CALL, json.dumps(call_body(row, stream=True)), content_type="application/json")

    assert read_events(answer.getvalue()) == over_asgi


@pytest.mark.django_db(transaction=True)
def test_asgi_client_that_disconnects_ends_the_call_as_cancelled(admin: Any, stub: StubProvider) -> None:
    row = make_stub_config(stub)
    client = Client()
    client.force_login(admin)
    prompt = directive(text="one two three four", chunks=4, chunk_delay_s=0.2)
    body = json.dumps(call_body(row, prompt=prompt, stream=True)).encode()
    scope = post_scope(client, TEST_CALL, body)

    async def leave_after_the_first_event() -> dict[str, Any]:
        application: Any = ApplicationCommunicator(ASGIHandler(), scope)  # type: ignore[no-untyped-call]  # it has no types
        await application.send_input({"type": "http.request", "body": body, "more_body": False})
        start: dict[str, Any] = await application.receive_output(10)
        first: dict[str, Any] = await application.receive_output(10)
        await application.send_input({"type": "http.disconnect"})
        await application.wait(10)
        await close_connections()
        return {**start, **first}

    said = run(leave_after_the_first_event)

    assert (said["status"], said["more_body"]) == (200, True)
    assert dropped.wait(5.0)
    assert flush()
    assert LLMUsage.objects.get().status == "cancelled"
