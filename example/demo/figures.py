"""The same figures from four places: the rows, the spans, the OpenTelemetry metrics and the REST API. Nothing is shared on the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan

from example.demo.stage import ADMIN, API
from example.traffic import Host

PLACES = 12


@dataclass
class Figures:
    """What one view says of one model."""

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    """By currency; two currencies are never added."""


View = dict[str, Figures]
"""By model, as the caller asked for it."""


def from_rows() -> View:
    """By SQL over the usage rows."""
    from django.db.models import Count, Sum

    from agentcore_metering.adapters.django.fields import ExactSum
    from agentcore_metering.adapters.django.models import LLMUsage

    view: View = defaultdict(Figures)
    groups = LLMUsage.objects.order_by().values("request_model", "cost_currency")
    for group in groups.annotate(
        attempts=Count("id"), input=Sum("prompt_tokens"), output=Sum("completion_tokens"), amount=ExactSum("cost")
    ):
        _add(view[str(group["request_model"])], group["attempts"], group["input"], group["output"])
        if group["amount"] is not None:
            view[str(group["request_model"])].cost[group["cost_currency"]] += group["amount"]
    return view


def from_spans(spans: Iterable[ReadableSpan]) -> View:
    """By the attributes of the finished LLM spans."""
    view: View = defaultdict(Figures)
    for span in spans:
        attributes: Mapping[str, Any] = span.attributes or {}
        if "agentcore_metering.call.id" not in attributes:
            continue
        figures = view[attributes["gen_ai.request.model"]]
        _add(
            figures,
            attributes["agentcore_metering.attempts"],
            attributes.get("gen_ai.usage.input_tokens", 0),
            attributes.get("gen_ai.usage.output_tokens", 0),
        )
        if "gen_ai.usage.cost.currency" in attributes:
            figures.cost[attributes["gen_ai.usage.cost.currency"]] += Decimal(
                attributes["agentcore_metering.cost.amount"]
            )
    return view


def from_metrics(reader: InMemoryMetricReader) -> View:
    """By the counters, as a collector would get them."""
    view: View = defaultdict(Figures)
    for name, attributes, value in _data_points(reader):
        figures = view[attributes["gen_ai.request.model"]]
        if name == "agentcore_metering.attempts":
            figures.attempts += value
        elif name == "gen_ai.client.inference.usage.input_tokens":
            figures.input_tokens += value
        elif name == "gen_ai.client.inference.usage.output_tokens":
            figures.output_tokens += value
        elif name == "agentcore_metering.cost":
            figures.cost[attributes["gen_ai.usage.cost.currency"]] += Decimal(repr(value))
    return view


def from_api(host: Host) -> View:
    """By `GET token-stats/`, as an admin's dashboard would."""
    status, stats = host.request("GET", f"{API}/token-stats/", ADMIN)
    if status != 200:
        raise RuntimeError(f"token-stats/ was answered with {status}: {stats}")
    view: View = defaultdict(Figures)
    for item in stats["by_model"]:
        figures = view[item["model"].partition("/")[2]]
        _add(figures, item["total_calls"], item["total_prompt_tokens"], item["total_completion_tokens"])
        for cost in item["costs"]:
            if cost["priced_calls"]:
                figures.cost[cost["currency"]] += Decimal(cost["amount"])
    return view


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of one model in every view."""

    model: str
    label: str
    values: tuple[int | Decimal, ...]

    @property
    def is_equal(self) -> bool:
        """Whether all views agree, money to its 12th decimal place."""
        return len({_exact(value) for value in self.values}) == 1


def compare(views: Sequence[View]) -> list[Line]:
    """Every figure that any view has, in all of them."""
    lines = []
    for model in sorted({model for view in views for model in view}):
        of_model = [view.get(model, Figures()) for view in views]
        columns: list[tuple[str, Callable[[Figures], int | Decimal]]] = [
            (column.name.replace("_", " "), lambda figures, name=column.name: getattr(figures, name))  # type: ignore[misc]
            for column in fields(Figures)
            if column.name != "cost"
        ]
        currencies = sorted({currency for figures in of_model for currency in figures.cost})
        columns += [
            (f"cost {currency}", lambda figures, currency=currency: figures.cost.get(currency, Decimal(0)))  # type: ignore[misc]
            for currency in currencies
        ]
        lines += [Line(model, label, tuple(read(figures) for figures in of_model)) for label, read in columns]
    return lines


def _add(figures: Figures, attempts: int, input_tokens: int, output_tokens: int) -> None:
    figures.attempts += attempts
    figures.input_tokens += input_tokens
    figures.output_tokens += output_tokens


def _exact(value: int | Decimal) -> Decimal:
    return round(Decimal(value), PLACES)


def _data_points(reader: InMemoryMetricReader) -> Iterable[tuple[str, Mapping[str, Any], Any]]:
    data = reader.get_metrics_data()
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    attributes = dict(point.attributes or {})
                    # What has no model tells of the journal, not of calls; what has no value is a histogram.
                    if "gen_ai.request.model" in attributes and hasattr(point, "value"):
                        yield metric.name, attributes, point.value
