from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.api.serializers.configs import ConfigSerializer
from agentcore_metering.adapters.django.models import LLMConfig
from tests.django.api.urls import LLM_CONFIG, LLM_CONFIG_ALL, UNKNOWN, config_url
from tests.django.factories import KEY, make_config, make_user

pytestmark = pytest.mark.django_db


def put(api: APIClient, row: LLMConfig, body: Any) -> Any:
    return api.put(config_url(row.uuid), body, format="json")


def uuids(response: Any) -> list[UUID]:
    return [UUID(item["uuid"]) for item in response.json()]


def test_post_makes_a_global_configuration(api: APIClient) -> None:
    body = {"provider": " OpenAI ", "config": {"api_key": KEY, "model": "gpt-4o"}}

    response = api.post(LLM_CONFIG, body, format="json")

    row = LLMConfig.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": row.pk,
        "uuid": str(row.uuid),
        "scope": "global",
        "user": None,
        "model_type": "llm",
        "provider": "openai",
        "config": {"api_key": "***4711", "model": "gpt-4o"},
        "model_info": {
            "supported_modalities": ["text", "image"],
            "supported_output_modalities": ["text"],
            "sources": {"supported_modalities": "catalog", "supported_output_modalities": "catalog"},
        },
        "fallback": None,
        "is_active": True,
        "is_default": True,
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": row.updated_at.isoformat().replace("+00:00", "Z"),
    }
    assert row.config["api_key"] == KEY


def test_post_for_a_user_makes_his_configuration(api: APIClient) -> None:
    alice = make_user()
    body = {"scope": "user", "user_id": alice.pk, "config": {"api_key": KEY}}

    response = api.post(LLM_CONFIG, body, format="json")

    assert response.status_code == 201
    shown = response.json()
    assert (shown["user"], shown["user_id"], shown["username"]) == (alice.pk, alice.pk, "alice")
    assert shown["is_default"] is False
    assert shown.keys() == set(ConfigSerializer().fields)


@pytest.mark.parametrize("user_id", [{}, {"user_id": None}], ids=["absent", "null"])
def test_post_for_a_user_without_one_makes_nothing(api: APIClient, user_id: dict[str, Any]) -> None:
    response = api.post(LLM_CONFIG, {"scope": "user", "config": {"api_key": KEY}, **user_id}, format="json")

    assert response.status_code == 400
    assert response.json().keys() == {"user_id"}
    assert not LLMConfig.objects.exists()


def test_post_for_an_unknown_user_makes_nothing(api: APIClient) -> None:
    response = api.post(LLM_CONFIG, {"scope": "user", "user_id": 4711}, format="json")

    assert (response.status_code, response.json()) == (400, {"detail": "User not found."})


@pytest.mark.parametrize("mask", ["***", "***4711", "sk-a***4711"])
def test_post_with_a_mask_is_refused(api: APIClient, mask: str) -> None:
    response = api.post(LLM_CONFIG, {"config": {"api_key": mask}}, format="json")

    assert response.status_code == 400
    assert response.json()["config"].keys() == {"api_key"}
    assert not LLMConfig.objects.exists()


def test_post_as_a_form_has_the_same_defaults(api: APIClient) -> None:
    response = api.post(LLM_CONFIG, {"config": json.dumps({"api_key": KEY})}, format="multipart")

    assert response.status_code == 201
    assert response.json()["is_active"] is True


def test_post_does_not_take_what_is_not_to_be_written(api: APIClient) -> None:
    api.post(LLM_CONFIG, {"id": 99, "uuid": str(UNKNOWN), "created_at": "2001-01-01T00:00:00Z"}, format="json")

    row = LLMConfig.objects.get()
    assert row.uuid != UNKNOWN
    assert row.created_at.year > 2001


