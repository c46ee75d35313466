"""Owns the statement that ranks groups in the database, so that only those which are shown have to be read.

What the figures mean, and which of them are asked for, is `stats`'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connections, models

from agentcore_metering.adapters.django.rollups.plan import Plan
from agentcore_metering.adapters.django.rollups.reading import CubeStatement, Selection, field_of

__all__ = ["FIGURES", "RankStatement", "Ranked", "Ranking"]

FIGURES: Mapping[str, tuple[str, ...]] = {
    "calls": ("calls",),
    "cost": ("cost_micro", "cost_pico", "priced_calls"),
    "failed": ("calls", "succeeded_calls", "cancelled_calls"),
    "latency": ("timed_us", "timed_calls"),
    "tokens": ("total_tokens",),
}
"""What groups can be ranked by, each with the measures that it is made of."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """In which order."""

    figure: str
    """One of `FIGURES`."""
    is_descending: bool
    limit: int
    currencies: tuple[str, ...] = ()
    """The spellings of the currency that amounts are compared in."""
    buckets: int = 1
    """Buckets of the period that counts; it is the last, and places before it are those of the period before."""
    has_previous: bool = False
    bucket_at: int = 0
    """Before which of the keys the bucket is, where equal ones are put in their order."""
    is_by_time: bool = False
    """Whether buckets come before the figure."""


class Ranked(NamedTuple):
    """The place of one group; those of equal figures come by their keys, those without the figure last."""

    bucket: int
    keys: tuple[Any, ...]
    groups: int
    """How many groups there are in all."""


class RankStatement(CubeStatement):
    """One SELECT over the sources of a plan, for the first groups of a ranking."""

    def __init__(
        self, using: str, selection: Selection, edges: Sequence[datetime], plan: Plan, ranking: Ranking
    ) -> None:
        super().__init__(using, selection, edges, plan)
        self._ranking = ranking

    def ranked(self) -> list[Ranked] | None:
        """The groups in their order. None where an hour that the plan used has been marked since."""
        found = self._groups(self._ranked_sql)
        width = len(self._selection.dimensions)
        if found is None:
            return None
        groups = sorted(found, key=itemgetter(-1))
        return [Ranked(group[0], group[1 : 1 + width], group[-2]) for group in groups]

    def _ranked_sql(self, union: str) -> tuple[str, list[Any]]:
        ranking, dimensions = self._ranking, self._selection.dimensions
        keys = [f"key_{number}" for number in range(len(dimensions))]
        grouped = ", ".join(("bucket", *keys))
        counts, parameters = self._counts(f"key_{len(keys)}")
        bucket = f"place %% {ranking.buckets}" if ranking.has_previous else "place"
        figures = _figures(ranking.figure)
        columns = ", ".join(f"{sql} AS figure_{number}" for number, sql in enumerate(figures))
        order = ", ".join([*self._figure_order(len(figures)), *self._keys_order(keys)])
        sql = (
            f"SELECT * FROM (SELECT {grouped}, COUNT(*) OVER () AS groups, ROW_NUMBER() OVER (ORDER BY {order}) AS position "
            f"FROM (SELECT {grouped}, {columns} FROM (SELECT sums.*, {bucket} AS bucket, {counts} AS counted FROM ({union}) AS sums) "
            f"AS counted_sums GROUP BY {grouped}) AS figures) AS ranked WHERE position <= {int(ranking.limit)}"
        )
        return sql, parameters

    def _counts(self, currency: str) -> tuple[str, list[Any]]:
        """1 for sums that the figure is made of, 0 for others: the period before, other currencies."""
        ranking = self._ranking
        conditions, parameters = [], list[Any]()
        if ranking.has_previous:
            conditions.append(f"place >= {ranking.buckets}")
        if ranking.figure == "cost":
            places = ", ".join(["%s"] * len(ranking.currencies))
            conditions.append(f"{currency} IN ({places})" if ranking.currencies else "1 = 0")
            parameters += ranking.currencies
        return f"CASE WHEN {' AND '.join(conditions) or '1 = 1'} THEN 1 ELSE 0 END", parameters

    def _figure_order(self, figures: int) -> list[str]:
        ranking = self._ranking
        direction = "DESC" if ranking.is_descending else "ASC"
        by_figure = [f"figure_{number} {direction}" for number in range(figures)]
        by_time = ["bucket"] if ranking.is_by_time else []
        return [*by_time, "CASE WHEN figure_0 IS NULL THEN 1 ELSE 0 END", *by_figure]

    def _keys_order(self, keys: Sequence[str]) -> list[str]:
        order = [self._key_order(*pair) for pair in zip(self._selection.dimensions, keys, strict=True)]
        order.insert(self._ranking.bucket_at, "bucket")
        return order

    def _key_order(self, dimension: str, key: str) -> str:
        """As Python sorts them: by code points, none last."""
        is_text = isinstance(field_of(dimension), models.CharField | models.TextField)
        collation = ' COLLATE "C"' if is_text and connections[self._using].vendor == "postgresql" else ""
        return f"CASE WHEN {key} IS NULL THEN 1 ELSE 0 END, {key}{collation}"


def _figures(name: str) -> list[str]:
    """What groups are ordered by, the first before the second; NULL for groups that have no such figure."""
    if name == "failed":
        return ["SUM(counted * (calls - succeeded_calls - cancelled_calls))"]
    if name == "latency":
        calls = "SUM(counted * timed_calls)"
        return [f"CASE WHEN {calls} > 0 THEN CAST(SUM(counted * timed_us) AS double precision) / {calls} END"]
    if name != "cost":
        return [f"SUM(counted * {FIGURES[name][0]})"]
    # Whole millionths and what is left of one, never negative: together they outgrow SQLite's integers.
    micro, pico = "SUM(counted * cost_micro)", "SUM(counted * cost_pico)"
    rest = f"(({pico} % 1000000 + 1000000) % 1000000)".replace("%", "%%")
    is_known = "SUM(counted * priced_calls) > 0"
    return [
        f"CASE WHEN {is_known} THEN {micro} + ({pico} - {rest}) / 1000000 END",
        f"CASE WHEN {is_known} THEN {rest} END",
    ]
