"""What is told of settings by themselves: those that cannot be used, and those that are sound and do not do what they seem to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.connection import ConnectionDoesNotExist

from agentcore_metering.adapters.django.conf import (
    deepseek_thinking_model_prefixes,
    is_debug,
    metering_settings,
    setting_names,
    uses_time_zones,
)
from agentcore_metering.adapters.django.config.crontab import is_crontab
from agentcore_metering.adapters.django.rollups.dialects import DIALECTS
from agentcore_metering.adapters.django.secretbox import key_ids_at_hand

__all__ = ["are_usable", "check_policy_settings", "check_settings", "check_telemetry_settings", "is_usable"]

TELEMETRY = frozenset(
    {
        "CAPTURE_CONTENT",
        "CONTENT_REDACTOR",
        "COST_METRIC_ALIAS",
        "COST_SPAN_CONVENTION",
        "INSTRUMENT_LITELLM",
        "MAX_METRIC_MODELS",
        "TRACE_URL_TEMPLATE",
    }
)
"""Settings without which rows come in all the same."""
CORRECT_IT = "Correct it in the Django settings, or leave it out."


def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """E002 for a setting that cannot be used, E003, E004 and E006 for a database that the rows cannot be written to.

    W016 for one that figures cannot be made on.
    """
    faults = list(_faults())
    if faults:
        return [Error(str(fault), hint=CORRECT_IT, id="agentcore_metering.E002") for fault in faults]
    return list(_database_errors()) or list(_vendor_warnings())


def check_telemetry_settings(**_kwargs: Any) -> list[CheckMessage]:
    """E120 for each setting of telemetry that a call could not use."""
    faults = _faults_of(*(_reading(name) for name in setting_names() if name in TELEMETRY))
    return [Error(str(fault), hint=CORRECT_IT, id="agentcore_metering.E120") for fault in faults]


def check_policy_settings(**_kwargs: Any) -> list[CheckMessage]:
    """W012 for a retention that deletes nothing, W013 for a schedule or time zone that is none, I017 for a cache that counts too little."""
    return [*_retention_warnings(), *_schedule_warnings(), *_cache_notes()] if are_usable() else []


def is_usable(name: str) -> bool:
    """Whether the setting can be read."""
    return not any(_faults_of(_reading(name)))


def are_usable() -> bool:
    """Whether rows can be written as the settings ask for it."""
    return not any(_faults()) and not any(_database_errors())


def _faults() -> Iterator[ImproperlyConfigured]:
    readings = [_reading(name) for name in setting_names() if name not in TELEMETRY]
    # A list of texts is sound as a setting; only here it shows whether they are keys.
    keys = [key_ids_at_hand] if is_usable("ENCRYPTION_KEYS") else []
    return _faults_of(*readings, *keys, deepseek_thinking_model_prefixes)


def _reading(name: str) -> Callable[[], Any]:
    return lambda: getattr(metering_settings, name)


def _faults_of(*readings: Callable[[], Any]) -> Iterator[ImproperlyConfigured]:
    for read in readings:
        try:
            read()
        except ImproperlyConfigured as fault:
            yield fault


def _database_errors() -> Iterator[CheckMessage]:
    alias = metering_settings.DATABASE_ALIAS
    try:
        connection = connections[alias]
    except ConnectionDoesNotExist:
        yield Error(
            f"AGENTCORE_METERING_DATABASE_ALIAS is {alias!r}, which DATABASES does not have: no usage row can be written.",
            hint=f"Name one of DATABASES: {', '.join(connections)}.",
            id="agentcore_metering.E004",
        )
        return
    in_memory = connection.vendor == "sqlite" and connection.is_in_memory_db()  # type: ignore[attr-defined]
    if in_memory and metering_settings.WRITE_MODE == "journal":
        yield Error(
            f"AGENTCORE_METERING_WRITE_MODE is 'journal', and the database {alias!r} is SQLite in memory, which the thread that "
            "writes the rows cannot see.",
            hint="Leave AGENTCORE_METERING_WRITE_MODE out ('auto' writes inline there), or put the database into a file.",
            id="agentcore_metering.E003",
        )
    if not uses_time_zones():
        yield Error(
            "USE_TZ is False: the moments of usage rows have a time zone, which the database then refuses or shifts.",
            hint="Set USE_TZ to True, as Django does by default.",
            id="agentcore_metering.E006",
        )


def _vendor_warnings() -> Iterator[CheckMessage]:
    alias = metering_settings.DATABASE_ALIAS
    vendor = connections[alias].vendor
    if vendor not in DIALECTS:
        yield Warning(
            f"The database {alias!r} is {vendor}: rows come in, and statistics, dashboards and rollups cannot be made of them there.",
            hint=f"Name one of {' and '.join(sorted(DIALECTS))} in AGENTCORE_METERING_DATABASE_ALIAS.",
            id="agentcore_metering.W016",
        )


def _retention_warnings() -> Iterator[CheckMessage]:
    days = metering_settings.RETENTION_DAYS
    if days < 1:
        yield Warning(
            f"AGENTCORE_METERING_RETENTION_DAYS is {days}: the clean-up deletes nothing.",
            hint="Use 1 or more; to keep everything, set AGENTCORE_METERING_CLEANUP_ENABLED to False.",
            id="agentcore_metering.W012",
        )


def _schedule_warnings() -> Iterator[CheckMessage]:
    for name in ("CLEANUP_CRONTAB", "AGGREGATION_CRONTAB"):
        crontab = getattr(metering_settings, name)
        if not is_crontab(crontab):
            yield Warning(
                f"AGENTCORE_METERING_{name} is {crontab!r}, which is no schedule: Celery beat gets another one or none.",
                hint="Write minute, hour, day of month, month and day of week, such as 0 2 * * *.",
                id="agentcore_metering.W013",
            )
    zone = metering_settings.AGGREGATION_TIMEZONE
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Warning(
            f"AGENTCORE_METERING_AGGREGATION_TIMEZONE is {zone!r}, which is no time zone.",
            hint="Name one of the IANA, such as Asia/Shanghai, or leave it out.",
            id="agentcore_metering.W013",
        )


def _cache_notes() -> Iterator[CheckMessage]:
    cache = caches["default"]
    if not is_debug() and isinstance(cache, (LocMemCache, DummyCache)):
        yield Info(
            f"Django's default cache is {type(cache).__name__}, which processes do not share: AGENTCORE_METERING_TEST_RATE, one test "
            "at a time and the cool-downs of fallbacks hold for each process by itself, or not at all.",
            hint="Name a cache in CACHES that all processes share, or silence this where there is one process.",
            id="agentcore_metering.I017",
        )