def test_post_of_a_default_takes_it_from_the_others(api: APIClient) -> None:
    old = make_config(is_default=True)

    response = api.post(LLM_CONFIG, {"is_default": True}, format="json")

    assert response.json()["is_default"] is True
    old.refresh_from_db()
    assert old.is_default is False


def test_list_has_global_language_models_in_order(api: APIClient) -> None:
    first, second = make_config(), make_config(is_default=True)
    embedding = make_config(model_type="embedding")
    make_config(user=make_user())

    response = api.get(LLM_CONFIG)

    assert uuids(response) == [first.uuid, second.uuid]
    assert [item["is_default"] for item in response.json()] == [False, True]
    assert uuids(api.get(LLM_CONFIG, {"model_type": "embedding"})) == [embedding.uuid]
    assert len(api.get(LLM_CONFIG, {"model_type": "all"}).json()) == 3


def test_list_of_all_has_global_ones_first(api: APIClient) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    of_alice, of_bob = make_config(user=alice), make_config(user=bob)
    of_all = make_config()

    assert uuids(api.get(LLM_CONFIG_ALL)) == [of_all.uuid, of_alice.uuid, of_bob.uuid]
    assert uuids(api.get(LLM_CONFIG_ALL, {"scope": "anything"})) == [of_all.uuid, of_alice.uuid, of_bob.uuid]
    assert uuids(api.get(LLM_CONFIG_ALL, {"scope": "global", "user_id": "x"})) == [of_all.uuid]
    assert uuids(api.get(LLM_CONFIG_ALL, {"scope": "user"})) == [of_alice.uuid, of_bob.uuid]
    assert uuids(api.get(LLM_CONFIG_ALL, {"scope": "user", "user_id": bob.pk})) == [of_bob.uuid]


