"""The check itself, which every test of this folder has around it: it must see what is not as described."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse, JsonResponse
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.api.views.policy import PolicySerializer
from agentcore_metering.adapters.django.api.views.users import UserListView
from tests.django.api.described import described_api
from tests.django.api.urls import METERING_CONFIG, USERS

POLICY = {"retention_days": 7, "cleanup_enabled": True, "cleanup_crontab": "", "aggregation_crontab": ""}


def complaints(response: HttpResponse, method: str = "GET") -> list[str]:
    return described_api("tests.urls").complaints(method, METERING_CONFIG.removeprefix("/"), response)


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (JsonResponse({**POLICY, "new": 1}), "'new' was unexpected"),
        (JsonResponse({key: value for key, value in POLICY.items() if key != "cleanup_crontab"}), "required property"),
        (JsonResponse({**POLICY, "retention_days": "7"}), "is not of type 'integer'"),
        (JsonResponse({**POLICY, "cleanup_crontab": None}), "is not of type 'string'"),
        (JsonResponse({**POLICY, "retention_days": 0}), "minimum"),
        (JsonResponse(POLICY, status=201), "201 is not described"),
        (JsonResponse(POLICY, status=500), "500 is not described"),
        (JsonResponse({"detail": ["list"]}, status=403), "is not of type 'string'"),
        (HttpResponse("<p>", content_type="text/html"), "described are"),
    ],
)
def test_response_that_is_not_as_described_is_seen(response: HttpResponse, said: str) -> None:
    [complaint] = complaints(response)

    assert said in complaint


def test_response_that_is_as_described_is_not_complained_of() -> None:
    assert complaints(JsonResponse(POLICY)) == []
    assert complaints(JsonResponse({"retention_days": ["no"]}, status=400), "PATCH") == []
    assert complaints(HttpResponse(status=405), "PUT") == []


def test_method_that_is_answered_and_not_described_is_seen() -> None:
    assert len(complaints(JsonResponse(POLICY), "PUT")) == 1


@pytest.mark.django_db
def test_every_response_of_a_test_is_looked_at(
    api: APIClient, answers_are_as_described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PolicySerializer, "to_representation", lambda *_: {**POLICY, "new": 1})

    api.get(METERING_CONFIG)

    assert len(answers_are_as_described) == 1
    answers_are_as_described.clear()


@pytest.mark.django_db
def test_defect_of_a_view_is_seen(
    api: APIClient, answers_are_as_described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(UserListView, "get", broken)
    api.raise_request_exception = False

    api.get(USERS)

    assert answers_are_as_described == ["GET api/v1/admin/users/: 500 is not described"]
    answers_are_as_described.clear()
