from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.urls import path
from pytest_django import DjangoAssertNumQueries
from rest_framework.permissions import AllowAny
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.api.serializers.health import HealthSerializer
from agentcore_metering.adapters.django.api.views.health import HealthView
from tests.django.api.urls import HEALTH
from tests.django.persistence.spools import Spool, aged_record

pytestmark = pytest.mark.django_db(transaction=True)

urlpatterns = [path("healthz/", HealthView.as_view(permission_classes=[AllowAny], authentication_classes=[]))]


def test_health_is_ok_with_figures(api: APIClient, spool: Spool) -> None:
    spool.dead(3)
    spool.quarantined(aged_record())

    response = api.get(HEALTH)

    assert response.status_code == 200
    body = response.json()
    assert (body["status"], body["problems"], body["backlog"]["records"]) == ("ok", [], 3)
    assert [notice["code"] for notice in body["notices"]] == ["quarantined"]


def test_health_is_503_where_rows_do_not_come_in(api: APIClient, spool: Spool) -> None:
    spool.dead(1, age_s=120)

    response = api.get(HEALTH)

    assert response.status_code == 503
    assert [problem["code"] for problem in response.json()["problems"]] == ["backlog_too_old"]


def test_health_is_503_without_the_table(api: APIClient, spool: Spool, missing_table: None) -> None:
    response = api.get(HEALTH)

    assert (response.status_code, response.json()["database"]["is_reachable"]) == (503, False)


def test_health_takes_one_query_however_much_waits(
    api: APIClient, spool: Spool, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    spool.dead(50)

    with django_assert_num_queries(1):
        api.get(HEALTH)


def test_health_without_a_database_to_look_the_caller_up_in_is_503_and_tells_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: Any, request: Any) -> None:
        raise OperationalError("connection to server at 10.0.0.7 failed")

    monkeypatch.setattr(HealthView, "perform_authentication", fail)

    response = APIClient().get(HEALTH)

    assert response.status_code == 503
    assert response.json()["problems"] == [{"code": "database_unreachable", "detail": "The database does not answer."}]


def test_document_is_as_described(api: APIClient, spool: Spool) -> None:
    spool.dead(1)

    body = api.get(HEALTH).json()

    def fields(serializer: Any) -> Any:
        nested = {name: getattr(field, "child", field) for name, field in serializer.fields.items()}
        return {name: fields(field) if hasattr(field, "fields") else None for name, field in nested.items()}

    def keys(value: Any) -> Any:
        if isinstance(value, list):
            return keys(value[0]) if value else None
        return {name: keys(item) for name, item in value.items()} if isinstance(value, dict) else None

    described = fields(HealthSerializer())
    assert body.keys() == described.keys()
    assert all(keys(body[name]) in (described[name], None) for name in described)


@pytest.mark.urls(__name__)
def test_host_may_mount_it_for_a_probe_without_a_login(spool: Spool) -> None:
    assert APIClient().get("/healthz/").status_code == 200
