"""The PromQL that the panels are made of: totals that are exact, rates, shares and percentiles, each by whatever labels.

`increase()` extrapolates and misses first samples, so no total uses it. The form here takes each process's last value in the range
and subtracts its last value before the range; it is exact on every engine while each process has a `service.instance.id` of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentcore_metering.telemetry import semconv
from grafana.generate.series import CURRENCY, ENVIRONMENT, ERROR_TYPE, MODEL, OPERATION, OUTCOME, SERVICE, series

PROCESS = f'{SERVICE}=~"$service",{ENVIRONMENT}=~"$environment"'
"""For series without a model: those of the side-channel."""
CALLS = f'{PROCESS},{MODEL}=~"$model",{OPERATION}=~"$operation"'
COSTS = f'{CALLS},{CURRENCY}="$currency"'

_LOOKBACK = "1h"
"""How far before the range a process's last value is looked for: longer than any export interval."""


def select(name: str, matchers: str = CALLS, suffix: str = "") -> str:
    """A selector of the registry's metric `name`; `suffix` picks a histogram's `_bucket`, `_sum` or `_count`."""
    return f"{series(name)}{suffix}{{{matchers}}}"


def total(selector: str, by: Sequence[str] = (), window: str = "$__range") -> str:
    """What was counted in the window before the moment of evaluation, exactly; nothing where there are no series."""
    last = f"last_over_time({selector}[{window}])"
    before = f"last_over_time({selector}[{_LOOKBACK}] offset {window})"
    return f"{_sum(by)} ({last} - ({before} or {last} * 0))"


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
