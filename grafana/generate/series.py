"""The names of the registry as Prometheus stores them after OTLP: series and labels. Nothing here is a name of its own.

Follows the default translation of Prometheus (`UnderscoreEscapingWithSuffixes`): dots become underscores, the unit and `total` are
appended, a unit in braces is not.
"""

from __future__ import annotations

from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.semconv import Instrument, InstrumentKind

_UNIT_SUFFIXES = {semconv.SECONDS: "_seconds", semconv.BYTES: "_bytes"}
_COUNTERS = (InstrumentKind.COUNTER, InstrumentKind.OBSERVED_COUNTER)
_EMITTED = semconv.INSTRUMENTS + semconv.SIDE_CHANNEL_INSTRUMENTS
_BY_NAME = {instrument.name: instrument for instrument in _EMITTED}

RESOURCE_LABELS = ("service_name", "service_instance_id", "deployment_environment_name")
"""Labels that the resource gives; `otel/prometheus.yaml` promotes them."""
SERVICE, INSTANCE, ENVIRONMENT = RESOURCE_LABELS


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


MODEL = label(semconv.REQUEST_MODEL)
RESPONSE_MODEL = label(semconv.RESPONSE_MODEL)
OPERATION = label(semconv.OPERATION_NAME)
CURRENCY = label(semconv.COST_CURRENCY)
ERROR_TYPE = label(semconv.ERROR_TYPE)
OUTCOME = label(semconv.OUTCOME)
COST_STATUS = label(semconv.COST_STATUS)
FAILURE_REASON = label(semconv.FAILURE_REASON)
PART = label(semconv.CONTAINED_PART)
