"""Owns the statement that reads sums: one branch for each grain of a cube and one for the rows, and the proof that its plan still held.

What the sums are asked for, and what is made of them, is `stats.cube`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connections, models

from agentcore_metering.adapters.django.models import RollupCoverage, RollupMark
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.cells import USAGE_TABLE, facts
from agentcore_metering.adapters.django.rollups.coverage import Coverage
from agentcore_metering.adapters.django.rollups.cubes import (
    CUBES,
    DIMENSIONS,
    FIRST_CHUNK_BINS,
    LATENCY_BINS,
    MEASURES,
    OUTCOMES,
    cube_for,
)
from agentcore_metering.adapters.django.rollups.dialects import dialect_of
from agentcore_metering.adapters.django.rollups.fives import HAS_FIVES_SQL
from agentcore_metering.adapters.django.rollups.plan import Piece, Plan, make_plan
from agentcore_metering.adapters.django.rollups.statements import rows_of, to_time
from agentcore_metering.adapters.django.rollups.triggers import installed_sql

__all__ = ["CubeStatement", "Selection", "field_of", "planned"]

_MARK = RollupMark._meta.db_table
_COVERAGE = RollupCoverage._meta.db_table
# Sums whose rows retention has deleted hold whatever is marked.
_LIVE = f"NOT EXISTS (SELECT 1 FROM {_COVERAGE} AS kept WHERE kept.kept_until > {_MARK}.hour)"
_BINS = frozenset((*LATENCY_BINS, *FIRST_CHUNK_BINS))

# Far enough, and a time that every database has.
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows count, by what they are grouped, and which sums are made."""

    dimensions: tuple[str, ...]
    filters: Mapping[str, Collection[Any]]
    has_histograms: bool
    limit: int | None = None
    needed: tuple[str, ...] = ()
    """The measures, where they are not all wanted."""

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The dimensions, and behind them the currency: amounts of two are never added."""
        return (*self.dimensions, "cost_currency")

    @property
    def measures(self) -> tuple[str, ...]:
        """The columns of each group behind its keys."""
        if self.needed:
            return self.needed
        kept = (name for name in MEASURES if self.has_histograms or name not in _BINS)
        return (*kept, *OUTCOMES)


def planned(
    using: str,
    selection: Selection,
    stretches: Sequence[tuple[datetime | None, datetime | None]],
    *,
    has_cells: bool,
    finest: Grain = Grain.HOUR,
) -> Plan:
    """Where the stretches are to be read from, by what holds at this moment; one query, or none without cells.

    Where sums would be finer than `finest` the rows are taken.
    """
    cube = cube_for({*selection.grouped_by, *selection.filters})
    if cube is None or not has_cells:
        return make_plan(stretches, (), None, ())
    start = stretches[0][0] or _FIRST
    end = stretches[-1][1] or _LAST
    vendor = connections[using].vendor
    found = rows_of(
        using,
        f"SELECT covered_from, covered_until, {HAS_FIVES_SQL}, hour FROM {_COVERAGE} "
        f"LEFT JOIN (SELECT DISTINCT hour FROM {_MARK} WHERE hour >= %s AND hour < %s AND {_LIVE}) AS marked ON 1 = 1 "
        f"WHERE covered_from IS NOT NULL AND covered_until IS NOT NULL AND {installed_sql(vendor)}",
        # Also hours before the start: a day is not used whose morning is marked, but that is not asked for either.
        [start, end],
    )
    if not found:
        return make_plan(stretches, (), None, ())
    coverage = Coverage(to_time(found[0][0]), to_time(found[0][1]))
    left_out = set() if found[0][2] else {Grain.FIVE_DAYS}
    if finest is not Grain.HOUR:
        left_out.add(Grain.HOUR)
    grains = [grain for grain in cube.grains if grain not in left_out]
    return make_plan(stretches, grains, coverage, {to_time(hour) for *_, hour in found if hour is not None})


class CubeStatement:
    """One SELECT over the sources of a plan."""

    def __init__(self, using: str, selection: Selection, edges: Sequence[datetime], plan: Plan) -> None:
        self._using = using
        self._selection = selection
        self._edges = list(edges)
        self._plan = plan
        self._cube = cube_for({*selection.grouped_by, *selection.filters})
        self._dialect = dialect_of(connections[using].vendor)
        self.columns = selection.measures

    def run(self) -> list[tuple[Any, ...]] | None:
        """The groups: place, keys, currency, measures. None where an hour that the plan used has been marked since."""
        return self._groups(lambda union: (union, []))

    def _groups(self, shaped: Callable[[str], tuple[str, list[Any]]]) -> list[tuple[Any, ...]] | None:
        """The same of what `shaped` makes of the relation of all sums: SQL, and the parameters that it puts before the relation's."""
        sources: list[tuple[Grain | None, list[Piece]]] = [
            *((grain, pieces) for grain, pieces in self._plan.cells.items()),
            (None, self._plan.rows),
        ]
        branches = [self._branch(grain, pieces) for grain, pieces in sources if pieces]
        if not branches:
            return []
        stale, stale_parameters = self._stale()
        groups_sql, groups_parameters = shaped(self._together([sql for sql, _ in branches]))
        limit = "" if self._selection.limit is None else f" LIMIT {int(self._selection.limit)}"
        found = rows_of(
            self._using,
            f"SELECT plan.is_stale, groups.* FROM (SELECT {stale} AS is_stale) AS plan "
            f"LEFT JOIN ({groups_sql}) AS groups ON 1 = 1{limit}",
            [*stale_parameters, *groups_parameters, *(value for _, parameters in branches for value in parameters)],
        )
        if found[0][0]:
            return None
        converters = self._converters()
        return [self._converted(group, converters) for _, *group in found if group[0] is not None]

    def _together(self, branches: Sequence[str]) -> str:
        """One relation of all branches. What several have of a group is added up here: Python takes longer for it."""
        if len(branches) == 1:
            return branches[0]
        # By numbers, because the currency may be asked for too, and then comes twice.
        keys = ", ".join(("place", *(f"key_{number}" for number, _ in enumerate(self._selection.grouped_by))))
        sums = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in self.columns)
        return f"SELECT {keys}, {sums} FROM ({' UNION ALL '.join(branches)}) AS parts GROUP BY {keys}"

    def _branch(self, grain: Grain | None, pieces: list[Piece]) -> tuple[str, list[Any]]:
        selection = self._selection
        keys = ", ".join(f"{name} AS key_{number}" for number, name in enumerate(selection.grouped_by))
        sums = ", ".join(f"CAST({self._sum(name, grain)} AS BIGINT) AS {name}" for name in self.columns)
        positions = ", ".join(str(place + 1) for place in range(1 + len(selection.grouped_by)))
        relation, place, parameters = self._relation(grain, pieces)
        sql = f"SELECT {place} AS place, {keys}, {sums} FROM {relation} GROUP BY {positions}"
        return sql, parameters

    def _sum(self, name: str, grain: Grain | None) -> str:
        known = self._dialect.sums.get(name) if grain is None else None
        return known or f"SUM({self._measure(name, grain)})"

    def _measure(self, name: str, grain: Grain | None) -> str:
        if grain is not None and self._cube is not None and name in self._cube.measures:
            return name
        if name in OUTCOMES:
            return f"CASE WHEN outcome = '{OUTCOMES[name]}' THEN {'1' if grain is None else 'calls'} ELSE 0 END"
        return MEASURES[name]

    def _relation(self, grain: Grain | None, pieces: list[Piece]) -> tuple[str, str, list[Any]]:
        """What a branch selects from, the expression of the place in it, and the parameters in their order."""
        column = "created_at" if grain is None else "bucket"
        filters, filter_parameters = self._filters(is_rows=grain is None)
        table = USAGE_TABLE if grain is None or self._cube is None else self._cube.table
        grain_filter = "" if grain is None else f"grain = {int(grain)} AND "
        source, place, place_parameters, where, where_parameters = self._placed(table, column, pieces)
        where = f"{grain_filter}{where}{filters}"
        if grain is None:
            relation = f"{facts(self._dialect, where, f', {place} AS place', source)} AS row_facts"
        else:
            relation = f"(SELECT {table}.*, {place} AS place FROM {source} WHERE {where}) AS cells"
        return relation, "place", [*place_parameters, *where_parameters, *filter_parameters]

    def _placed(self, table: str, column: str, pieces: list[Piece]) -> tuple[str, str, list[Any], str, list[Any]]:
        """Source, place, its parameters, condition, its parameters."""
        if not self._edges:
            where, parameters = _ranges(column, pieces)
            return table, "0", [], where, parameters
        if self._dialect.has_binary_search:
            # Written out, so that the planner sees how few rows they are.
            where, parameters = _ranges(column, _merged(pieces))
            return table, f"width_bucket({column}, %s::timestamptz[])", [self._edges], where, parameters
        values = ", ".join(["(%s, %s, %s)"] * len(pieces))
        joined = (
            f"(SELECT column1 AS piece_start, column2 AS piece_end, column3 AS piece_place FROM (VALUES {values})) AS pieces "
            f"CROSS JOIN {table}"
        )
        bounds = [value for piece in pieces for value in (piece.start or _FIRST, piece.end or _LAST, piece.place)]
        return joined, "piece_place", [], f"{column} >= piece_start AND {column} < piece_end", bounds

    def _filters(self, *, is_rows: bool) -> tuple[str, list[Any]]:
        texts, parameters = [], []
        for name, values in self._selection.filters.items():
            column = DIMENSIONS[name] if is_rows else name
            known = [
                field_of(name).get_db_prep_value(value, connections[self._using])
                for value in values
                if value is not None
            ]
            parts = [f"{column} IN ({', '.join(['%s'] * len(known))})"] if known else []
            if None in values:
                parts.append(f"{column} IS NULL")
            texts.append(f" AND ({' OR '.join(parts) or '1 = 0'})")
            parameters += known
        return "".join(texts), parameters

    def _stale(self) -> tuple[str, list[Any]]:
        """Whether something that the plan relies on does not hold in this very statement."""
        if not self._plan.has_cells:
            return "(1 = 0)", []
        pieces = [piece for pieces in self._plan.cells.values() for piece in pieces]
        merged = _merged(sorted(pieces))
        where, parameters = _ranges("hour", merged)
        installed = installed_sql(connections[self._using].vendor)
        fives = f" AND {HAS_FIVES_SQL}" if self._plan.cells[Grain.FIVE_DAYS] else ""
        sql = (
            f"(EXISTS (SELECT 1 FROM {_MARK} WHERE {where} AND {_LIVE}) OR NOT EXISTS (SELECT 1 FROM {_COVERAGE} "
            f"WHERE covered_from <= %s AND covered_until >= %s{fives}) OR NOT {installed})"
        )
        return sql, [*parameters, merged[0].start, merged[-1].end]

    def _converters(self) -> list[tuple[int, Any]]:
        names = self._selection.grouped_by
        return [(1 + place, field_of(name).to_python) for place, name in enumerate(names) if name in _CONVERTED]

    @staticmethod
    def _converted(group: list[Any], converters: list[tuple[int, Any]]) -> tuple[Any, ...]:
        for place, convert in converters:
            if group[place] is not None:
                group[place] = convert(group[place])
        return tuple(group)


def _ranges(column: str, pieces: Sequence[Piece]) -> tuple[str, list[Any]]:
    texts, parameters = [], []
    for piece in pieces:
        bounds = [(f"{column} >= %s", piece.start), (f"{column} < %s", piece.end)]
        closed = [(text, value) for text, value in bounds if value is not None]
        texts.append(" AND ".join(text for text, _ in closed) or "1 = 1")
        parameters += [value for _, value in closed]
    return f"({' OR '.join(f'({text})' for text in texts)})", parameters


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces that touch, as one; their places are lost."""
    merged: list[Piece] = []
    for piece in pieces:
        if merged and merged[-1].end is not None and merged[-1].end == piece.start:
            merged[-1] = merged[-1]._replace(end=piece.end)
        else:
            merged.append(piece)
    return merged


@cache
def field_of(name: str) -> models.Field[Any, Any]:
    """The column of a dimension; of a user the type of his key."""
    columns = {column.attname: column for cube in CUBES for column in cube.model._meta.concrete_fields}
    column = columns[name]
    return column.target_field if isinstance(column, models.ForeignKey) else column


_CONVERTED = frozenset({"user_id", "config_uuid", "is_priced"})
