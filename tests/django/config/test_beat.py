"""Schedules in the tables of django_celery_beat: the real one where it is installed, else what stands in for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from pytest_django import Settings
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.config.beat import (
    AGGREGATE_ENTRY,
    AGGREGATE_TASK,
    CLEANUP_ENTRY,
    CLEANUP_TASK,
    follow_schedules,
)
from agentcore_metering.adapters.django.config.policy import change_policy, read_policy
from agentcore_metering.adapters.django.models import MeteringConfig
from agentcore_metering.adapters.django.periodic_tasks import register_periodic_tasks
from tests import settings as test_settings
from tests.django.api.urls import METERING_CONFIG
from tests.django.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)

APP = "django_celery_beat" if find_spec("django_celery_beat") else "tests.django.beat_app.apps.BeatConfig"


@pytest.fixture
def beat(transactional_db: None, settings: Settings) -> Iterator[None]:
    """The app, with its tables and nothing in them."""
    settings.INSTALLED_APPS = [*test_settings.INSTALLED_APPS, APP]
    models = list(apps.get_app_config("django_celery_beat").get_models())
    with connection.schema_editor() as editor:
        for model in models:
            editor.create_model(model)
    yield
    with connection.schema_editor() as editor:
        for model in reversed(models):
            editor.delete_model(model)


def model(name: str) -> Any:
    return apps.get_model("django_celery_beat", name)


def make_task(
    name: str, task: str, crontab: str | None = "0 2 * * *", timezone: str = "Asia/Shanghai", **fields: Any
) -> Any:
    if crontab is None:
        every_day = model("IntervalSchedule").objects.create(every=1, period="days")
        return model("PeriodicTask").objects.create(name=name, task=task, interval=every_day, **fields)
    minute, hour, day, month, week_day = crontab.split()
    schedule = model("CrontabSchedule").objects.create(
        minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=week_day, timezone=timezone
    )
    return model("PeriodicTask").objects.create(name=name, task=task, crontab=schedule, **fields)


def shown() -> dict[str, tuple[str, str]]:
    """Schedule and time zone of every row, by its name."""
    rows = model("PeriodicTask").objects.select_related("crontab")
    return {
        row.name: (
            " ".join(
                (
                    row.crontab.minute,
                    row.crontab.hour,
                    row.crontab.day_of_month,
                    row.crontab.month_of_year,
                    row.crontab.day_of_week,
                )
            ),
            str(row.crontab.timezone),
        )
        for row in rows
        if row.crontab is not None
    }


@pytest.mark.parametrize("name", [CLEANUP_ENTRY, "our own name"], ids=["name", "task"])
def test_changed_schedule_reaches_the_row_that_is_there(beat: None, name: str) -> None:
    before = make_task(name, CLEANUP_TASK, queue="slow", enabled=False, kwargs='{"batch_size": 10}')

    change_policy({"cleanup_crontab": "30 3 * * 0", "retention_days": 30})

    assert shown() == {name: ("30 3 * * 0", "Asia/Shanghai")}
    row = model("PeriodicTask").objects.get()
    assert (row.pk, row.queue, row.enabled, row.kwargs) == (before.pk, "slow", False, '{"batch_size": 10}')


def test_row_with_an_interval_gets_the_schedule_in_its_place(beat: None) -> None:
    make_task(AGGREGATE_ENTRY, AGGREGATE_TASK, crontab=None)

    change_policy({"aggregation_crontab": "*/10 * * * *"})

    assert shown()[AGGREGATE_ENTRY][0] == "*/10 * * * *"
    assert model("PeriodicTask").objects.get().interval is None


def test_schedule_that_others_run_by_too_is_not_changed(beat: None) -> None:
    shared = make_task(CLEANUP_ENTRY, CLEANUP_TASK).crontab
    model("PeriodicTask").objects.create(name="nightly", task="host.nightly", crontab=shared)

    change_policy({"cleanup_crontab": "30 3 * * *"})

    assert {name: schedule for name, (schedule, _zone) in shown().items()} == {
        CLEANUP_ENTRY: "30 3 * * *",
        "nightly": "0 2 * * *",
    }


def test_missing_row_of_a_changed_schedule_is_made_and_no_other(beat: None) -> None:
    change_policy({"aggregation_crontab": "7 * * * *", "cleanup_enabled": True})

    assert {name: schedule for name, (schedule, _zone) in shown().items()} == {AGGREGATE_ENTRY: "7 * * * *"}
    assert model("PeriodicTask").objects.get().task == AGGREGATE_TASK
    assert model("PeriodicTask").objects.get().enabled


def test_change_of_anything_else_makes_no_row(beat: None) -> None:
    change_policy({"retention_days": 30, "cleanup_enabled": False})

    assert shown() == {}


def test_several_rows_of_a_task_are_left_alone_and_told(beat: None, caplog: pytest.LogCaptureFixture) -> None:
    make_task("by day", AGGREGATE_TASK, kwargs='{"granularity": "day"}')
    make_task("by hour", AGGREGATE_TASK, "5 * * * *", kwargs='{"granularity": "hour"}')

    change_policy({"aggregation_crontab": "9 * * * *"})

    assert {name: schedule for name, (schedule, _zone) in shown().items()} == {
        "by day": "0 2 * * *",
        "by hour": "5 * * * *",
    }
    assert "by day, by hour; left alone" in caplog.text


def test_same_schedule_again_writes_nothing(beat: None, django_assert_num_queries: Any) -> None:
    make_task(CLEANUP_ENTRY, CLEANUP_TASK)

    with django_assert_num_queries(4):  # BEGIN, the row, its schedule, COMMIT
        follow_schedules({CLEANUP_ENTRY: "0 2 * * *"}, creates=True)


def test_api_changes_the_row(beat: None, admin_api: APIClient) -> None:
    make_task(CLEANUP_ENTRY, CLEANUP_TASK)

    assert admin_api.patch(METERING_CONFIG, {"cleanup_crontab": "15 4 1 * *"}, format="json").status_code == 200

    assert shown()[CLEANUP_ENTRY][0] == "15 4 1 * *"


def test_refused_change_reaches_no_row(beat: None, admin_api: APIClient) -> None:
    make_task(CLEANUP_ENTRY, CLEANUP_TASK)
    body = {"cleanup_crontab": "15 4 1 * *", "retention_days": 0}

    assert admin_api.patch(METERING_CONFIG, body, format="json").status_code == 400

    assert shown()[CLEANUP_ENTRY][0] == "0 2 * * *"


@pytest.fixture
def admin_api() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user("admin", is_staff=True))
    return client


def test_registration_without_a_registry_makes_both_rows(beat: None) -> None:
    register_periodic_tasks()
    register_periodic_tasks()

    assert {name: schedule for name, (schedule, _zone) in shown().items()} == {
        CLEANUP_ENTRY: "0 2 * * *",
        AGGREGATE_ENTRY: "5 * * * *",
    }


def test_registration_with_a_registry_follows_what_is_there_and_makes_nothing(
    beat: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    registry: Any = ModuleType("core.periodic_registry")
    registry.TASK_REGISTRY = SimpleNamespace(add=lambda name, **_entry: names.append(name))
    monkeypatch.setitem(sys.modules, "core", ModuleType("core"))
    monkeypatch.setitem(sys.modules, "core.periodic_registry", registry)
    make_task(CLEANUP_ENTRY, CLEANUP_TASK, "1 1 * * *")
    MeteringConfig.objects.create(scope="global", key="cleanup_crontab", value="2 2 * * *")

    register_periodic_tasks()

    assert names == [CLEANUP_ENTRY, AGGREGATE_ENTRY]
    assert {name: schedule for name, (schedule, _zone) in shown().items()} == {CLEANUP_ENTRY: "2 2 * * *"}


def test_setting_that_is_no_schedule_is_told_and_keeps_nothing_else_from_being_registered(
    beat: None, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    make_task(CLEANUP_ENTRY, CLEANUP_TASK, "7 7 * * *")
    settings.AGENTCORE_METERING_CLEANUP_CRONTAB = "every night"

    register_periodic_tasks()

    assert "every night" in caplog.text
    assert shown()[CLEANUP_ENTRY][0] == "7 7 * * *"
    assert shown()[AGGREGATE_ENTRY][0] == "5 * * * *"


def test_tables_that_are_missing_do_not_undo_the_change(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.INSTALLED_APPS = [*test_settings.INSTALLED_APPS, APP]

    assert change_policy({"cleanup_crontab": "30 3 * * *"}).cleanup_crontab == "30 3 * * *"

    assert read_policy().cleanup_crontab == "30 3 * * *"
    assert "on_commit" in caplog.text


def test_without_the_app_nothing_is_asked(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        follow_schedules({CLEANUP_ENTRY: "0 2 * * *"}, creates=True)
