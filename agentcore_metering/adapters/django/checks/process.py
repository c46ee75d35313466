"""What is told of the process and its environment: a server in which rows come late, output and metrics that are not what they should be."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Warning

from agentcore_metering.adapters.django.conf import is_debug
from agentcore_metering.adapters.django.persistence.hosts import (
    UWSGI_WITHOUT_THREADS,
    is_uwsgi_without_threads,
    monkey_patcher,
)
from agentcore_metering.telemetry.bootstrap import SERVICE_INSTANCE_ID, TEMPORALITY_ENV

__all__ = ["check_environment", "check_server"]

LITELLM_LOG_ENV = "LITELLM_LOG"
PRICE_MAP_ENV = "LITELLM_LOCAL_MODEL_COST_MAP"
RESOURCE_ENV = "OTEL_RESOURCE_ATTRIBUTES"

_GREENLETS = {
    "gevent": "While LiteLLM's event loop runs in one of them, Django refuses the database to all, so usage rows wait in the journal.",
    "eventlet": "That is not tried with this package.",
}


def check_server(**_kwargs: Any) -> list[CheckMessage]:
    """W007 for a uWSGI without threads, W008 for greenlets in the place of threads."""
    found: list[CheckMessage] = []
    if is_uwsgi_without_threads():
        found.append(
            Warning(
                f"{UWSGI_WITHOUT_THREADS}.", hint="Start uWSGI with --enable-threads.", id="agentcore_metering.W007"
            )
        )
    if patcher := monkey_patcher():
        found.append(
            Warning(
                f"{patcher} has put greenlets into the place of threads. {_GREENLETS[patcher]}",
                hint="Use threads (gunicorn's gthread), or run metering_drain every minute: no record is lost, but rows come late.",
                id="agentcore_metering.W008",
            )
        )
    return found


def check_environment(**_kwargs: Any) -> list[CheckMessage]:
    """W009 and W014 for LiteLLM's output and prices, W010 and W015 for metrics whose totals are not exact."""
    return [*_litellm_warnings(), *_metric_warnings()]


def _litellm_warnings() -> Iterator[CheckMessage]:
    litellm = sys.modules.get("litellm")
    is_verbose = _environment(LITELLM_LOG_ENV) == "debug" or getattr(litellm, "set_verbose", False)
    if is_verbose and not is_debug():
        yield Warning(
            "LiteLLM's debug output is on: it prints prompts, answers and request headers past the logging of this project.",
            hint=f"Unset {LITELLM_LOG_ENV}, and set litellm.set_verbose to False.",
            id="agentcore_metering.W009",
        )
    # Imported by this package it has its bundled map, and the variable is set by then.
    if litellm is not None and _environment(PRICE_MAP_ENV) != "true":
        yield Warning(
            "LiteLLM was imported by the project before this package: it has asked the network for its price map, which takes time, "
            "and has prices change with each restart.",
            hint=f"Set {PRICE_MAP_ENV}=True in the environment of every process.",
            id="agentcore_metering.W014",
        )


def _metric_warnings() -> Iterator[CheckMessage]:
    temporality = _environment(TEMPORALITY_ENV) or "cumulative"
    if temporality != "cumulative":
        yield Warning(
            f"{TEMPORALITY_ENV} is {temporality!r}: totals over time are then only as complete as every single export, and the "
            "dashboards expect cumulative counters.",
            hint=f"Leave {TEMPORALITY_ENV} out, or set it to cumulative.",
            id="agentcore_metering.W010",
        )
    attributes = [each.partition("=")[0].strip() for each in _environment(RESOURCE_ENV).split(",")]
    if SERVICE_INSTANCE_ID in attributes:
        yield Warning(
            f"{RESOURCE_ENV} has a {SERVICE_INSTANCE_ID}: all processes with this environment count under one id, and overwrite each "
            "other's figures.",
            hint=f"Take {SERVICE_INSTANCE_ID} out of it: each process gets one of its own. Silence this where each has an environment "
            "of its own.",
            id="agentcore_metering.W015",
        )


def _environment(name: str) -> str:
    return os.environ.get(name, "").strip().lower()
