"""Owns how schedules get into the tables of `django_celery_beat`, where that is installed: the rows that Celery beat's database scheduler runs by.

Names of entries and tasks are those that existing tables hold. Nothing of `django_celery_beat` is imported: its models are asked for by name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.db import router, transaction

from agentcore_metering.adapters.django.config.crontab import is_crontab

__all__ = ["AGGREGATE_ENTRY", "AGGREGATE_TASK", "CLEANUP_ENTRY", "CLEANUP_TASK", "follow_schedules"]

logger = logging.getLogger(__name__)

BEAT = "django_celery_beat"
"""The label of the app."""

CLEANUP_ENTRY = "agentcore-metering-cleanup-old-usage"
AGGREGATE_ENTRY = "agentcore-metering-aggregate"
CLEANUP_TASK = "agentcore_metering.adapters.django.tasks.cleanup.cleanup_old_llm_usage_task"
AGGREGATE_TASK = "agentcore_metering.adapters.django.tasks.aggregate.aggregate_llm_usage_series_task"

_TASKS = {CLEANUP_ENTRY: CLEANUP_TASK, AGGREGATE_ENTRY: AGGREGATE_TASK}
_CRONTAB_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
_OTHER_SCHEDULES = ("interval", "solar", "clocked")
"""What a row may have instead of a crontab; it may have one of them only."""


def follow_schedules(crontabs: Mapping[str, str], *, creates: bool) -> None:
    """Give beat's rows of these entries their schedules. Nothing without `django_celery_beat`, or for a text that is no schedule.

    An entry's row is the one of its name, else the only one of its task; where several have the task, none is touched. A row keeps its time
    zone, arguments, queue, and whether it is enabled. Side effect: with `creates` an entry that has no row gets one.
    """
    if BEAT not in apps.app_configs:
        return
    tasks: Any = apps.get_model(BEAT, "PeriodicTask")
    with transaction.atomic(using=router.db_for_write(tasks)):
        for entry, crontab in crontabs.items():
            if not is_crontab(crontab):
                logger.warning("Celery beat's entry %s is left as it is: %r is no schedule", entry, crontab)
                continue
            found = _row(tasks, entry)
            if found is not None:
                _follow(found, crontab)
            elif creates and not tasks.objects.filter(task=_TASKS[entry]).exists():
                tasks.objects.create(name=entry, task=_TASKS[entry], crontab=_crontab(crontab))
                logger.info("Celery beat has a new entry, %s: %s", entry, crontab)


def _row(tasks: Any, entry: str) -> Any:
    named = tasks.objects.filter(name=entry).first()
    if named is not None:
        return named
    rows = list(tasks.objects.filter(task=_TASKS[entry]).order_by("pk"))
    if len(rows) > 1:
        names = ", ".join(row.name for row in rows)
        logger.warning(
            "Celery beat has several entries of %s, and none is named %s: %s; left alone", _TASKS[entry], entry, names
        )
    return rows[0] if len(rows) == 1 else None


def _follow(row: Any, crontab: str) -> None:
    known = row.crontab
    if known is not None and _fields(crontab) == {name: getattr(known, name) for name in _CRONTAB_FIELDS}:
        return
    row.crontab = _crontab(crontab, None if known is None else known.timezone)
    for name in _OTHER_SCHEDULES:
        setattr(row, name, None)
    # `save`, not `update`: by it the scheduler learns that there is something new.
    row.save()
    logger.info("Celery beat's entry %s runs at %s from now on", row.name, crontab)


def _crontab(crontab: str, timezone: Any = None) -> Any:
    """A row for this schedule, in beat's own default time zone without one; a row may serve several entries, so none is changed."""
    schedules: Any = apps.get_model(BEAT, "CrontabSchedule")
    zone = schedules._meta.get_field("timezone").get_default() if timezone is None else timezone
    wanted = {**_fields(crontab), "timezone": zone}
    return schedules.objects.filter(**wanted).order_by("pk").first() or schedules.objects.create(**wanted)


def _fields(crontab: str) -> dict[str, str]:
    return dict(zip(_CRONTAB_FIELDS, crontab.split(), strict=True))
