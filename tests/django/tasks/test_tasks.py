"""The periodic tasks: their names, what they give, who runs them, and the schedule a host's registry gets."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from agentcore_metering.adapters.django.config.policy import change_policy
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.periodic_tasks import register_periodic_tasks
from agentcore_metering.adapters.django.tasks import (
    aggregate_llm_usage_series_task,
    cleanup_old_llm_usage_task,
)
from agentcore_metering.adapters.django.tasks.aggregate import aggregate
from agentcore_metering.adapters.django.tasks.running import periodic_task, reported
from agentcore_metering.adapters.django.tasks.schedules import AGGREGATE_ENTRY, CLEANUP_ENTRY, beat_entry
from tests.django.factories import make_usage

pytestmark = pytest.mark.django_db

OLD = datetime.now(UTC) - timedelta(days=400)


def module(monkeypatch: pytest.MonkeyPatch, name: str, **names: Any) -> None:
    """A module that a host would have."""
    made = ModuleType(name)
    vars(made).update(names)
    monkeypatch.setitem(sys.modules, name, made)


def test_tasks_have_the_names_that_schedules_know() -> None:
    prefix = "agentcore_metering.adapters.django.tasks."

    assert cleanup_old_llm_usage_task.name == f"{prefix}cleanup.cleanup_old_llm_usage_task"
    assert aggregate_llm_usage_series_task.name == f"{prefix}aggregate.aggregate_llm_usage_series_task"
    assert cleanup_old_llm_usage_task.max_retries == 3


def test_clean_up_task_deletes_and_says_what() -> None:
    make_usage(created_at=OLD)

    result = cleanup_old_llm_usage_task.apply().get()

    assert (result["deleted_usage"], result["deleted_series"], result["retention_days"]) == (1, 0, 365)
    assert datetime.fromisoformat(result["cutoff"]) < datetime.now(UTC)
    assert not LLMUsage.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "reason"), [({}, "cleanup_disabled"), ({"retention_days": 0}, "invalid_retention_days")]
)
def test_clean_up_task_says_why_it_did_nothing(arguments: dict[str, int], reason: str) -> None:
    make_usage(created_at=OLD)
    change_policy({"cleanup_enabled": False})

    result = cleanup_old_llm_usage_task.apply(kwargs=arguments).get()

    assert (result["deleted_usage"], result["skipped"], result["reason"]) == (0, True, reason)
    assert LLMUsage.objects.exists()


def test_aggregation_sums_up_the_hours_between_its_bounds_and_counts_them() -> None:
    for day in (21, 22, 23):
        make_usage(created_at=datetime(2026, 2, day, 1, tzinfo=UTC))
    assert aggregate_llm_usage_series_task.apply().get()["granularity"] == "all"
    LLMUsage.objects.update(prompt_tokens=11)  # all three hours are marked

    assert aggregate("day", "2026-02-21", "2026-02-22T08:00:00+08:00")["upserted"] == 1
    assert aggregate("hour", "2026-02-21", "no date")["upserted"] == 2
    assert aggregate_llm_usage_series_task.apply().get() == {"upserted": 0, "granularity": "all"}


def test_unknown_granularity_is_told() -> None:
    assert aggregate("week") == {"upserted": 0, "granularity": "week", "error": "invalid_granularity"}


def test_without_celery_a_task_is_its_function(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("celery", "celery.schedules"):
        monkeypatch.setitem(sys.modules, name, None)

    assert periodic_task("name", aggregate) is aggregate
    assert beat_entry(CLEANUP_ENTRY, "0 2 * * *")["schedule"] == 86_400.0


def test_agentcore_task_is_told_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    tracker = SimpleNamespace(update_task_status=lambda *args, **kwargs: told.append((args, kwargs)))
    module(
        monkeypatch,
        "agentcore_task.adapters.django.services.task_tracker",
        register_task_execution=lambda *args, **kwargs: told.append((args, kwargs)),
        TaskTracker=tracker,
    )

    assert reported("id", "name", lambda: {"done": 1}, {}) == {"done": 1}
    with pytest.raises(ZeroDivisionError):
        reported("id", "name", lambda: {"done": 1 // 0}, {})

    assert told[0] == (("id", "name", "agentcore_metering"), {"metadata": {}, "initial_status": "STARTED"})
    assert told[1] == (("id", "SUCCESS"), {"result": {"done": 1}})
    assert told[3][0] == ("id", "FAILURE")
    assert "ZeroDivisionError" in told[3][1]["traceback"]


def test_agentcore_task_that_fails_does_not_fail_the_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module(monkeypatch, "agentcore_task.adapters.django.services.task_tracker")

    assert reported("id", "name", lambda: {"done": 1}, {}) == {"done": 1}
    assert "was not told" in caplog.text


def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    registry = SimpleNamespace(add=lambda name, **entry: entries.update({name: entry}))
    module(monkeypatch, "core")
    module(monkeypatch, "core.periodic_registry", TASK_REGISTRY=registry)
    register_periodic_tasks()
    return entries


def test_registry_gets_both_tasks_with_the_policys_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    from celery.schedules import crontab

    change_policy({"cleanup_crontab": "30 3 * * 0"})

    entries = registered(monkeypatch)

    assert list(entries) == [CLEANUP_ENTRY, AGGREGATE_ENTRY]
    assert entries[CLEANUP_ENTRY]["schedule"] == crontab(minute="30", hour="3", day_of_week="0")
    assert entries[AGGREGATE_ENTRY]["task"] == aggregate_llm_usage_series_task.name
    assert entries[AGGREGATE_ENTRY]["enabled"] is True


def test_setting_keeps_the_clean_up_out_of_the_registry(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.AGENTCORE_METERING_CLEANUP_ENABLED = False

    assert list(registered(monkeypatch)) == [AGGREGATE_ENTRY]


def test_host_without_a_registry_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    register_periodic_tasks()

    assert "no periodic task was registered" in caplog.text


def test_schedule_that_is_none_runs_at_an_even_pace() -> None:
    assert beat_entry(AGGREGATE_ENTRY, "every now and then")["schedule"] == 3600.0
