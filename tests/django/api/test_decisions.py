"""`llm-config/decision-test`, of admins and of users, and a decision model in `llm-config/test/`."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import litellm
import pytest
from django.core.cache import cache
from pytest_django import Settings
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.models import LLMUsage
from example.stub_provider import StubProvider, directive
from tests.django.api.test_single_trial import begun
from tests.django.api.urls import LLM_CONFIG
from tests.django.builders import KEY
from tests.django.factories import make_user
from tests.django.trackers.test_decisions import QUESTIONS, TEXT, USAGE_KEYS, form, make_decision_config

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not hasattr(litellm, "decisions"), reason="this LiteLLM has no decisions()"),
]

ADMIN = f"{LLM_CONFIG}decision-test"
OWN = "/api/v1/user/llm-config/decision-test"


@pytest.fixture(autouse=True)
def _clean(settings: Settings) -> None:
    settings.AGENTCORE_METERING_TEST_RATE = None
    cache.clear()


def post(api: APIClient, body: Any, url: str = ADMIN, **headers: Any) -> Any:
    return api.post(url, {"input": TEXT, "questions": QUESTIONS, **body}, format="json", **headers)


def test_stored_decision_model_answers(api: APIClient, admin: Any, stub: StubProvider) -> None:
    row = make_decision_config(stub)

    response = post(api, {"config_uuid": str(row.uuid)})

    answer = response.json()
    assert (response.status_code, answer["ok"]) == (200, True)
    assert [one["type"] for one in answer["answers"]] == ["predicate", "choice", "score"]
    assert set(answer["usage"]) == USAGE_KEYS
    usage = LLMUsage.objects.get()
    assert (usage.node_name, usage.user, usage.config_uuid) == ("admin_decision_test", admin, row.uuid)


def test_form_that_is_not_saved_answers(api: APIClient, stub: StubProvider) -> None:
    answer = post(api, form(stub)).json()

    assert answer["ok"] is True
    assert LLMUsage.objects.get().config_uuid is None


def test_provider_that_is_not_named_is_a_gateway(api: APIClient, stub: StubProvider) -> None:
    assert post(api, {"config": form(stub)["config"]}).json()["ok"] is True

    assert LLMUsage.objects.get().provider == "litellm_proxy"


def test_providers_error_is_told_in_words(api: APIClient, stub: StubProvider) -> None:
    row = make_decision_config(stub)

    response = post(api, {"config_uuid": str(row.uuid), "input": directive(status=401, echo_key=1)})

    assert response.status_code == 200
    assert (response.json()["ok"], response.json()["error_key"]) == (False, "invalid_api_key")
    assert KEY not in response.content.decode()


def test_answers_that_are_none_are_told_in_words(api: APIClient, stub: StubProvider) -> None:
    row = make_decision_config(stub)
    told = json.dumps([{"type": "predicate", "name": "urgent", "probability": 7}])
    body = {"config_uuid": str(row.uuid), "input": directive(text=told), "questions": QUESTIONS[:1]}

    response = post(api, body)

    assert (response.status_code, response.json()["error_key"]) == (200, "invalid_json")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"input": ""}, "input"),
        ({"input": "x" * 500_001}, "input"),
        ({"questions": []}, "questions"),
        ({"questions": ["?"]}, "questions"),
        ({"questions": [{"type": "box", "instructions": "x"}]}, "questions"),
        ({"questions": [QUESTIONS[0]] * 129}, "questions"),
        ({"stream": True}, "stream"),
        ({"config_uuid": "x"}, "config_uuid"),
        ({"config": []}, "config"),
        ({"config": {"api_base": "http://169.254.169.254/"}}, "config"),
        ({"config": {"api_key": "***"}}, "config"),
    ],
)
def test_wrong_request_is_400_with_its_fields(api: APIClient, body: dict[str, Any], field: str) -> None:
    response = post(api, body)

    assert response.status_code == 400
    assert response.json()["ok"] is False
    assert field in response.json()["detail"]


@pytest.mark.parametrize("body", [{"config": {"model": "m"}}, {"config_uuid": str(UUID(int=4711))}])
def test_configuration_that_cannot_be_used_is_400_in_the_readers_language(api: APIClient, body: dict[str, Any]) -> None:
    english = post(api, body)
    chinese = post(api, body, HTTP_ACCEPT_LANGUAGE="zh-hans")

    assert (english.status_code, chinese.status_code) == (400, 400)
    assert english.json()["detail"].isascii()
    assert not chinese.json()["detail"].isascii()
    assert not LLMUsage.objects.exists()


def test_question_that_cannot_be_asked_is_told_in_the_readers_language(api: APIClient) -> None:
    response = post(api, {"questions": [{"type": "box", "instructions": "x"}]}, HTTP_ACCEPT_LANGUAGE="zh-hans")

    [text] = response.json()["detail"]["questions"]
    assert "类型必须是 predicate" in text


@pytest.mark.parametrize("fields", [{"is_active": False}, {"model_type": "llm"}])
def test_configuration_that_no_decision_can_name_is_400(
    api: APIClient, stub: StubProvider, fields: dict[str, Any]
) -> None:
    row = make_decision_config(stub, **fields)

    assert post(api, {"config_uuid": str(row.uuid)}).status_code == 400
    assert stub.requests == ()


def test_one_test_of_a_user_at_a_time(api: APIClient, admin: Any, stub: StubProvider) -> None:
    row = make_decision_config(stub)
    mark = begun(admin)

    assert post(api, {"config_uuid": str(row.uuid)}).status_code == 429
    mark.end()
    assert post(api, {"config_uuid": str(row.uuid)}).status_code == 200


# --- users' own


def test_own_decision_model_answers(client: APIClient, alice: Any, stub: StubProvider) -> None:
    row = make_decision_config(stub, user=alice)

    assert post(client, {"config_uuid": str(row.uuid)}, OWN).json()["ok"] is True

    assert LLMUsage.objects.values_list("node_name", "user_id").get() == ("user_decision_test", alice.pk)


@pytest.mark.parametrize("owner", ["bob", None], ids=["another user's", "everybody's"])
def test_other_decision_models_are_not_found(client: APIClient, stub: StubProvider, owner: str | None) -> None:
    row = make_decision_config(stub, user=make_user(owner) if owner else None)

    response = post(client, {"config_uuid": str(row.uuid)}, OWN)

    assert (response.status_code, response.json()) == (404, {"detail": "Not found."})
    assert stub.requests == ()


# --- llm-config/test/


def test_decision_model_is_tested_by_a_question(api: APIClient, stub: StubProvider) -> None:
    response = api.post(f"{LLM_CONFIG}test/", {**form(stub), "model_type": "decision"}, format="json")

    assert response.json() == {"ok": True}
    [request] = stub.requests
    assert request.path == "/v1/decisions"
    assert [question["type"] for question in request.body["questions"]] == ["predicate"]
    assert LLMUsage.objects.get().node_name == "config_test"


def test_decision_model_that_refuses_fails_its_test(
    api: APIClient, stub: StubProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "agentcore_metering.adapters.django.trackers.trial.CONNECTION_TEXT", directive(finish="content_filter")
    )

    response = api.post(f"{LLM_CONFIG}test/", {**form(stub), "model_type": "decision"}, format="json")

    assert (response.json()["ok"], response.json()["error_key"]) == (False, "content_policy")


@pytest.mark.parametrize("model_type", [None, "llm", "embedding"])
def test_every_other_type_is_tested_by_a_greeting(api: APIClient, stub: StubProvider, model_type: str | None) -> None:
    body = {**form(stub, model="gpt-4o-mini"), "model_type": model_type}

    assert api.post(f"{LLM_CONFIG}test/", body, format="json").json() == {"ok": True}
    assert stub.requests[0].path == "/v1/chat/completions"


def test_new_configuration_of_a_decision_provider_is_of_that_type(api: APIClient) -> None:
    body = {"provider": "typesafe", "config": {"model": "jev-latest", "api_key": KEY}}

    made = api.post(LLM_CONFIG, body, format="json").json()

    assert made["model_type"] == "decision"
    listed = api.get(LLM_CONFIG, {"model_type": "decision"}).json()
    assert [one["uuid"] for one in listed] == [made["uuid"]]
    assert api.get(LLM_CONFIG).json() == []


def test_account_goes_with_its_key(api: APIClient) -> None:
    row = make_stub_config_of_cloudflare(api)

    refused = api.put(f"{LLM_CONFIG}{row}/", {"config": {"account_id": "b" * 32}}, format="json")

    assert refused.status_code == 400
    assert "api_key" in refused.json()["config"]


def make_stub_config_of_cloudflare(api: APIClient) -> str:
    config = {"model": "clef-flash", "api_key": KEY, "account_id": "a" * 32}
    made = api.post(LLM_CONFIG, {"provider": "cloudflare", "config": config}, format="json").json()
    assert (made["model_type"], made["config"]["account_id"]) == ("decision", "a" * 32)
    uuid: str = made["uuid"]
    return uuid
