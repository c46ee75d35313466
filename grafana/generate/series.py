"""The labels that panels select and group by. Names of series are `agentcore_metering.telemetry.prometheus`'s."""

from __future__ import annotations

from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.prometheus import ENVIRONMENT, INSTANCE, RESOURCE_LABELS, SERVICE, label, series

__all__ = [
    "COST_STATUS",
    "CURRENCY",
    "ENVIRONMENT",
    "ERROR_TYPE",
    "FAILURE_REASON",
    "INSTANCE",
    "MODEL",
    "OPERATION",
    "OUTCOME",
    "PART",
    "RESOURCE_LABELS",
    "RESPONSE_MODEL",
    "SERVICE",
    "series",
]

MODEL = label(semconv.REQUEST_MODEL)
RESPONSE_MODEL = label(semconv.RESPONSE_MODEL)
OPERATION = label(semconv.OPERATION_NAME)
CURRENCY = label(semconv.COST_CURRENCY)
ERROR_TYPE = label(semconv.ERROR_TYPE)
OUTCOME = label(semconv.OUTCOME)
COST_STATUS = label(semconv.COST_STATUS)
FAILURE_REASON = label(semconv.FAILURE_REASON)
PART = label(semconv.CONTAINED_PART)
