"""The settings of the app that an admin changes at run time: the database's value where there is a usable one, else Django's setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.beat import AGGREGATE_ENTRY, CLEANUP_ENTRY, follow_schedules
from agentcore_metering.adapters.django.config.crontab import is_crontab
from agentcore_metering.adapters.django.models import MeteringConfig
from agentcore_metering.core.errors import InvalidField

__all__ = ["InvalidCrontab", "MeteringPolicy", "change_policy", "read_policy"]

MAX_RETENTION_DAYS = 3650

ENTRIES = {"cleanup_crontab": CLEANUP_ENTRY, "aggregation_crontab": AGGREGATE_ENTRY}
"""The schedules of the policy, and which of beat's entries runs by each."""


class InvalidCrontab(InvalidField):
    """A schedule that is none."""

    code = "invalid_crontab"

    def __init__(self, field: str) -> None:
        super().__init__(field, "Invalid 5-field cron expression.")


@dataclass(frozen=True, slots=True)
class MeteringPolicy:
    """How long usage is kept, and when the periodic work runs."""

    retention_days: int
    cleanup_enabled: bool
    cleanup_crontab: str
    """Minute, hour, day of month, month, day of week."""
    aggregation_crontab: str


def read_policy() -> MeteringPolicy:
    """The policy in force. One query."""
    stored = {row.key: row.value for row in _rows() if _is_usable(row.key, row.value)}
    defaults = MeteringPolicy(
        retention_days=metering_settings.RETENTION_DAYS,
        cleanup_enabled=metering_settings.CLEANUP_ENABLED,
        cleanup_crontab=metering_settings.CLEANUP_CRONTAB,
        aggregation_crontab=metering_settings.AGGREGATION_CRONTAB,
    )
    return MeteringPolicy(**{name: stored.get(name, getattr(defaults, name)) for name in _CHECKS})


def change_policy(changes: Mapping[str, Any]) -> MeteringPolicy:
    """The policy after `changes` (by the names of `MeteringPolicy`), all of them or, on an error, none.

    Side effect: where `django_celery_beat` is installed, its rows get the schedules that were changed, once the change is committed.

    Raises:
        InvalidField: a value is not usable.
    """
    for name, value in changes.items():
        if not _is_usable(name, value):
            raise (
                InvalidCrontab(name)
                if name.endswith("_crontab")
                else InvalidField(name, "%(value)r is not allowed here.", {"value": value})
            )
    alias = metering_settings.DATABASE_ALIAS
    with transaction.atomic(using=alias):
        for name, value in changes.items():
            MeteringConfig.objects.using(alias).update_or_create(
                scope=MeteringConfig.SCOPE_GLOBAL, key=name, defaults={"value": value}
            )
        crontabs = {entry: changes[name] for name, entry in ENTRIES.items() if name in changes}
        if crontabs:
            # Robust: what is wrong with beat's tables is logged and does not undo the change.
            transaction.on_commit(lambda: follow_schedules(crontabs, creates=True), using=alias, robust=True)
    return read_policy()


def _rows() -> QuerySet[MeteringConfig]:
    rows = MeteringConfig.objects.using(metering_settings.DATABASE_ALIAS)
    return rows.filter(scope=MeteringConfig.SCOPE_GLOBAL, key__in=list(_CHECKS))


def _is_usable(name: str, value: Any) -> bool:
    check = _CHECKS.get(name)
    return check is not None and check(value)


def _is_retention(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_RETENTION_DAYS


_CHECKS = {
    "retention_days": _is_retention,
    "cleanup_enabled": lambda value: isinstance(value, bool),
    "cleanup_crontab": is_crontab,
    "aggregation_crontab": is_crontab,
}
