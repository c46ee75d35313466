"""Owns what is compared: attempts, tokens and cost by hour, model and currency, as the rows say and as the counters say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce, TruncHour

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.fields import ExactSum
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.reconcile.engine import MetricsEngine
from agentcore_metering.core.types import Operation, Status
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.prometheus import SERVICE, label, series, total

__all__ = ["HOUR", "Figures", "Hours", "Key", "figures_of_counters", "figures_of_rows", "selector"]

HOUR = timedelta(hours=1)
_MODEL, _CURRENCY = label(semconv.REQUEST_MODEL), label(semconv.COST_CURRENCY)
_HELD = Decimal("1e-9")
"""What a float of a counter can be held to."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Whole hours that are over."""

    start: datetime
    end: datetime
    """Exclusive."""

    @classmethod
    def last(cls, count: int, now: datetime) -> Hours:
        """The last `count` hours that are over at `now`."""
        end = now.replace(minute=0, second=0, microsecond=0)
        return cls(end - count * HOUR, end)

    @property
    def window(self) -> str:
        """All of them, as PromQL writes a duration."""
        return f"{int((self.end - self.start).total_seconds())}s"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What one figure is about; the currency is empty for what is no amount."""

    figure: str
    """attempts, input_tokens, output_tokens or cost."""
    model: str
    currency: str = ""


Figures = Mapping[tuple[datetime, Key], Decimal]
"""By the hour's beginning; what is zero may be absent."""

_COUNTERS = {
    "attempts": (semconv.ATTEMPTS, (_MODEL,)),
    "input_tokens": (semconv.INFERENCE_INPUT_TOKENS, (_MODEL,)),
    "output_tokens": (semconv.INFERENCE_OUTPUT_TOKENS, (_MODEL,)),
    "cost": (semconv.COST, (_MODEL, _CURRENCY)),
}


def figures_of_counters(engine: MetricsEngine, hours: Hours, service: str | None) -> Figures:
    """As the counters say. Raises MetricsUnavailable."""
    figures = {}
    for figure, (name, by) in _COUNTERS.items():
        hourly = total(selector(name, service), by, "3600s")
        for sample in engine.query_hours(hourly, hours.start + HOUR, hours.end):
            key = Key(figure, sample.labels.get(_MODEL, ""), sample.labels.get(_CURRENCY, ""))
            figures[sample.at - HOUR, key] = sample.value.quantize(_HELD)
    return figures


def selector(name: str, service: str | None, *matchers: str) -> str:
    """A selector of the registry's metric, of one service or of all, and of what has these labels too."""
    chosen = [f"{SERVICE}={_quoted(service)}"] if service else []
    return f"{series(name)}{{{','.join((*chosen, *matchers))}}}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def figures_of_rows(hours: Hours) -> Figures:
    """As the rows say, and not the rollups, which are held against them too. Rows whose process died are left out: nobody counted them."""
    figures: dict[tuple[datetime, Key], Decimal] = defaultdict(Decimal)
    for row in _summed_rows(hours):
        for key, value in _figures_of_row(row):
            figures[row["hour"], key] += value
    return figures


def _summed_rows(hours: Hours) -> Iterable[Any]:
    # The token counters are of inference alone: embeddings have none, by the conventions.
    counted = ~Q(operation=Operation.EMBEDDINGS.value) | Q(operation__isnull=True)
    return (
        LLMUsage.objects.using(metering_settings.DATABASE_ALIAS)
        .between(hours.start, hours.end)
        .exclude(status=Status.INTERRUPTED.value)
        .order_by()
        .annotate(hour=TruncHour("created_at", tzinfo=UTC), asked_for=Coalesce("request_model", "model"))
        .values("hour", "asked_for", "cost_currency")
        .annotate(
            attempts=Count("pk"),
            input_tokens=Sum("prompt_tokens", filter=counted, default=0),
            output_tokens=Sum("completion_tokens", filter=counted, default=0),
            amount=ExactSum(F("cost")),
        )
    )


def _figures_of_row(row: dict[str, Any]) -> Iterator[tuple[Key, Decimal]]:
    for name in ("attempts", "input_tokens", "output_tokens"):
        yield Key(name, row["asked_for"]), Decimal(row[name])
    if row["amount"] is not None:
        yield Key("cost", row["asked_for"], row["cost_currency"]), row["amount"]
