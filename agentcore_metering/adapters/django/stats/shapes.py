"""Totals as JSON: the names that existing UIs read. Pure.

An amount is there twice: as an exact decimal string with 12 places, and as a number for charts.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from agentcore_metering.adapters.django.stats.percentiles import percentile_s
from agentcore_metering.adapters.django.stats.totals import CurrencyTotal, Totals

__all__ = ["exact_text", "model_totals", "number", "overview_totals", "rate", "seconds"]

_PERCENTILES = (("50", 0.5), ("95", 0.95), ("99", 0.99))


def overview_totals(totals: Totals) -> dict[str, Any]:
    """Sums of the summary, of a model, or of a bucket. `total_cost` is one currency's figure, `costs` has all of them."""
    main_cost = totals.main_cost
    return {
        **_tokens(totals),
        "total_cost": number(main_cost.amount),
        "total_cost_currency": main_cost.currency,
        "costs": _costs(totals),
        "total_calls": totals.calls,
        "successful_calls": totals.succeeded_calls,
        "failed_calls": totals.failed_calls,
        "cancelled_calls": totals.cancelled_calls,
        "logical_calls": totals.logical_calls,
        "streamed_calls": totals.streams,
        **_pricing(totals),
        **_speed(totals),
    }


def model_totals(totals: Totals) -> dict[str, Any]:
    """Sums of one model in one bucket, with averages over its succeeded rows; None where there is nothing to average."""
    main_cost = totals.main_cost
    return {
        "call_count": totals.calls,
        "success_count": totals.succeeded_calls,
        **_speed(totals),
        **_tokens(totals),
        "total_cost": number(main_cost.amount) if totals.costs else None,
        "cost_currency": main_cost.currency,
        "costs": _costs(totals),
        **_pricing(totals),
    }


def exact_text(amount: Decimal) -> str:
    """All 12 places, never an exponent."""
    return f"{amount:.12f}"


def number(amount: Decimal) -> float:
    """The nearest JSON number, for charts; sums are made of exact amounts before."""
    return float(amount)


def seconds(span: timedelta) -> float:
    """Seconds to the microsecond, never negative: two clocks may disagree."""
    return max(0.0, span.total_seconds())


def rate(tokens: int, span: timedelta) -> float | None:
    """Tokens per second at 2 places; None over no time."""
    span_s = seconds(span)
    return round(tokens / span_s, 2) if span_s else None


def _speed(totals: Totals) -> dict[str, Any]:
    """Of succeeded rows, in seconds; None where there are none."""
    return {
        "avg_e2e_latency_sec": _average_s(totals.timed_duration, totals.timed_calls),
        **{f"p{name}_e2e_latency_sec": percentile_s(totals.latencies, share) for name, share in _PERCENTILES},
        "avg_ttft_sec": _average_s(totals.first_chunk_delay, totals.first_chunk_calls),
        **{f"p{name}_ttft_sec": percentile_s(totals.first_chunk_delays, share) for name, share in _PERCENTILES},
        "avg_output_tps": rate(totals.timed_tokens, totals.timed_duration),
        "cache_hit_share": round(totals.cached_tokens / totals.prompt_tokens, 4) if totals.prompt_tokens else None,
    }


def _average_s(total: timedelta, count: int) -> float | None:
    return round(total.total_seconds() / count, 4) if count else None


def _tokens(totals: Totals) -> dict[str, Any]:
    return {
        "total_prompt_tokens": totals.prompt_tokens,
        "total_completion_tokens": totals.completion_tokens,
        "total_tokens": totals.all_tokens,
        "total_cached_tokens": totals.cached_tokens,
        "total_cache_write_tokens": totals.cache_write_tokens,
        "total_reasoning_tokens": totals.reasoning_tokens,
    }


def _costs(totals: Totals) -> list[dict[str, Any]]:
    return [_cost(cost) for cost in totals.costs]


def _cost(cost: CurrencyTotal) -> dict[str, Any]:
    return {
        "currency": cost.currency,
        "amount": exact_text(cost.amount),
        "total_cost": number(cost.amount),
        "priced_calls": cost.priced_calls,
    }


def _pricing(totals: Totals) -> dict[str, Any]:
    return {
        "priced_calls": totals.priced_calls,
        "unpriced_calls": totals.calls - totals.priced_calls,
        "cost_status": _cost_status(totals),
    }


def _cost_status(totals: Totals) -> str:
    if not totals.calls:
        return "empty"
    if not totals.priced_calls:
        return "unavailable"
    return "priced" if totals.priced_calls == totals.calls else "partial"
