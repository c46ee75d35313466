from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.models import MeteringConfig
from tests.django.api.urls import METERING_CONFIG

pytestmark = pytest.mark.django_db

DEFAULTS = {
    "retention_days": 365,
    "cleanup_enabled": True,
    "cleanup_crontab": "0 2 * * *",
    "aggregation_crontab": "5 * * * *",
}


def test_policy_is_that_of_the_settings_at_first(api: APIClient) -> None:
    response = api.get(METERING_CONFIG)

    assert (response.status_code, response.json()) == (200, DEFAULTS)


def test_policy_is_changed_in_parts(api: APIClient) -> None:
    response = api.patch(METERING_CONFIG, {"retention_days": 30, "cleanup_crontab": "1 1 * * mon"}, format="json")

    expected = {**DEFAULTS, "retention_days": 30, "cleanup_crontab": "1 1 * * mon"}
    assert (response.status_code, response.json()) == (200, expected)
    assert api.get(METERING_CONFIG).json() == expected


def test_policy_with_unknown_keys_is_left_as_it_is(api: APIClient) -> None:
    response = api.patch(METERING_CONFIG, {"colour": "blue"}, format="json")

    assert (response.status_code, response.json()) == (200, DEFAULTS)


@pytest.mark.parametrize("name", ["cleanup_crontab", "aggregation_crontab"])
@pytest.mark.parametrize("text", ["", "every day", "99 * * * *"])
def test_policy_with_a_bad_schedule_is_refused_whole(api: APIClient, name: str, text: str) -> None:
    response = api.patch(METERING_CONFIG, {"retention_days": 30, name: text}, format="json")

    assert (response.status_code, response.json()) == (400, {name: "Invalid 5-field cron expression."})
    assert not MeteringConfig.objects.exists()


@pytest.mark.parametrize("value", [0, -1, 3651, "many", None, [], True])
def test_policy_with_a_bad_retention_is_refused(api: APIClient, value: object) -> None:
    response = api.patch(METERING_CONFIG, {"retention_days": value}, format="json")

    assert response.status_code == 400
    assert response.json().keys() == {"retention_days"}
