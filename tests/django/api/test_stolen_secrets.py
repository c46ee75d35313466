"""Attempts to have a stored secret sent to a place of the attacker's, by everybody who can write a configuration but not read it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.forms import ModelForm, modelform_factory
from pytest_django import Settings
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.fields import UnreadableConfig
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.trackers.llm import LLMTracker
from tests.core.listener import listening
from tests.django.api.urls import config_url, user_config_url
from tests.django.factories import KEY, make_config, make_user

pytestmark = pytest.mark.django_db

CANARY = "canary-of-stolen-secrets-0123456789"
STORED: dict[str, Any] = {
    "model": "m",
    "api_key": CANARY,
    "api_base": "https://gw.example.com/v1",
    "extra_headers": {"X-Gateway-Token": f"{CANARY}-header", "X-Team": "blue"},
    "vertex_credentials": {
        "type": "authorized_user",
        "refresh_token": f"{CANARY}-refresh",
        "token_uri": "https://oauth2.googleapis.com/token",
    },
    "aws_secret_access_key": f"{CANARY}-aws",
    "client_secret": f"{CANARY}-client",
}
SHOWN_CREDENTIALS = {"type": "***", "refresh_token": "***", "token_uri": "***"}
SHOWN_HEADERS = {"X-Gateway-Token": "***", "X-Team": "***"}
EVIL = "https://evil.example.net/v1"

MOVES: list[dict[str, Any]] = [
    {"config": {"api_base": EVIL}},
    {"config": {"api_base": f"{STORED['api_base']}/../../x"}},
    {"config": {"api_base": "https://gw.example.com:8443/v1"}},
    {"config": {"api_base": "http://gw.example.com/v1"}},
    {"config": {"api_base": "https://gw.example.com.evil.net/v1"}},
    {"config": {"api_base": "https://gw.example.com@evil.example.net/v1"}},
    {"config": {"api_base": None}},
    {"config": {"api_base": ""}},
    {"config": {"api_base": EVIL, "api_key": "***"}},
    {"config": {"api_base": EVIL, "api_key": "***6789"}},
    {"config": {"api_base": EVIL, "api_key": None}},
    {"config": {"api_base": EVIL, "extra_headers": SHOWN_HEADERS}},
    {"config": {"extra_headers": {**SHOWN_HEADERS, "Host": "evil.example.net"}}},
    {"config": {"extra_headers": {"X-Route-To": EVIL}}},
    {"config": {"extra_headers": {"X-Gateway-Token": "***"}}},
    {"config": {"extra_headers": None}},
    {"config": {"extra_headers": {}}},
    {"config": {"proxy": EVIL}},
    {"config": {"base_url": EVIL}},
    {"config": {"http_proxy": EVIL}},
    {"config": {"aws_bedrock_runtime_endpoint": EVIL}},
    {"config": {"aws_sts_endpoint": EVIL}},
    {"config": {"vertex_credentials": {**SHOWN_CREDENTIALS, "token_uri": EVIL}}},
    {"config": {"vertex_credentials": {**SHOWN_CREDENTIALS, "type": "external_account", "token_url": EVIL}}},
    {"config": {"vertex_credentials": {**SHOWN_CREDENTIALS, "credential_source": {"url": EVIL}}}},
    {"provider": "openai"},
    {"provider": "litellm_proxy"},
    {"provider": "hosted_vllm"},
    {"provider": "ollama", "config": {"api_base": EVIL}},
    {"provider": "openai", "config": {"model": "deepseek/deepseek-chat"}},
    {"provider": "OPENAI"},
    {"provider": "bedrock", "config": {"aws_bedrock_runtime_endpoint": EVIL}},
]


@pytest.fixture
def row() -> LLMConfig:
    return make_config(provider="openai_compatible", config=STORED)


def secrets_left(row: LLMConfig) -> str:
    row.refresh_from_db()
    return repr(row.config) if CANARY in repr(row.config) else ""


@pytest.mark.parametrize("body", MOVES, ids=repr)
def test_secret_does_not_move_with_a_put(api: APIClient, row: LLMConfig, body: dict[str, Any]) -> None:
    answer = api.put(config_url(row.uuid), body, format="json")

    assert CANARY not in answer.content.decode()
    assert answer.status_code == 400 or not secrets_left(row)
    if answer.status_code == 400:
        row.refresh_from_db()
        assert (row.provider, row.config) == ("openai_compatible", STORED)


@pytest.mark.parametrize("body", MOVES, ids=repr)
def test_secret_does_not_move_in_two_steps(api: APIClient, row: LLMConfig, body: dict[str, Any]) -> None:
    first = api.put(config_url(row.uuid), body, format="json")
    api.put(config_url(row.uuid), {"config": {"api_key": "***", "extra_headers": SHOWN_HEADERS}}, format="json")

    assert not (first.status_code == 200 and secrets_left(row))


@pytest.mark.parametrize("body", MOVES, ids=repr)
def test_secret_of_a_user_does_not_move_either(api: APIClient, body: dict[str, Any]) -> None:
    user = make_user()
    row = make_config(provider="openai_compatible", config=STORED, user=user)

    answer = api.put(user_config_url(user.pk), {"provider": "openai_compatible", **body}, format="json")

    assert CANARY not in answer.content.decode()
    assert answer.status_code == 400 or not secrets_left(row)


def test_new_secret_may_come_with_the_new_place(api: APIClient, row: LLMConfig) -> None:
    answer = api.put(config_url(row.uuid), {"config": {"api_base": EVIL, "api_key": "sk-new"}}, format="json")

    assert answer.status_code == 200
    assert not secrets_left(row)
    assert row.config["api_key"] == "sk-new"


@pytest.mark.parametrize(
    "body",
    [
        {"config": {"model": "n"}},
        {"config": {"api_base": "https://gw.example.com/v1/"}},
        {"config": {"api_key": "***6789", "extra_headers": SHOWN_HEADERS, "vertex_credentials": SHOWN_CREDENTIALS}},
        {"provider": "openai_compatible", "config": {}},
        {"is_active": False},
        {"is_default": True},
    ],
    ids=repr,
)
def test_secret_stays_where_the_place_does(api: APIClient, row: LLMConfig, body: dict[str, Any]) -> None:
    answer = api.put(config_url(row.uuid), body, format="json")

    assert answer.status_code == 200, answer.content
    row.refresh_from_db()
    assert row.config["api_key"] == CANARY
    assert row.config["vertex_credentials"] == STORED["vertex_credentials"]


def test_stored_key_does_not_reach_a_listener(api: APIClient, row: LLMConfig) -> None:
    away = {**STORED, "num_retries": 0, "api_base": "https://127.0.0.1:9/"}
    with listening(lambda _path: (401, {}, b"{}")) as listener:
        for body in MOVES:
            row.provider, row.config, row.is_active = "openai_compatible", away, True
            row.save()
            leading_here = json.loads(json.dumps(body).replace(EVIL, listener.base))
            api.put(config_url(row.uuid), leading_here, format="json")
            row.refresh_from_db()
            with suppress(Exception):  # refused in one way or another
                LLMTracker.call_and_track([{"role": "user", "content": "hi"}])

    assert not any(CANARY in repr(request) for request in listener.requests)


@pytest.mark.parametrize("field", ["scope", "user", "user_id", "uuid", "id", "created_at", "fallback"])
def test_field_that_cannot_be_written_is_not(api: APIClient, row: LLMConfig, field: str) -> None:
    user = make_user()
    before = {name: getattr(row, name) for name in ("pk", "uuid", "scope", "user_id", "created_at", "fallback")}

    api.put(config_url(row.uuid), {field: user.pk if field.startswith("user") else "user"}, format="json")

    row.refresh_from_db()
    assert {name: getattr(row, name) for name in before} == before


# What forms of a host do: Django's admin, and any ModelForm, call `full_clean()`, then `save()`.


def provider_form() -> type[ModelForm[LLMConfig]]:
    return modelform_factory(LLMConfig, fields=["provider", "model_type", "is_active", "is_default"])


def test_form_cannot_move_a_secret_to_another_provider(row: LLMConfig) -> None:
    form = provider_form()({"provider": "openai", "model_type": "llm"}, instance=row)

    assert not form.is_valid()
    assert "api_key" in str(form.errors)
    assert CANARY not in str(form.errors)


def test_form_to_a_provider_that_needs_no_key_leaves_the_secrets_behind(row: LLMConfig) -> None:
    form = provider_form()({"provider": "hosted_vllm", "model_type": "llm"}, instance=row)

    assert form.is_valid(), form.errors
    form.save()
    assert not secrets_left(row)


def test_form_that_moves_nothing_keeps_the_secrets(row: LLMConfig) -> None:
    form = provider_form()({"provider": "openai_compatible", "model_type": "llm", "is_active": "on"}, instance=row)

    assert form.is_valid(), form.errors
    form.save()
    row.refresh_from_db()
    assert row.config == STORED


def test_form_of_a_row_that_cannot_be_opened_moves_nothing(row: LLMConfig, settings: Settings) -> None:
    settings.SECRET_KEY = "quite another one, and long enough"
    unreadable = LLMConfig.objects.get(pk=row.pk)
    assert isinstance(unreadable.config, UnreadableConfig)
    unreadable.provider = "hosted_vllm"

    with pytest.raises(ValidationError, match="opened"):
        unreadable.full_clean()


@pytest.mark.parametrize(
    "change",
    [
        {"api_base": EVIL},
        {"extra_headers": {"Host": "evil.example.net"}},
        {"vertex_credentials": {**STORED["vertex_credentials"], "token_uri": EVIL}},
    ],
    ids=repr,
)
def test_validated_instance_cannot_move_a_secret(row: LLMConfig, change: dict[str, Any]) -> None:
    row.config = {**row.config, **change}

    with pytest.raises(ValidationError, match="enter these again"):
        row.full_clean()


def test_validated_instance_with_a_new_secret_may_move(row: LLMConfig) -> None:
    row.config = {**row.config, "api_base": EVIL, "api_key": "sk-new"}

    row.full_clean()
    row.save()

    assert not secrets_left(row)
    assert row.config == {"model": "m", "api_base": EVIL, "api_key": "sk-new"}


def test_code_that_saves_without_validation_does_as_it_says(row: LLMConfig) -> None:
    row.config = {**row.config, "api_base": EVIL}
    row.save()

    row.refresh_from_db()
    assert row.config["api_key"] == CANARY
    assert make_config().config["api_key"] == KEY
