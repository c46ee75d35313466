from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcore_metering.adapters.django.models.rollup import HISTOGRAM_BOUNDS_US, HISTOGRAM_SIZE
from agentcore_metering.adapters.django.stats.percentiles import percentile_s


def histogram(values_us: list[int]) -> list[int]:
    counts = [0] * HISTOGRAM_SIZE
    for value in values_us:
        counts[sum(bound < value for bound in HISTOGRAM_BOUNDS_US)] += 1
    return counts


def test_percentile_of_nothing_is_unknown() -> None:
    assert percentile_s((), 0.5) is None
    assert percentile_s([0] * HISTOGRAM_SIZE, 0.99) is None


def test_percentile_past_the_last_bound_is_that_bound() -> None:
    assert percentile_s(histogram([10**9]), 0.5) == 102.4


@given(st.lists(st.integers(25_001, 102_400_000), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 0.99]))
def test_percentile_lies_between_the_bounds_of_the_true_one(values_us: list[int], share: float) -> None:
    rank = max(1, -int(-share * len(values_us) // 1))
    true_us = sorted(values_us)[rank - 1]

    found = percentile_s(histogram(values_us), share)

    assert found is not None
    assert true_us / 1e6 / 1.4143 <= found + 1e-4
    assert found - 1e-4 <= true_us / 1e6 * 1.4143


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_percentiles_of_many_even_values_are_close(share: float) -> None:
    last_us = HISTOGRAM_BOUNDS_US[17]

    found = percentile_s(histogram(list(range(0, last_us, 1000))), share)

    assert found == pytest.approx(last_us / 1e6 * share, rel=0.01)
