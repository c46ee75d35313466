"""Figures over time -> where the parts of a small SVG chart lie. Pure; the template writes the SVG, the style sheet has the colours.

Bars stand on each other where a chart has several of them. A line has a gap where a value is not known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["HEIGHT", "WIDTH", "Chart", "Curve", "draw", "short_number"]

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 632, 12, 192
MAX_LABELS = 8
GAP_SHARE = 0.15
"""Of a bar's room."""
_STEPS = (1, 2, 2.5, 5, 10)
_WHOLE_STEPS = (1, 2, 5)
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity over time."""

    name: str
    kind: str
    """Its class in the style sheet."""
    values: Sequence[float | None]
    texts: Sequence[str]
    """The exact values, to be read."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Path:
    """A line through the values of one curve, and a dot at each."""

    kind: str
    d: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of an axis."""

    position: float
    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """The room of one bucket, and what there is to read in it."""

    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that a template needs to write it."""

    key: str
    title: str
    total: str
    """In words, for those who do not see it."""
    curves: tuple[Curve, ...]
    bars: tuple[Bar, ...]
    paths: tuple[Path, ...]
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class _Scale:
    count: int
    top: float

    @property
    def room(self) -> float:
        return (RIGHT - LEFT) / max(1, self.count)

    def x(self, place: float) -> float:
        return round(LEFT + self.room * place, 2)

    def y(self, value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * value / self.top, 2)


def draw(
    key: str, title: str, total: str, labels: Sequence[str], curves: Sequence[Curve], *, is_line: bool = False
) -> Chart:
    """A chart of `curves`, all of them as long as `labels`, none of them negative."""
    stacked = [sum(value or 0 for value in values) for values in zip(*(curve.values for curve in curves), strict=True)]
    single = [value or 0 for curve in curves for value in curve.values]
    largest = max(single if is_line else stacked, default=0)
    step = _step(largest, is_whole=isinstance(largest, int))
    steps = max(1, math.ceil(largest / step - 1e-9))
    scale = _Scale(len(labels), step * steps)
    return Chart(
        key=key,
        title=title,
        total=total,
        curves=tuple(curves),
        bars=() if is_line else _bars(curves, scale),
        paths=tuple(_path(curve, scale) for curve in curves) if is_line else (),
        y_ticks=tuple(Tick(scale.y(step * place), short_number(step * place)) for place in range(steps + 1)),
        x_ticks=_x_ticks(labels, scale),
        slots=_slots(labels, curves, scale),
    )


def short_number(value: float) -> str:
    """For an axis: 1500 is 1.5k; 0.00025 is written out."""
    for unit, name in _UNITS:
        if value >= unit:
            return f"{value / unit:.4g}{name}"
    text = f"{value:.12f}".rstrip("0").rstrip(".")
    return text if len(text) <= MAX_LABELS else f"{value:.1e}"


def _step(largest: float, *, is_whole: bool) -> float:
    """A round number of which at most five reach `largest`; whole where counts are."""
    if largest <= 0:
        return 1.0
    if is_whole and largest <= _WHOLE_STEPS[-1] * 5:
        return float(next(step for step in _WHOLE_STEPS if step * 5 >= largest))
    power = 10.0 ** math.floor(math.log10(largest / 5))
    # The power of a number just below a round one may be the next lower: then the last step is enough for both.
    return next((power * step for step in _STEPS if power * step * 5 >= largest * (1 - 1e-9)), power * 10)


def _bars(curves: Sequence[Curve], scale: _Scale) -> tuple[Bar, ...]:
    bars = []
    width = round(scale.room * (1 - GAP_SHARE), 2)
    for place in range(scale.count):
        below = 0.0
        for curve in curves:
            value = curve.values[place] or 0
            top, bottom = scale.y(below + value), scale.y(below)
            if value:
                bars.append(Bar(curve.kind, scale.x(place + GAP_SHARE / 2), top, width, round(bottom - top, 2)))
            below += value
    return tuple(bars)


def _path(curve: Curve, scale: _Scale) -> Path:
    parts: list[str] = []
    dots: list[tuple[float, float]] = []
    is_drawn = False
    for place, value in enumerate(curve.values):
        if value is not None:
            x, y = scale.x(place + 0.5), scale.y(value)
            parts.append(f"{'L' if is_drawn else 'M'}{x} {y}")
            dots.append((x, y))
        is_drawn = value is not None
    return Path(curve.kind, " ".join(parts), tuple(dots))


def _x_ticks(labels: Sequence[str], scale: _Scale) -> tuple[Tick, ...]:
    every = max(1, math.ceil(len(labels) / MAX_LABELS))
    return tuple(Tick(scale.x(place + 0.5), labels[place]) for place in range(0, len(labels), every))


def _slots(labels: Sequence[str], curves: Sequence[Curve], scale: _Scale) -> tuple[Slot, ...]:
    width = round(scale.room, 2)
    return tuple(
        Slot(scale.x(place), width, f"{label}: {', '.join(f'{curve.name} {curve.texts[place]}' for curve in curves)}")
        for place, label in enumerate(labels)
    )
