"""Panels, targets and variables as Grafana's classic JSON has them, and how panels are laid out. What they show is the dashboards'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
DATABASE = {"type": "grafana-postgresql-datasource", "uid": "${db}"}
TEMPO = {"type": "tempo", "uid": "${tempo}"}
MIXED = {"type": "datasource", "uid": "-- Mixed --"}

SCHEMA_VERSION = 42
COLUMNS = 24
TAG = "agentcore-metering"
UID = "agentcore-metering-"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. Widths are of 24 columns, heights in Grafana's units."""

    title: str
    description: str
    targets: Sequence[Json]
    unit: str
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    decimals: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    custom: Mapping[str, Any] = field(default_factory=dict)
    """`fieldConfig.defaults.custom`: how lines are drawn."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Further defaults of the fields: minimum, maximum, thresholds, links."""
    overrides: Sequence[Json] = ()
    transformations: Sequence[Json] = ()

    @property
    def datasource(self) -> Json:
        """The targets' data source, or Grafana's own name for several."""
        kinds = {target["datasource"]["uid"] for target in self.targets}
        return self.targets[0]["datasource"] if len(kinds) == 1 else MIXED


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels below it."""

    title: str
    panels: Sequence[Panel]


def query(expression: str, legend: str = "", *, instant: bool = False, table: bool = False, **more: Any) -> Json:
    """A Prometheus target."""
    return {
        "datasource": PROMETHEUS,
        "expr": expression,
        "legendFormat": legend or "__auto",
        "instant": instant,
        "range": not instant,
        "format": "table" if table else "time_series",
        "editorMode": "code",
        **more,
    }


def sql(statement: str, *, is_series: bool = False) -> Json:
    """A PostgreSQL target."""
    return {
        "datasource": DATABASE,
        "rawSql": " ".join(statement.split()),
        "format": "time_series" if is_series else "table",
        "rawQuery": True,
        "editorMode": "code",
    }


def traceql(statement: str) -> Json:
    """A Tempo target."""
    return {
        "datasource": TEMPO,
        "queryType": "traceql",
        "query": statement,
        "limit": 50,
        "tableType": "traces",
    }


def stat(
    title: str,
    description: str,
    target: Json,
    unit: str,
    *,
    thresholds: Sequence[Json] = (),
    width: int = 4,
    **more: Any,
) -> Panel:
    """One figure. `thresholds` are Grafana's steps; without them it has one colour."""
    steps = list(thresholds) or [{"color": "blue", "value": None}]
    return Panel(
        title,
        description,
        [target],
        unit,
        "stat",
        width,
        4,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "auto",
        },
        defaults={"thresholds": {"mode": "absolute", "steps": steps}, "noValue": "0"},
        **more,
    )


def table(title: str, description: str, targets: Sequence[Json], unit: str = "short", **more: Any) -> Panel:
    """Rows and columns."""
    return Panel(title, description, targets, unit, "table", options={"showHeader": True}, **more)


GREEN_THEN_RED = ({"color": "green", "value": None}, {"color": "red", "value": 1e-9})
"""0 is well, anything more is not."""
STACKED = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 30}
BARS = {"drawStyle": "bars", "fillOpacity": 60, "stacking": {"mode": "normal", "group": "A"}}


def for_field(name: str, **properties: Any) -> Json:
    """An override of one field's properties, for example its unit."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def in_colour(name: str, colour: str) -> Json:
    """An override that gives one series a colour that means something, in the light theme as in the dark one."""
    return for_field(name, color={"mode": "fixed", "fixedColor": colour})


def source_variable(name: str, label: str, kind: str) -> Json:
    """A variable that picks a data source of a kind."""
    return {"name": name, "label": label, "type": "datasource", "query": kind, "refresh": 1, "hide": 0}


def metric_variable(name: str, label: str, series: str, *, has_all: bool = True, where: str = "") -> Json:
    """A variable with the values of a label; "All" also matches series that do not have the label."""
    return _variable(
        name,
        PROMETHEUS,
        {"query": f"label_values({series}{where}, {label})", "refId": f"variable-{name}"},
        has_all=has_all,
        all_value=".*",
    )


def sql_variable(name: str, statement: str) -> Json:
    """A variable with the values of a query; "All" is all of them."""
    return _variable(name, DATABASE, " ".join(statement.split()), has_all=True, all_value=None)


def _variable(name: str, datasource: Json, of: Any, *, has_all: bool, all_value: str | None) -> Json:
    variable: Json = {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": datasource,
        "query": of,
        "refresh": 2,
        "sort": 1,
        "multi": has_all,
        "includeAll": has_all,
    }
    if has_all:
        variable["current"] = {"text": ["All"], "value": ["$__all"]}
    variable["definition"] = of["query"] if isinstance(of, dict) else of
    if has_all and all_value:
        variable["allValue"] = all_value
    return variable


def text_variable(name: str, label: str, value: str) -> Json:
    """A variable that is typed in."""
    return {
        "name": name,
        "label": label,
        "type": "textbox",
        "query": value,
        "current": {"text": value, "value": value},
        "options": [{"text": value, "value": value, "selected": True}],
    }


def dashboard(
    uid: str,
    title: str,
    description: str,
    rows: Iterable[Row],
    variables: Sequence[Json],
    annotations: Sequence[Json] = (),
) -> Json:
    """The whole document."""
    return {
        "uid": UID + uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [
            {
                "title": "LLM metering",
                "type": "dashboards",
                "tags": [TAG],
                "icon": "external link",
                "tooltip": "",
                "targetBlank": False,
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "panels": list(_laid_out(rows)),
    }


def _laid_out(rows: Iterable[Row]) -> Iterable[Json]:
    """Panels in reading order, a new line where the next one has no room, each line as high as its highest."""
    number = top = 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        }
        top += 1
        left = line_height = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, line_height = 0, top + line_height, 0
            number += 1
            yield _panel(panel, number, left, top)
            left, line_height = left + panel.width, max(line_height, panel.height)
        top += line_height


def _panel(panel: Panel, number: int, left: int, top: int) -> Json:
    defaults: Json = {"unit": panel.unit, **panel.defaults}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.custom:
        defaults["custom"] = dict(panel.custom)
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": panel.datasource,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "targets": [{"refId": chr(ord("A") + index), **target} for index, target in enumerate(panel.targets)],
        "fieldConfig": {"defaults": defaults, "overrides": list(panel.overrides)},
        "options": dict(panel.options),
        "transformations": list(panel.transformations),
    }
