"""The event that carries a call's contents, emitted through whichever events API the installed opentelemetry-api has.

What is in it is said in `content` and `attributes`. Without a logger provider of the host's nothing is recorded.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context

from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.attributes import AttributeMap

logger = logging.getLogger(__name__)

_SEVERITY_INFO = "INFO"


@dataclass(frozen=True, slots=True)
class ContentEvent:
    """One event, ready to be emitted."""

    body: Mapping[str, Any]
    attributes: AttributeMap
    context: Context
    """With the call's span current, which the event belongs to."""
    timestamp_ns: int


Emit = Callable[[ContentEvent], None]


def make_emitter(logger_provider: Any = None) -> Emit:
    """What emits events through `logger_provider`, or the global one when it is None, also when that is set only later.

    Releases of the API that have no event names on log records have event loggers instead, whose provider is then meant. With
    neither, events are dropped; the log says so once.
    """
    try:
        logs = importlib.import_module("opentelemetry._logs")
        if "event_name" in inspect.signature(logs.Logger.emit).parameters:
            return functools.partial(_emit_log_record, logs, logger_provider)
        return functools.partial(_emit_event, importlib.import_module("opentelemetry._events"), logs, logger_provider)
    except ImportError as exc:
        logger.warning("No event carries message contents, since opentelemetry-api lacks events (%s); upgrade it.", exc)
        return _drop


def _drop(event: ContentEvent) -> None:
    """Nobody can be told."""


def _emit_log_record(logs: Any, logger_provider: Any, event: ContentEvent) -> None:
    scope = {"logger_provider": logger_provider, "schema_url": semconv.SCHEMA_URL}
    emitter = logs.get_logger(semconv.SCOPE_NAME, semconv.SCOPE_VERSION, **scope)
    emitter.emit(
        timestamp=event.timestamp_ns,
        context=event.context,
        severity_number=logs.SeverityNumber[_SEVERITY_INFO],
        body=event.body,
        attributes=event.attributes,
        event_name=semconv.CONTENT_EVENT,
    )


def _emit_event(events: Any, logs: Any, event_logger_provider: Any, event: ContentEvent) -> None:
    emitter = events.get_event_logger(
        semconv.SCOPE_NAME,
        semconv.SCOPE_VERSION,
        semconv.SCHEMA_URL,
        event_logger_provider=event_logger_provider,
    )
    ids = trace.get_current_span(event.context).get_span_context()
    emitter.emit(
        events.Event(
            name=semconv.CONTENT_EVENT,
            timestamp=event.timestamp_ns,
            trace_id=ids.trace_id,
            span_id=ids.span_id,
            trace_flags=ids.trace_flags,
            body=event.body,
            severity_number=logs.SeverityNumber[_SEVERITY_INFO],
            attributes=event.attributes,
        )
    )
