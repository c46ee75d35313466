"""Retention and schedules in the admin: one form, checked, and only what was changed is written."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django import Settings

from agentcore_metering.adapters.django.config.policy import read_policy
from agentcore_metering.adapters.django.models import MeteringConfig
from tests.django.admin.pages import client_of, url

pytestmark = pytest.mark.django_db

POLICY = {
    "retention_days": "365",
    "cleanup_enabled": "on",
    "cleanup_crontab": "0 2 * * *",
    "aggregation_crontab": "5 * * * *",
}


def test_only_what_was_changed_is_written(admin: Client, settings: Settings) -> None:
    response = admin.post(url("meteringconfig"), {**POLICY, "retention_days": "90"})

    assert response.status_code == 302
    assert dict(MeteringConfig.objects.values_list("key", "value")) == {"retention_days": 90}
    settings.AGENTCORE_METERING_CLEANUP_CRONTAB = "0 4 * * *"
    assert read_policy().cleanup_crontab == "0 4 * * *"
    assert LogEntry.objects.get().get_change_message() == "retention_days = 90"


def test_the_clean_up_can_be_switched_off(admin: Client) -> None:
    admin.post(url("meteringconfig"), {name: value for name, value in POLICY.items() if name != "cleanup_enabled"})

    assert read_policy().cleanup_enabled is False


def test_saving_without_a_change_writes_nothing(admin: Client) -> None:
    admin.post(url("meteringconfig"), POLICY)

    assert not MeteringConfig.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"retention_days": "0"},
        {"retention_days": "3651"},
        {"retention_days": ""},
        {"cleanup_crontab": "every night"},
        {"cleanup_crontab": "61 * * * *"},
        {"cleanup_crontab": ""},
        {"aggregation_crontab": "* * * *"},
    ],
    ids=str,
)
def test_what_is_wrong_is_told_and_nothing_is_written(admin: Client, wrong: dict[str, str]) -> None:
    response = admin.post(url("meteringconfig"), {**POLICY, "cleanup_enabled": "", **wrong})

    assert response.status_code == 200
    assert set(response.context["form"].errors) == set(wrong)
    assert not MeteringConfig.objects.exists()


def test_one_who_may_only_look_gets_a_form_that_cannot_be_sent(rows: dict[str, Any]) -> None:
    client = client_of("carol", "view_meteringconfig")

    page = client.get(url("meteringconfig")).content.decode()

    assert 'value="30"' in page
    assert 'type="submit" value="Save"' not in page
    assert client.post(url("meteringconfig"), POLICY).status_code == 403


def test_the_page_of_a_single_setting_leads_to_the_form(admin: Client, rows: dict[str, Any]) -> None:
    assert admin.get(url("meteringconfig", "change", rows["meteringconfig"].pk)).headers["Location"] == url(
        "meteringconfig"
    )
