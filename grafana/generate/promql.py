"""The PromQL that the panels are made of: totals that are exact, rates, shares and percentiles, each by whatever labels."""

from __future__ import annotations

from collections.abc import Sequence

from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.prometheus import total
from grafana.generate.series import CURRENCY, ENVIRONMENT, ERROR_TYPE, MODEL, OPERATION, OUTCOME, SERVICE, series

__all__ = [
    "CALLS",
    "COSTS",
    "FAILED_CALLS",
    "PROCESS",
    "TOKEN_CLASSES",
    "WITH_ERROR",
    "or_none",
    "or_zero",
    "rate",
    "rate_quantile",
    "select",
    "share",
    "share_by",
    "token_class_rate",
    "total",
    "total_quantile",
]

PROCESS = f'{SERVICE}=~"$service",{ENVIRONMENT}=~"$environment"'
"""For series without a model: those of the side-channel."""
CALLS = f'{PROCESS},{MODEL}=~"$model",{OPERATION}=~"$operation"'
COSTS = f'{CALLS},{CURRENCY}="$currency"'


def select(name: str, matchers: str = CALLS, suffix: str = "") -> str:
    """A selector of the registry's metric `name`; `suffix` picks a histogram's `_bucket`, `_sum` or `_count`."""
    return f"{series(name)}{suffix}{{{matchers}}}"


def rate(selector: str, by: Sequence[str] = (), window: str = "$__rate_interval") -> str:
    """Counted per second."""
    return f"{_sum(by)} (rate({selector}[{window}]))"


def or_zero(expression: str) -> str:
    """0 where there is nothing: a panel about errors must not go empty when there are none."""
    return f"({expression}) or vector(0)"


def or_none(expression: str, label: str) -> str:
    """As `or_zero`, for an expression by `label`: a series called `none`."""
    return f'({expression}) or label_replace(vector(0), "{label}", "none", "", "")'


def share(part: str, whole: str) -> str:
    """`part` of `whole` where neither has labels; 0 where there was nothing at all."""
    return or_zero(f"(({part}) or vector(0)) / (({whole}) > 0)")


def share_by(part: str, whole: str) -> str:
    """`part` of `whole`, both by the same labels; 0 for those that have no part."""
    return f"(({part}) or ({whole}) * 0) / (({whole}) > 0)"


def total_quantile(quantile: float, name: str, by: Sequence[str] = ()) -> str:
    """A percentile over the whole range, as exact as the buckets are."""
    return f"histogram_quantile({quantile}, {total(select(name, suffix='_bucket'), ('le', *by))})"


def rate_quantile(quantile: float, name: str, by: Sequence[str] = ()) -> str:
    """A percentile as it was from moment to moment."""
    return f"histogram_quantile({quantile}, {rate(select(name, suffix='_bucket'), ('le', *by))})"


FAILED_CALLS = f'{CALLS},{OUTCOME}="failed"'
WITH_ERROR = f'{CALLS},{ERROR_TYPE}!=""'

_PARTS_OF_INPUT = (semconv.INFERENCE_CACHE_READ_INPUT_TOKENS, semconv.INFERENCE_CACHE_WRITE_INPUT_TOKENS)

TOKEN_CLASSES = {
    "input, uncached": (semconv.INFERENCE_INPUT_TOKENS, *_PARTS_OF_INPUT),
    "input, cache read": (semconv.INFERENCE_CACHE_READ_INPUT_TOKENS,),
    "input, cache write": (semconv.INFERENCE_CACHE_WRITE_INPUT_TOKENS,),
    "output, visible": (semconv.INFERENCE_OUTPUT_TOKENS, semconv.INFERENCE_REASONING_OUTPUT_TOKENS),
    "output, reasoning": (semconv.INFERENCE_REASONING_OUTPUT_TOKENS,),
}
"""Disjoint classes of tokens: the counter, and those that are parts of it and stand for themselves."""


def token_class_rate(name: str) -> str:
    """Tokens per second of one disjoint class; all of them together are all tokens."""
    whole, *parts = TOKEN_CLASSES[name]
    return " - ".join(rate(select(counter)) for counter in (whole, *parts))


def _sum(by: Sequence[str]) -> str:
    return f"sum by ({', '.join(by)})" if by else "sum"
