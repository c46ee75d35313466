"""Owns the likely causes of a difference, each with the evidence that speaks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.status import read_status
from agentcore_metering.adapters.django.reconcile.engine import MetricsEngine
from agentcore_metering.adapters.django.reconcile.figures import Hours, selector
from agentcore_metering.core.types import Status
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.bootstrap import TEMPORALITY_ENV
from agentcore_metering.telemetry.prometheus import INSTANCE, label, total

__all__ = ["Cause", "find_causes"]

_OVERFLOW = 'otel_metric_overflow="true"'
_OTHER = f'{label(semconv.REQUEST_MODEL)}="{semconv.MODEL_OTHER}"'


@dataclass(frozen=True, slots=True)
class Cause:
    """One likely cause."""

    code: str
    detail: str


def find_causes(engine: MetricsEngine, hours: Hours, service: str | None) -> list[Cause]:
    """The causes that something speaks for, most telling first; none where nothing does. Raises MetricsUnavailable."""
    asked = _Asked(engine, hours, service)
    return [*_of_temporality(asked), *_of_instances(asked), *_of_models(asked), *_of_rows(hours)]


@dataclass(frozen=True, slots=True)
class _Asked:
    engine: MetricsEngine
    hours: Hours
    service: str | None

    def number(self, expression: str) -> int:
        """The value of an expression without labels at the end of the hours; 0 where there is none."""
        found = self.engine.query(expression, self.hours.end)
        return int(found[0].value) if found else 0

    def of(self, name: str, *matchers: str) -> str:
        return selector(name, self.service, *matchers)

    def seen(self, name: str, window: str) -> str:
        """The processes that had a metric in a window."""
        return f"count by ({INSTANCE}) (last_over_time({self.of(name)}[{window}]))"


def _of_temporality(asked: _Asked) -> Iterator[Cause]:
    window = asked.hours.window
    processes = asked.number(f"count ({asked.seen(semconv.ATTEMPTS, window)})")
    gauges = asked.number(f"count ({asked.seen(semconv.SPOOL_RECORDS, window)})")
    wished = os.environ.get(TEMPORALITY_ENV, "").strip().lower()
    if wished in ("delta", "lowmemory"):
        yield Cause("delta_temporality", f"{TEMPORALITY_ENV}={wished}: Prometheus drops such counters. Unset it.")
    elif not processes and gauges:
        detail = f"{gauges} processes sent gauges and no counters, as with delta temporality, which Prometheus drops"
        yield Cause("delta_temporality", f"{detail}. Unset {TEMPORALITY_ENV} where they run.")
    elif not processes:
        yield Cause(
            "no_metrics", "No process has sent metrics in these hours: check exporters, collector and --service."
        )


def _of_instances(asked: _Asked) -> Iterator[Cause]:
    window = asked.hours.window
    resets = asked.number(f"sum (resets({asked.of(semconv.ATTEMPTS)}[{window}]))")
    if resets:
        yield Cause(
            "duplicate_instance_ids",
            f"Counters went back {resets} times within one service.instance.id: processes share an id, or keep it over a restart. "
            "Give each process a new one.",
        )
    ended = asked.number(f"count ({asked.seen(semconv.ATTEMPTS, window)} unless {asked.seen(semconv.ATTEMPTS, '5m')})")
    if ended:
        yield Cause(
            "restarts",
            f"{ended} processes ended in these hours: one that was killed has not sent what it counted since its last export.",
        )


def _of_models(asked: _Asked) -> Iterator[Cause]:
    for matcher, said in ((_OVERFLOW, "the SDK's limit of attribute sets"), (_OTHER, "the limit of models on metrics")):
        count = asked.number(total(asked.of(semconv.ATTEMPTS, matcher), window=asked.hours.window))
        if count:
            yield Cause(
                "overflow",
                f"{count} attempts were beyond {said}: sums are right, their models are not in the counters.",
            )


def _of_rows(hours: Hours) -> Iterator[Cause]:
    rows = LLMUsage.objects.using(metering_settings.DATABASE_ALIAS).between(hours.start, hours.end)
    interrupted = rows.filter(status=Status.INTERRUPTED.value).count()
    if interrupted:
        yield Cause(
            "rows_without_metrics",
            f"{interrupted} rows are of attempts whose process died; they are left out, but its other last counts are lost, too.",
        )
    waiting = read_status().spool
    if waiting.records:
        yield Cause(
            "spool_backlog",
            f"{waiting.records} records wait in {waiting.directory}: counted, and not yet rows. Run metering_drain.",
        )
