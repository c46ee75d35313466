"""The same calls as each view tells them: rows, token-stats, spans and counters, per model and currency, ready to be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agentcore_metering.telemetry import semconv

PICO = Decimal("1e-12")
Points = Mapping[str, Iterable[tuple[Mapping[str, Any], Any]]]

TOKENS = {
    "input": ("prompt_tokens", semconv.USAGE_INPUT_TOKENS, semconv.INFERENCE_INPUT_TOKENS),
    "output": ("completion_tokens", semconv.USAGE_OUTPUT_TOKENS, semconv.INFERENCE_OUTPUT_TOKENS),
    "cached": ("cached_tokens", semconv.USAGE_CACHE_READ_INPUT_TOKENS, semconv.INFERENCE_CACHE_READ_INPUT_TOKENS),
    "reasoning": (
        "reasoning_tokens",
        semconv.USAGE_REASONING_OUTPUT_TOKENS,
        semconv.INFERENCE_REASONING_OUTPUT_TOKENS,
    ),
}
"""Column and API key, span attribute, counter."""


@dataclass
class View:
    """Exact sums; what is zero is not in them."""

    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind of token and model."""
    attempts: Counter[str] = field(default_factory=Counter)
    costs: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """By model and currency."""

    def add(self, model: str, tokens: Mapping[str, int], attempts: int) -> None:
        self.attempts[model] += attempts
        for kind, count in tokens.items():
            self.tokens[kind, model] += count

    def add_cost(self, model: str, currency: str, amount: Decimal) -> None:
        self.costs[model, currency] = self.costs.get((model, currency), Decimal(0)) + amount

    def settled(self) -> View:
        """Without zeros and at 12 places, which is what a float of a counter can be held to."""
        costs = {key: amount.quantize(PICO) for key, amount in self.costs.items()}
        return View(+self.tokens, +self.attempts, {key: amount for key, amount in costs.items() if amount})


def of_rows(rows: Iterable[Any]) -> View:
    view = View()
    for row in rows:
        model = _plain(row.model)
        view.add(model, {kind: getattr(row, column) for kind, (column, _, _) in TOKENS.items()}, 1)
        if row.cost is not None:
            view.add_cost(model, row.cost_currency, row.cost)
    return view.settled()


def of_token_stats(stats: Mapping[str, Any]) -> View:
    view = View()
    for each in stats["by_model"]:
        model = _plain(each["model"])
        tokens = {kind: each[f"total_{column}"] for kind, (column, _, _) in TOKENS.items()}
        view.add(model, tokens, each["total_calls"])
        for cost in each["costs"]:
            view.add_cost(model, cost["currency"], Decimal(cost["amount"]))
    return view.settled()


def of_spans(spans: Iterable[Mapping[str, Any]]) -> View:
    view = View()
    for span in spans:
        model = _plain(span[semconv.LITELLM_MODEL])
        tokens = {kind: span.get(attribute, 0) for kind, (_, attribute, _) in TOKENS.items()}
        view.add(model, tokens, span[semconv.ATTEMPTS_COUNT])
        if semconv.EXACT_COST_AMOUNT in span:
            view.add_cost(model, span[semconv.EXACT_COST_CURRENCY], Decimal(span[semconv.EXACT_COST_AMOUNT]))
    return view.settled()


def of_counters(points: Points) -> View:
    view = View()
    for kind, (_, _, counter) in TOKENS.items():
        for attributes, value in points.get(counter, ()):
            view.add(attributes[semconv.REQUEST_MODEL], {kind: value}, 0)
    for attributes, value in points.get(semconv.ATTEMPTS, ()):
        view.add(attributes[semconv.REQUEST_MODEL], {}, value)
    for attributes, value in points.get(semconv.COST, ()):
        amount = Decimal(repr(float(value)))
        view.add_cost(attributes[semconv.REQUEST_MODEL], attributes[semconv.COST_CURRENCY], amount)
    return view.settled()


def _plain(litellm_model: str) -> str:
    """The model as metrics name it, without LiteLLM's prefix."""
    return litellm_model.split("/", 1)[-1]
