"""The dashboards and rules as tests read them: panels, targets, and expressions with their variables filled in as Grafana does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "grafana/dashboards").glob("*.json"))}
RULE_FILES = sorted((ROOT / "otel/rules").glob("*.yaml"))

VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
BUILT_IN = {
    "__range": "1h",
    "__range_s": "3600",
    "__interval": "15s",
    "__rate_interval": "1m",
}
COLLECTOR = re.compile(r"otelcol_\w+|up")
"""Series that the collector sends of itself, or that Prometheus makes of a scrape."""


@dataclass(frozen=True)
class Target:
    """One query of one panel."""

    dashboard: str
    panel: Mapping[str, Any]
    query: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.dashboard}/{self.panel['title']}/{self.query['refId']}"

    @property
    def kind(self) -> str:
        return str(self.query["datasource"]["type"])


def panels(dashboard: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def targets(kind: str | None = None) -> list[Target]:
    found = [
        Target(name, panel, query)
        for name, dashboard in DASHBOARDS.items()
        for panel in panels(dashboard)
        for query in panel.get("targets", ())
    ]
    return [target for target in found if kind is None or target.kind == kind]


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """`text` with its variables' values; KeyError, with the name, for one that has none."""

    def value(match: re.Match[str]) -> str:
        name, form = match[1] or match[3], match[2]
        if form == "sqlstring":
            parts = values[name].split("\x1f")
            return ",".join("'" + part.replace("'", "''") + "'" for part in parts)
        return values[name]

    return VARIABLE.sub(value, text)


def default_values(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Every variable as it stands when a dashboard is opened: "All", the text's default, or some value."""
    values = dict(BUILT_IN)
    for variable in dashboard["templating"]["list"]:
        default = {"query": variable.get("allValue") or "some", "textbox": variable["query"]}
        values[variable["name"]] = str(default.get(variable["type"], "uid"))
    return values


@dataclass(frozen=True)
class Selector:
    """One vector selector: its name, or the pattern of it, and the labels that it asks for."""

    name: str
    is_pattern: bool
    labels: frozenset[str]

    def matches(self, series: str) -> bool:
        return re.fullmatch(self.name, series) is not None if self.is_pattern else self.name == series


def parse(expression: str) -> Any:
    return promql_parser.parse(expression)


def walk(node: Any) -> Iterator[Any]:
    """The expression and all that it is made of."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, (str, int, float)):
            yield from walk(child)
    arguments = getattr(node, "args", None)
    for child in arguments if isinstance(arguments, (list, tuple)) else ():
        yield from walk(child)


def selectors(expression: str) -> list[Selector]:
    return [_selector(node) for node in walk(parse(expression)) if isinstance(node, promql_parser.VectorSelector)]


def _selector(node: Any) -> Selector:
    matchers = {matcher.name: matcher for matcher in node.matchers.matchers}
    by_name = matchers.pop("__name__", None)
    if node.name:
        return Selector(node.name, False, frozenset(matchers))
    assert by_name is not None, "a selector without a name selects everything"
    return Selector(by_name.value, True, frozenset(matchers))


def result_labels(node: Any) -> set[str] | None:
    """The labels that the result has: those of the outermost aggregation; None where it has whatever its series have."""
    match node:
        case promql_parser.NumberLiteral():
            return set()
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            return result_labels(node.expr)
        case promql_parser.AggregateExpr() if str(node.op) in ("topk", "bottomk"):
            return result_labels(node.expr)
        case promql_parser.AggregateExpr():
            return set(node.modifier.labels) if node.modifier is not None else set()
        case promql_parser.BinaryExpr():
            return result_labels(node.lhs) or result_labels(node.rhs)
        case promql_parser.Call():
            labels = [result_labels(argument) for argument in node.args if not isinstance(argument, _LITERALS)]
            found = labels[0] if labels else set()
            return found - {"le"} if found and node.func.name == "histogram_quantile" else found
    return None


_LITERALS = (promql_parser.NumberLiteral, promql_parser.StringLiteral)


@dataclass(frozen=True)
class Rule:
    """One rule of the rule files."""

    name: str
    expression: str
    is_alert: bool
    document: Mapping[str, Any]


def rules() -> list[Rule]:
    found = []
    for path in RULE_FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                name = rule.get("alert") or rule["record"]
                found.append(Rule(name, rule["expr"], "alert" in rule, rule))
    return found
