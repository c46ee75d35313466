"""The names of the registry as Prometheus stores them after OTLP, and the one form of a total that is exact. Sends nothing itself.

Follows Prometheus' default translation (`UnderscoreEscapingWithSuffixes`): dots become underscores, the unit and `total` are appended, a
unit in braces is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.semconv import Instrument, InstrumentKind

__all__ = ["ENVIRONMENT", "INSTANCE", "RESOURCE_LABELS", "SERVICE", "emitted", "family", "label", "series", "total"]

_UNIT_SUFFIXES: Mapping[str, str] = MappingProxyType({semconv.SECONDS: "_seconds", semconv.BYTES: "_bytes"})
_COUNTERS = (InstrumentKind.COUNTER, InstrumentKind.OBSERVED_COUNTER)
_EMITTED = semconv.INSTRUMENTS + semconv.SIDE_CHANNEL_INSTRUMENTS
_BY_NAME = MappingProxyType({instrument.name: instrument for instrument in _EMITTED})

RESOURCE_LABELS = ("service_name", "service_instance_id", "deployment_environment_name")
"""Labels that the resource gives, where the engine promotes its attributes; `otel/prometheus.yaml` does."""
SERVICE, INSTANCE, ENVIRONMENT = RESOURCE_LABELS

_LOOKBACK = "1h"
"""How far before the window a process's last value is looked for: longer than any export interval."""


def label(attribute: str) -> str:
    """An attribute's name as a label."""
    return attribute.replace(".", "_")


def family(instrument: Instrument) -> str:
    """The name that all series of an instrument begin with: a histogram's without `_bucket`, `_sum` and `_count`."""
    name = label(instrument.name) + _UNIT_SUFFIXES.get(instrument.unit, "")
    return f"{name}_total" if instrument.kind in _COUNTERS else name


def series(name: str) -> str:
    """The series of a counter or gauge of the registry, or a histogram's family. KeyError for what is not in it."""
    return family(_BY_NAME[name])


def emitted() -> dict[str, frozenset[str]]:
    """Every series name that the library can leave in Prometheus, with the labels it may have."""
    found = {}
    for instrument in _EMITTED:
        labels = frozenset({*map(label, instrument.attributes), *RESOURCE_LABELS})
        if instrument.kind is InstrumentKind.HISTOGRAM:
            found[f"{family(instrument)}_bucket"] = labels | {"le"}
            found[f"{family(instrument)}_sum"] = found[f"{family(instrument)}_count"] = labels
        else:
            found[family(instrument)] = labels
    return found


def total(selector: str, by: Sequence[str] = (), window: str = "$__range") -> str:
    """PromQL for what was counted in the window before the moment of evaluation; nothing where there are no series.

    `increase()` extrapolates and misses first samples. This takes each process's last value in the window and subtracts its last one
    before it, which is exact on every engine while each process has a `service.instance.id` of its own and sends cumulative sums.
    """
    last = f"last_over_time({selector}[{window}])"
    before = f"last_over_time({selector}[{_LOOKBACK}] offset {window})"
    grouped = f"sum by ({', '.join(by)})" if by else "sum"
    return f"{grouped} ({last} - ({before} or {last} * 0))"
