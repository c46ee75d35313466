from __future__ import annotations

import pytest

from agentcore_metering.adapters.django.admin.charts import BOTTOM, LEFT, RIGHT, TOP, Chart, Curve, draw, short_number


def chart(*values: list[float | None], is_line: bool = False) -> Chart:
    curves = [Curve(f"c{place}", "first", one, [str(value) for value in one]) for place, one in enumerate(values)]
    return draw("k", "title", "total", [f"l{place}" for place in range(len(values[0]))], curves, is_line=is_line)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (0.25, "0.25"),
        (1500, "1.5k"),
        (2e6, "2M"),
        (3e9, "3G"),
        (0.000025, "0.000025"),
        (5e-9, "5.0e-09"),
    ],
)
def test_short_number(value: float, text: str) -> None:
    assert short_number(value) == text


@pytest.mark.parametrize("largest", [1e-12, 0.3, 1, 3, 4, 7, 9.99, 10, 99, 1234, 1e15])
def test_axis_reaches_the_largest_value_in_at_most_five_steps(largest: float) -> None:
    drawn = chart([largest, 0])

    assert 1 <= len(drawn.y_ticks) - 1 <= 5
    assert drawn.y_ticks[0].position == BOTTOM
    assert drawn.y_ticks[-1].position == TOP
    assert TOP <= drawn.bars[0].y < BOTTOM
    assert drawn.bars[0].height >= (BOTTOM - TOP) / 2.1


@pytest.mark.parametrize(
    ("largest", "texts"),
    [
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (12, ["0", "5", "10", "15"]),
        (25, ["0", "5", "10", "15", "20", "25"]),
        (26, ["0", "10", "20", "30"]),
    ],
)
def test_axis_of_counts_is_whole(largest: int, texts: list[str]) -> None:
    assert [tick.text for tick in chart([largest]).y_ticks] == texts


def test_bars_stand_on_each_other() -> None:
    drawn = chart([3.0, 0], [1.0, 4.0])

    below, above, alone = drawn.bars
    assert above.y + above.height == pytest.approx(below.y)
    assert below.y + below.height == alone.y + alone.height == BOTTOM
    assert above.y == alone.y == TOP
    assert LEFT < below.x < alone.x < alone.x + alone.width < RIGHT


def test_line_has_a_gap_where_nothing_is_known() -> None:
    drawn = chart([1.0, 2.0, None, 1.0], is_line=True)

    assert [letter for letter in drawn.paths[0].d if letter.isalpha()] == ["M", "L", "M"]
    assert len(drawn.paths[0].dots) == 3
    assert drawn.bars == ()


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [None]])
def test_chart_of_nothing_has_axes_and_no_bar(values: list[float | None]) -> None:
    drawn = chart(values)

    assert drawn.bars == ()
    assert [tick.text for tick in drawn.y_ticks] == ["0", "1"]


def test_many_buckets_have_few_labels_and_each_its_text() -> None:
    drawn = chart([float(place) for place in range(100)])

    assert len(drawn.x_ticks) <= 8
    assert [slot.text for slot in drawn.slots[:2]] == ["l0: c0 0.0", "l1: c0 1.0"]
    assert len(drawn.slots) == 100
