"""The figures of the dashboard: those of `token-stats/`, and the same by user and by node. How they are drawn is left to `charts`.

Six statements on the rollups, and one for the names of users; a list of users or nodes is as long as there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.users import all_users, display_name, parse_user_pk
from agentcore_metering.adapters.django.stats import StatsQuery, token_stats
from agentcore_metering.adapters.django.stats.cube import CubeQuery, cube_rows
from agentcore_metering.adapters.django.stats.shapes import overview_totals

__all__ = ["SHOWN_LINES", "Breakdown", "Figures", "Line", "read_breakdown", "read_figures"]

SHOWN_LINES = 20
"""Of a table on the page; its file has all of them."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one bucket, model, user or node used."""

    name: str
    figures: dict[str, Any]
    """As `token-stats/` names them."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A table, the most tokens first; of a series, the oldest bucket first."""

    key: str
    title: str
    head: str
    """What its first column is."""
    lines: tuple[Line, ...]

    @property
    def shown(self) -> tuple[Line, ...]:
        """Those that have room on the page."""
        return self.lines[:SHOWN_LINES]

    @property
    def hidden_count(self) -> int:
        """How many lines have not."""
        return max(0, len(self.lines) - SHOWN_LINES)


@dataclass(frozen=True, slots=True)
class Figures:
    """All that the page shows."""

    summary: dict[str, Any]
    series: Breakdown
    tables: tuple[Breakdown, ...]


def read_figures(query: StatsQuery) -> Figures:
    """The figures of a closed period with a granularity.

    Raises:
        InvalidField: the series would be too long.
    """
    document = token_stats(query)
    tables = (_models(document), _users(query, SHOWN_LINES), _nodes(query))
    return Figures(document["summary"], _series(document), tables)


def read_breakdown(key: str, query: StatsQuery) -> Breakdown | None:
    """One table alone, for its file; None for a key that is none."""
    read = _BREAKDOWNS.get(key)
    return None if read is None else read(query)


def _series(document: dict[str, Any]) -> Breakdown:
    lines = tuple(Line(str(item["bucket"]), item) for item in document["series"]["items"])
    return Breakdown("series", _("Over time"), _("time"), lines)


def _models(document: dict[str, Any]) -> Breakdown:
    lines = tuple(Line(item["model"], item) for item in document["by_model"])
    return Breakdown("model", _("By model"), _("model"), lines)


def _users(query: StatsQuery, most_names: int | None = None) -> Breakdown:
    found = _groups("user_id", query)
    # As the model has them: a database without UUIDs gives text.
    keys = {value: parse_user_pk(value) for value, _figures in found if value is not None}
    named = list(keys.values())[:most_names]
    names = {user.pk: display_name(user) for user in all_users().filter(pk__in=named)}
    lines = (Line(_user_name(keys.get(value), names), figures) for value, figures in found)
    return Breakdown("user", _("By user"), _("user"), tuple(lines))


def _user_name(pk: Any, names: dict[Any, str]) -> str:
    """With the key, which alone is left of a user who was deleted."""
    if pk is None:
        return _("nobody")
    return f"{names[pk]} (#{pk})" if pk in names else f"#{pk}"


def _nodes(query: StatsQuery) -> Breakdown:
    lines = (Line(str(value or _("none")), figures) for value, figures in _groups("node_name", query))
    return Breakdown("node", _("By node"), _("node"), tuple(lines))


def _groups(dimension: str, query: StatsQuery) -> list[tuple[Any, dict[str, Any]]]:
    """Each value's figures, the most tokens first."""
    cube_query = CubeQuery((dimension,), query.period, has_histograms=True)
    rows = cube_rows(cube_query, metering_settings.DATABASE_ALIAS)
    ranked: Iterable[Any] = sorted(rows, key=lambda row: (-row.totals.all_tokens, str(row.keys[0])))
    return [(row.keys[0], overview_totals(row.totals)) for row in ranked]


_BREAKDOWNS: dict[str, Callable[[StatsQuery], Breakdown]] = {
    "series": lambda query: _series(token_stats(query)),
    "model": lambda query: _models(token_stats(query)),
    "user": _users,
    "node": _nodes,
}
