"""What came to a sink of OTLP, in the shapes in which the recorded telemetry of this process is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def attributes_of(pairs: Iterable[Any]) -> dict[str, Any]:
    """Attributes of a protobuf message as Python values."""
    return {pair.key: _value(pair.value) for pair in pairs}


def counter_points(requests: Iterable[Any]) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    """By name the points of cumulative counters: of each resource and attribute set the last one that came."""
    last: dict[tuple[str, str, str], tuple[dict[str, Any], Any]] = {}
    for request in requests:
        for resource in request.resource_metrics:
            instance = str(sorted(attributes_of(resource.resource.attributes).items()))
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                for point in metric.sum.data_points:
                    attributes = attributes_of(point.attributes)
                    value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
                    last[metric.name, instance, str(sorted(attributes.items()))] = (attributes, value)
    points: dict[str, list[tuple[dict[str, Any], Any]]] = {}
    for (name, _, _), point in last.items():
        points.setdefault(name, []).append(point)
    return points


def spans_of(requests: Iterable[Any], scope_name: str) -> Iterator[dict[str, Any]]:
    """The attributes of each span of one scope."""
    for request in requests:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                if scope.scope.name == scope_name:
                    yield from (attributes_of(span.attributes) for span in scope.spans)


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    return getattr(value, kind) if kind else None
