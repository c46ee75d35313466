"""Percentiles from histograms with fixed bounds, which can be added up as nothing else can that has percentiles.

The true value lies between the same two bounds as the one given, which are a factor of 1.41 apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from agentcore_metering.adapters.django.models.rollup import HISTOGRAM_BOUNDS_US

__all__ = ["percentile_s"]


def percentile_s(counts: Sequence[int], share: float) -> float | None:
    """Seconds below which `share` (0 to 1) of the values lie, at 4 places; None where there are no values.

    Values past the last bound, 102.4 s, count as that bound.
    """
    total = sum(counts)
    if not total:
        return None
    rank = share * total
    below = 0
    for place, count in enumerate(counts):
        if count and below + count >= rank:
            return round(_between(place, max(0.0, rank - below) / count) / 1e6, 4)
        below += count
    raise AssertionError("the ranks end with the last value")


def _between(place: int, part: float) -> float:
    """The value this part of the way from a bucket's lower to its upper bound."""
    if place == len(HISTOGRAM_BOUNDS_US):
        return HISTOGRAM_BOUNDS_US[-1]
    low = HISTOGRAM_BOUNDS_US[place - 1] if place else 0
    return low + (HISTOGRAM_BOUNDS_US[place] - low) * part
