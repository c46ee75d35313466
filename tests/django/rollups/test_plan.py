from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcore_metering.adapters.django.models.rollup import Grain, NodeRollup, UsageRollup, UserRollup, UserTotalRollup
from agentcore_metering.adapters.django.rollups.coverage import Coverage
from agentcore_metering.adapters.django.rollups.cubes import cube_for
from agentcore_metering.adapters.django.rollups.grains import floor, following
from agentcore_metering.adapters.django.rollups.plan import make_plan

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
COVERAGE = Coverage(BEGIN, datetime(2026, 5, 10, 7, tzinfo=UTC))

moments = st.integers(-40 * 24 * 60, 200 * 24 * 60).map(lambda minutes: BEGIN + timedelta(minutes=minutes))
hours = st.integers(0, 129 * 24).map(lambda count: BEGIN + timedelta(hours=count))


@given(
    cuts=st.lists(moments, min_size=2, max_size=6).map(sorted),
    marked=st.sets(hours, max_size=6),
    grains=st.sampled_from([tuple(Grain), (Grain.DAY, Grain.MONTH), (Grain.DAY, Grain.FIVE_DAYS, Grain.MONTH), ()]),
    is_open=st.booleans(),
)
def test_pieces_are_the_stretches_and_use_only_what_holds(
    cuts: list[datetime], marked: set[datetime], grains: tuple[Grain, ...], is_open: bool
) -> None:
    stretches = list(pairwise([None, *cuts, None] if is_open else cuts))

    plan = make_plan(stretches, grains, COVERAGE, marked)

    for place, (start, end) in enumerate(stretches):
        pieces = [piece for pieces in (*plan.cells.values(), plan.rows) for piece in pieces if piece.place == place]
        pieces.sort(key=lambda piece: piece.start or datetime.min.replace(tzinfo=UTC))
        if start is not None and start == end:
            assert pieces == []
            continue
        assert (pieces[0].start, pieces[-1].end) == (start, end)
        assert all(one.end == other.start for one, other in pairwise(pieces))
    for grain, cells in plan.cells.items():
        for piece in cells:
            assert grain in grains
            assert piece.start is not None
            assert piece.end is not None
            assert floor(grain, piece.start) == piece.start
            assert floor(grain, piece.end) == piece.end
            assert COVERAGE.start <= piece.start
            assert piece.end <= COVERAGE.end
            assert not any(piece.start <= hour < piece.end for hour in marked)


def test_plan_takes_the_coarsest_buckets_that_hold() -> None:
    marked = datetime(2026, 3, 5, 9, tzinfo=UTC)
    stretch = (datetime(2026, 1, 30, 22, 15, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))

    plan = make_plan([stretch], tuple(Grain), COVERAGE, [marked])

    lengths = {grain: [(piece.start, piece.end) for piece in pieces] for grain, pieces in plan.cells.items()}
    assert lengths[Grain.MONTH] == [(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))]
    assert (datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)) in lengths[Grain.DAY]
    assert lengths[Grain.FIVE_DAYS] == [(datetime(2026, 3, 6, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))]
    assert [(piece.start, piece.end) for piece in plan.rows] == [
        (stretch[0], datetime(2026, 1, 30, 23, tzinfo=UTC)),
        (marked, following(Grain.HOUR, marked)),
    ]


@pytest.mark.parametrize(
    ("dimensions", "model"),
    [
        ({"cost_currency"}, UsageRollup),
        ({"user_id", "cost_currency"}, UserTotalRollup),
        ({"user_id", "cost_currency", "outcome"}, UserRollup),
        ({"user_id", "model"}, UserRollup),
        ({"node_name", "cost_currency"}, NodeRollup),
        ({"node_name", "user_id"}, None),
    ],
)
def test_narrowest_cube_that_has_everything_is_taken(dimensions: set[str], model: Any) -> None:
    cube = cube_for(dimensions)

    assert (cube and cube.model) is model
