from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.models import LLMConfig
from tests.django.api.urls import LLM_CONFIG_USERS, UNKNOWN, user_config_url
from tests.django.factories import KEY, make_config, make_user

pytestmark = pytest.mark.django_db

BODY = {"provider": "openai", "config": {"api_key": KEY, "model": "gpt-4"}}


def test_user_without_a_configuration_has_none_to_show(api: APIClient) -> None:
    response = api.get(user_config_url(make_user().pk))

    assert response.status_code == 404
    assert response.json() == {"detail": "No LLM config for this user. Use PUT to create."}


@pytest.mark.parametrize("method", ["get", "put", "delete"])
@pytest.mark.parametrize("pk", [999999, 2**70, UNKNOWN], ids=str)
def test_unknown_user_is_not_found(api: APIClient, method: str, pk: object) -> None:
    response = getattr(api, method)(user_config_url(pk), BODY, format=None if method == "get" else "json")

    assert (response.status_code, response.json()) == (404, {"detail": "User not found."})


def test_put_makes_the_configuration_and_then_changes_it(api: APIClient) -> None:
    alice = make_user()
    url = user_config_url(alice.pk)

    made = api.put(url, BODY, format="json")
    changed = api.put(url, {"config": {"model": "gpt-5"}}, format="json")

    assert (made.status_code, changed.status_code) == (200, 200)
    assert api.get(url).json() == changed.json()
    assert (made.json()["scope"], made.json()["user_id"], made.json()["username"]) == ("user", alice.pk, "alice")
    assert changed.json()["config"] == {"api_key": "***4711", "model": "gpt-5"}
    assert LLMConfig.objects.get().config == {"api_key": KEY, "model": "gpt-5"}


def test_put_without_a_flag_makes_it_active(api: APIClient) -> None:
    row = make_config(user=make_user(), is_active=False)

    assert api.put(user_config_url(row.user_id), {}, format="json").json()["is_active"] is True


def test_two_configurations_of_a_user_are_a_conflict(api: APIClient) -> None:
    alice = make_user()
    make_config(user=alice)
    make_config(user=alice)
    url = user_config_url(alice.pk)

    for response in (api.get(url), api.put(url, BODY, format="json")):
        assert response.status_code == 409
        assert response.json()["detail"].startswith("Multiple user LLM configs exist")


def test_configuration_of_another_type_is_not_the_users_language_model(api: APIClient) -> None:
    alice = make_user()
    make_config(user=alice, model_type="embedding")

    assert api.get(user_config_url(alice.pk)).status_code == 404


def test_delete_removes_all_of_the_user_and_nothing_else(api: APIClient) -> None:
    alice = make_user("alice")
    make_config(user=alice)
    make_config(user=alice, model_type="embedding")
    kept = {make_config().pk, make_config(user=make_user("bob")).pk}

    first, second = api.delete(user_config_url(alice.pk)), api.delete(user_config_url(alice.pk))

    assert first.status_code == 204
    assert (second.status_code, second.json()) == (404, {"detail": "No user config to delete."})
    assert set(LLMConfig.objects.values_list("pk", flat=True)) == kept


def test_list_has_users_configurations_of_any_type(api: APIClient) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    make_config(user=alice, model_type="embedding")
    make_config(user=bob)
    make_config()

    def owners(**params: Any) -> list[str]:
        return [item["username"] for item in api.get(LLM_CONFIG_USERS, params).json()]

    assert owners() == ["alice", "bob"]
    assert owners(user_id=bob.pk) == ["bob"]
    assert owners(user_id=4711) == []
