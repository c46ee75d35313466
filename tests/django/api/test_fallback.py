from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from pytest_django import Settings
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.config.fallback import DEFAULT_POLICY, FallbackPolicy
from agentcore_metering.adapters.django.config.health import PolicyHealth
from agentcore_metering.adapters.django.models import LLMConfig
from tests.django.api.urls import LLM_CONFIG, config_url
from tests.django.factories import KEY, make_config, make_user

pytestmark = pytest.mark.django_db

POLICY = FallbackPolicy()


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def address(row: LLMConfig, end: str = "") -> str:
    return f"{LLM_CONFIG}{row.uuid}/fallback{end}"


def put(api: APIClient, row: LLMConfig, policy: Any) -> Any:
    return api.put(address(row), {"fallback": policy}, format="json")


def other(model: str = "gpt-4o", **fields: Any) -> LLMConfig:
    return make_config(config={"model": model, "api_key": KEY}, **fields)


def test_policy_is_stored_with_its_defaults_and_shown(api: APIClient) -> None:
    row, backup = make_config(), other()

    response = put(api, row, {"model_uuids": [str(backup.uuid)], "retries": 1})

    shown = response.json()
    expected = {**DEFAULT_POLICY.as_json(), "model_uuids": [str(backup.uuid)], "retries": 1}
    assert response.status_code == 200
    assert shown == {
        "fallback": expected,
        "defaults": DEFAULT_POLICY.as_json(),
        "effective_policy": expected,
        "inherited_from": None,
        "backups": [{"uuid": str(backup.uuid), "provider": "openai", "model_type": "llm", "model": "gpt-4o"}],
        "candidates": [
            {
                "uuid": str(backup.uuid),
                "provider": "openai",
                "model_type": "llm",
                "model": "gpt-4o",
                "scope": "global",
                "fallback": None,
            }
        ],
        "inheritance": {"available": True, "source_uuid": str(row.uuid), "policy": expected},
        "health": [{"uuid": str(one.uuid), "state": "ready", "remaining_seconds": 0} for one in (row, backup)],
    }
    assert api.get(address(row)).json() == shown
    assert api.get(config_url(row.uuid)).json()["fallback"] == expected
    assert KEY not in response.content.decode()


def test_null_takes_the_policy_away(api: APIClient) -> None:
    row = make_config(fallback={"model_uuids": []})

    response = put(api, row, None)

    assert response.json()["fallback"] is None
    row.refresh_from_db()
    assert row.fallback is None


@pytest.mark.parametrize(
    "policy",
    [{"retries": 5}, {"unknown": 1}, [], "x", {"model_uuids": [str(UUID(int=4711))]}, {"inherit_global": True}],
)
def test_policy_that_cannot_be_is_400(api: APIClient, policy: Any) -> None:
    row = make_config()

    response = put(api, row, policy)

    assert response.status_code == 400
    assert "fallback" in response.json()
    row.refresh_from_db()
    assert row.fallback is None


def test_body_without_a_policy_is_400(api: APIClient) -> None:
    assert api.put(address(make_config()), {}, format="json").status_code == 400


@pytest.mark.parametrize("case", ["itself", "inactive", "another's", "embedding", "same place"])
def test_backup_that_cannot_be_one_is_refused(api: APIClient, case: str) -> None:
    row = make_config()
    backups: dict[str, Callable[[], LLMConfig]] = {
        "itself": lambda: row,
        "inactive": lambda: other(is_active=False),
        "another's": lambda: other(user=make_user()),
        "embedding": lambda: other(model_type="embedding"),
        "same place": make_config,
    }

    response = put(api, row, {"model_uuids": [str(backups[case]().uuid)]})

    assert response.status_code == 400
    assert "model_uuids" in response.json()["fallback"]


def test_configuration_that_is_no_language_model_has_no_policy(api: APIClient) -> None:
    assert put(api, make_config(model_type="embedding"), {}).status_code == 400


def test_inherited_policy_is_shown_with_its_source(api: APIClient) -> None:
    backup = other()
    source = make_config(is_default=True, fallback={"model_uuids": [str(backup.uuid)]})
    own = make_config(user=make_user())

    shown = put(api, own, {"inherit_global": True}).json()

    assert shown["inherited_from"] == str(source.uuid)
    assert shown["effective_policy"]["model_uuids"] == [str(backup.uuid)]
    assert [one["uuid"] for one in shown["health"]] == [str(own.uuid), str(backup.uuid)]


def test_cool_downs_are_shown_and_reset(api: APIClient) -> None:
    backup = other()
    row = make_config(fallback={"model_uuids": [str(backup.uuid)]})
    PolicyHealth(POLICY).failed(backup.uuid, "timeout")

    before = api.get(address(row)).json()["health"][1]
    after = api.post(address(row, "/reset")).json()["health"][1]

    assert (before["state"], before["reason"]) == ("cooling", "timeout")
    assert after["state"] == "ready"


def test_change_of_a_configuration_ends_its_cool_down(api: APIClient) -> None:
    backup = other()
    row = make_config(fallback={"model_uuids": [str(backup.uuid)]})
    PolicyHealth(POLICY).failed(row.uuid, "timeout")

    api.put(config_url(row.uuid), {"config": {"temperature": 0.5}}, format="json")

    assert api.get(address(row)).json()["health"][0]["state"] == "ready"


@pytest.mark.parametrize(("method", "end"), [("get", ""), ("put", ""), ("post", "/reset")])
def test_configuration_that_is_not_there_is_404(api: APIClient, method: str, end: str) -> None:
    url = f"{LLM_CONFIG}{UUID(int=4711)}/fallback{end}"

    body = None if method == "get" else {"fallback": None}
    assert getattr(api, method)(url, body, format="json").status_code == 404


def test_configurations_that_cannot_be_opened_are_shown_and_can_be_chosen(api: APIClient, settings: Settings) -> None:
    unreadable, twin = make_config(), make_config()
    settings.SECRET_KEY = "quite another one, and long enough"
    row = make_config()

    assert [each["uuid"] for each in api.get(address(row)).json()["candidates"]] == [
        str(unreadable.uuid),
        str(twin.uuid),
    ]
    assert put(api, row, {"model_uuids": [str(unreadable.uuid)]}).status_code == 200
    assert put(api, unreadable, {"model_uuids": [str(row.uuid), str(twin.uuid)]}).status_code == 200