def test_list_of_many_users_takes_two_queries(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for name in ("alice", "bob", "carol"):
        make_config(user=make_user(name))

    with django_assert_num_queries(2):
        assert len(api.get(LLM_CONFIG_ALL).json()) == 3


@pytest.mark.parametrize("by", ["uuid", "id"])
def test_detail_is_found_by_uuid_and_by_id(api: APIClient, by: str) -> None:
    row = make_config(user=make_user(), model_type="embedding")
    url = config_url(getattr(row, by))

    assert api.get(url).json()["uuid"] == str(row.uuid)
    assert api.put(url, {"is_active": False}, format="json").json()["is_active"] is False
    assert api.delete(url).status_code == 204
    assert api.get(url).status_code == 404


@pytest.mark.parametrize("ref", [UNKNOWN, 4711, 2**63, 10**40], ids=str)
@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_detail_of_an_unknown_one_is_404(api: APIClient, method: str, ref: object) -> None:
    response = getattr(api, method)(config_url(ref), {}, format=None if method == "get" else "json")

    assert (response.status_code, response.json()) == (404, {"detail": "Not found."})


def test_put_of_what_was_shown_changes_nothing(api: APIClient) -> None:
    options = {
        "model": "m",
        "api_key": KEY,
        "aws_secret_access_key": "short",
        "extra_headers": {"Authorization": KEY},
        "vision": True,
    }
    row = make_config(config=options, is_default=True)
    shown = api.get(config_url(row.uuid)).json()
    assert KEY not in json.dumps(shown)

    response = put(api, row, shown)

    assert response.status_code == 200
    assert LLMConfig.objects.get().config == options
    assert {**response.json(), "updated_at": None} == {**shown, "updated_at": None}


def test_put_merges_the_options(api: APIClient) -> None:
    row = make_config()

    response = put(api, row, {"config": {"model": "gpt-5", "api_key": "***4711", "temperature": 0.2}})

    assert response.json()["config"] == {"model": "gpt-5", "api_key": "***4711", "temperature": 0.2}
    assert LLMConfig.objects.get().config["api_key"] == KEY


@pytest.mark.parametrize(
    "body",
    [
        {"config": {"api_base": "https://evil.example.net/v1"}},
        {"config": {"api_base": "https://evil.example.net/v1", "api_key": "***4711"}},
        {"provider": "openai_compatible", "config": {"api_base": "https://evil.example.net/v1"}},
        {"provider": "anthropic"},
        {"config": {"extra_headers": {"X-Forwarded-Host": "evil.example.net"}}},
    ],
)
def test_put_that_would_send_the_key_elsewhere_asks_for_it(api: APIClient, body: dict[str, Any]) -> None:
    row = make_config()

    response = put(api, row, body)

    assert response.status_code == 400
    assert response.json()["config"].keys() == {"api_key"}
    row.refresh_from_db()
    assert (row.provider, row.config) == ("openai", {"model": "gpt-4o-mini", "api_key": KEY})


def test_put_of_another_provider_with_its_key_is_done(api: APIClient) -> None:
    row = make_config()

    response = put(api, row, {"provider": "anthropic", "config": {"api_key": "sk-ant-new", "model": "claude"}})

    assert response.status_code == 200
    row.refresh_from_db()
    assert (row.provider, row.config) == ("anthropic", {"api_key": "sk-ant-new", "model": "claude"})


def test_put_cannot_move_a_configuration_to_a_user(api: APIClient) -> None:
    row = make_config()

    put(api, row, {"scope": "user", "user_id": make_user().pk})

    row.refresh_from_db()
    assert (row.scope, row.user) == ("global", None)


def test_put_of_the_default_takes_it_from_the_others(api: APIClient) -> None:
    old, new = make_config(is_default=True), make_config()

    put(api, new, {"is_default": True})

    assert [item["is_default"] for item in api.get(LLM_CONFIG).json()] == [False, True]
    old.refresh_from_db()
    assert old.is_default is False


def test_model_type_follows_the_model_unless_it_is_sent(api: APIClient) -> None:
    embedding = {"config": {"api_key": KEY, "model": "text-embedding-3-small"}}

    made = api.post(LLM_CONFIG, embedding, format="json").json()
    url = config_url(made["uuid"])
    sent = api.put(url, {**embedding, "model_type": "llm"}, format="json").json()
    untouched = api.put(url, {"is_active": False}, format="json").json()
    derived = api.put(url, embedding, format="json").json()

    types = [answer["model_type"] for answer in (made, sent, untouched, derived)]
    assert types == ["embedding", "llm", "llm", "embedding"]


def test_configuration_has_a_largest_size_also_when_it_grows_bit_by_bit(api: APIClient) -> None:
    row = make_config()
    url = config_url(row.uuid)

    grown = [api.put(url, {"config": {f"k{number}": "a" * 30_000}}, format="json").status_code for number in range(3)]

    assert grown == [200, 200, 400]
    assert api.post(LLM_CONFIG, {"config": {"name": "a" * 70_000}}, format="json").json().keys() == {"config"}


def test_configuration_that_was_too_large_before_may_be_changed_and_shrink(api: APIClient) -> None:
    row = make_config(config={"model": "m", "api_key": KEY, "name": "a" * 70_000})
    url = config_url(row.uuid)

    assert api.put(url, {"config": {"model": "n"}}, format="json").status_code == 200
    assert api.put(url, {"config": {"more": "b" * 100}}, format="json").status_code == 400
    assert api.put(url, {"config": {"name": None}}, format="json").status_code == 200


def test_configuration_that_cannot_be_opened_keeps_no_list_from_being_shown(api: APIClient, settings: Settings) -> None:
    unreadable = make_config()
    settings.SECRET_KEY = "quite another one, and long enough"
    readable = make_config()

    response = api.get(LLM_CONFIG)

    assert response.status_code == 200
    assert uuids(response) == [unreadable.uuid, readable.uuid]
    assert response.json()[0]["config"] == {"model": "gpt-4o-mini"}
    assert response.json()[0]["model_info"] == response.json()[1]["model_info"]
