"""A user with configurations of his own: what he may test and change, and what he may not even find."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.models import LLMUsage
from example.stub_provider import StubProvider, directive
from tests.django.builders import KEY, make_stub_config
from tests.django.factories import make_config, make_user

pytestmark = pytest.mark.django_db

USER = "/api/v1/user/llm-config/"
PROMPT = directive(text="mine")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("models", "models"),
        ("providers", "providers"),
        ("test", "test"),
        ("test-call", "test-call"),
        ("decision-test", "decision-test"),
        ("fallback", f"{UUID(int=1)}/fallback"),
        ("fallback-reset", f"{UUID(int=1)}/fallback/reset"),
    ],
)
def test_names_and_addresses_are_those_of_the_reference(name: str, path: str) -> None:
    arguments = [UUID(int=1)] if name.startswith("fallback") else []

    assert reverse(f"agentcore_metering_user:{name}", args=arguments) == USER + path
    assert APIClient().post(USER + path).status_code in (401, 403)


@pytest.mark.parametrize("path", ["models", "providers"])
def test_catalogue_is_for_every_user(client: APIClient, path: str) -> None:
    assert client.get(USER + path).status_code == 200


def test_own_configuration_can_be_tried(client: APIClient, alice: Any, stub: StubProvider) -> None:
    row = make_stub_config(stub, user=alice)

    answer = client.post(f"{USER}test-call", {"config_uuid": str(row.uuid), "prompt": PROMPT}, format="json").json()

    assert answer["content"] == "mine"
    assert LLMUsage.objects.values_list("node_name", "user_id").get() == ("user_test_call", alice.pk)


@pytest.mark.parametrize("owner", ["bob", None], ids=["another user's", "everybody's"])
def test_other_configurations_are_not_found(client: APIClient, stub: StubProvider, owner: str | None) -> None:
    row = make_stub_config(stub, user=make_user(owner) if owner else None)
    form = {"provider": "openai", "config": {"api_key": "***", "api_base": stub.api_base()}}

    tried = client.post(f"{USER}test-call", {"config_uuid": str(row.uuid), "prompt": PROMPT}, format="json")
    tested = client.post(f"{USER}test", {**form, "config_uuid": str(row.uuid)}, format="json")

    assert tried.json() == {"ok": False, "detail": "Config not found", "error_key": "config_not_found"}
    assert tested.status_code == 400
    assert stub.requests == ()
    for response in (
        client.get(f"{USER}{row.uuid}/fallback"),
        client.put(f"{USER}{row.uuid}/fallback", {"fallback": None}, format="json"),
        client.post(f"{USER}{row.uuid}/fallback/reset"),
    ):
        assert response.status_code == 404


def test_own_form_is_tested_with_the_own_stored_key(client: APIClient, alice: Any, stub: StubProvider) -> None:
    row = make_stub_config(stub, user=alice)
    form = {"provider": "openai", "config": {"model": "gpt-4o-mini", "api_key": "***", "api_base": stub.api_base()}}

    response = client.post(f"{USER}test", {**form, "config_uuid": str(row.uuid)}, format="json")

    assert response.json() == {"ok": True}
    assert stub.requests[0].api_key == KEY


def test_own_policy_names_own_configurations_alone(client: APIClient, alice: Any) -> None:
    row, own = make_config(user=alice), make_config(config={"model": "gpt-4o", "api_key": KEY}, user=alice)
    common = make_config(config={"model": "gpt-4o", "api_key": KEY})

    def put(uuid: UUID) -> Any:
        return client.put(f"{USER}{row.uuid}/fallback", {"fallback": {"model_uuids": [str(uuid)]}}, format="json")

    assert put(own.uuid).status_code == 200
    assert put(common.uuid).status_code == 400


def test_staff_may_try_everybodys(client: APIClient, alice: Any, stub: StubProvider) -> None:
    alice.is_staff = True
    row = make_stub_config(stub)

    answer = client.post(f"{USER}test-call", {"config_uuid": str(row.uuid), "prompt": PROMPT}, format="json")

    assert answer.json()["ok"] is True
