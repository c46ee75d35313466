"""What the databases spell differently: times, spans, amounts and histograms in SQL. Texts only, with `{}` where an expression goes.

A percent sign is doubled: a statement made of them is to be executed with parameters, be it none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db import NotSupportedError

from agentcore_metering.adapters.django.models.rollup import HISTOGRAM_BOUNDS_US, Grain

__all__ = ["DIALECTS", "Dialect", "dialect_of"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """SQL of one vendor."""

    bucket: Mapping[Grain, str]
    """The first moment of the UTC bucket of a time."""
    elapsed_us: str
    """Microseconds from `{since}` to `{until}`."""
    greatest: str
    micro: str
    """Whole millionths in an amount, toward zero."""
    pico: str
    """What these leave of it, in 1e-12."""
    bin: Callable[[str], str]
    """The number of the histogram's column for microseconds; NULL for NULL."""
    fence: str
    """At the end of a subquery whose expressions shall be evaluated once."""
    sums: Mapping[str, str]
    """Sums over rows that are made more cheaply of something else than the measure: from one sum of all amounts, say."""
    has_binary_search: bool
    """Whether `width_bucket` finds the place of a time among many."""


def _case_bin(us: str) -> str:
    whens = " ".join(f"WHEN {us} <= {bound} THEN {place}" for place, bound in enumerate(HISTOGRAM_BOUNDS_US))
    return f"CASE WHEN {us} IS NULL THEN NULL {whens} ELSE {len(HISTOGRAM_BOUNDS_US)} END"


def _searched_bin(us: str) -> str:
    # width_bucket's bounds are inclusive below, ours above.
    bounds = ", ".join(str(bound + 1) for bound in HISTOGRAM_BOUNDS_US)
    return f"width_bucket({us}, ARRAY[{bounds}]::bigint[])"


# strftime rounds to milliseconds first, so it must not see the fraction.
_SQLITE_US = (
    "(CAST(strftime('%%s', substr({0}, 1, 19)) AS INTEGER) * 1000000 "
    "+ CASE WHEN length({0}) > 19 THEN CAST(substr({0}, 21, 6) AS INTEGER) ELSE 0 END)"
)
# Code that knows the older schema only writes amounts as REAL.
_SQLITE_UNITS = "CASE typeof({0}) WHEN 'real' THEN CAST(ROUND({0} * 1e12) AS INTEGER) ELSE {0} END"

_SQLITE = Dialect(
    bucket={
        Grain.HOUR: "(substr({}, 1, 13) || ':00:00')",
        Grain.DAY: "(substr({}, 1, 10) || ' 00:00:00')",
        Grain.FIVE_DAYS: (
            "(substr({0}, 1, 8) || printf('%%02d', min((CAST(substr({0}, 9, 2) AS INTEGER) - 1) / 5, 5) * 5 + 1) || ' 00:00:00')"
        ),
        Grain.MONTH: "(substr({}, 1, 7) || '-01 00:00:00')",
    },
    elapsed_us=f"({_SQLITE_US.replace('{0}', '{until}')} - {_SQLITE_US.replace('{0}', '{since}')})",
    greatest="max({}, {})",
    micro=f"(({_SQLITE_UNITS}) / 1000000)",
    pico=f"(({_SQLITE_UNITS}) - (({_SQLITE_UNITS}) / 1000000) * 1000000)",
    bin=_case_bin,
    fence="LIMIT -1 OFFSET 0",
    sums={},
    has_binary_search=False,
)
_POSTGRESQL = Dialect(
    bucket={
        Grain.HOUR: "date_trunc('hour', {}, 'UTC')",
        Grain.DAY: "date_trunc('day', {}, 'UTC')",
        # In hours, because a day of the session's zone may have 23 of them.
        Grain.FIVE_DAYS: (
            "(date_trunc('month', {0}, 'UTC') + LEAST((CAST(EXTRACT(DAY FROM {0} AT TIME ZONE 'UTC') AS integer) - 1) / 5, 5) "
            "* interval '120 hours')"
        ),
        Grain.MONTH: "date_trunc('month', {}, 'UTC')",
    },
    elapsed_us="CAST(EXTRACT(EPOCH FROM ({until} - {since})) * 1000000 AS bigint)",
    greatest="GREATEST({}, {})",
    micro="CAST(trunc({0} * 1000000) AS bigint)",
    pico="CAST(mod({0} * 1000000000000, 1000000) AS bigint)",
    bin=_searched_bin,
    fence="OFFSET 0",
    # Not the same two numbers, but together the same amount.
    sums={
        "cost_micro": "trunc(COALESCE(SUM(cost), 0) * 1000000)",
        "cost_pico": "mod(COALESCE(SUM(cost), 0) * 1000000000000, 1000000)",
    },
    has_binary_search=True,
)

DIALECTS: Mapping[str, Dialect] = {"postgresql": _POSTGRESQL, "sqlite": _SQLITE}


def dialect_of(vendor: str) -> Dialect:
    """The SQL of a vendor, by Django's name of it; NotSupportedError for one that is not among `DIALECTS`."""
    try:
        return DIALECTS[vendor]
    except KeyError:
        raise NotSupportedError(
            f"usage figures are made on {' and '.join(sorted(DIALECTS))}, not on {vendor}; set AGENTCORE_METERING_DATABASE_ALIAS"
        ) from None
