"""Observers of a test's calls, beside those that the host has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agentcore_metering.core.ports import CallObservation, CallObserver
from agentcore_metering.core.types import AttemptRecord, CallContext, CallRecord, CallRequest, TraceLink

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

__all__ = ["MeteringTelemetry", "Observers", "Recorder"]


class MeteringTelemetry:
    """The spans and metrics of this test's calls, by providers of its own: the host's global ones see the calls, too."""

    def __init__(self, exporter: InMemorySpanExporter, reader: InMemoryMetricReader) -> None:
        self._exporter = exporter
        self._reader = reader

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """One for each call that has ended, oldest first."""
        return self._exporter.get_finished_spans()

    @property
    def span(self) -> ReadableSpan:
        """The only one."""
        (span,) = self.spans
        return span

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Attributes and value of each data point of a metric; of a histogram the value is its sum. [] where nothing was measured."""
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        found = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        return [
            (dict(point.attributes or {}), getattr(point, "value", getattr(point, "sum", None)))
            for metric in found
            for point in metric.data.data_points
        ]

    def total(self, name: str) -> Any:
        """The sum of a metric over all of its attributes; 0 where nothing was measured."""
        return sum(value for _attributes, value in self.points(name))


class Observers:
    """Several observers as one; the first one's trace is the call's."""

    def __init__(self, observers: Sequence[CallObserver]) -> None:
        self._observers = observers

    def call_started(self, request: CallRequest, context: CallContext, started_at: datetime) -> CallObservation:
        """As each of them sees it."""
        return Observations([observer.call_started(request, context, started_at) for observer in self._observers])


class Observations:
    """What several observers make of one call."""

    def __init__(self, observations: Sequence[CallObservation]) -> None:
        self._observations = observations

    @property
    def trace(self) -> TraceLink | None:
        return next((each.trace for each in self._observations if each.trace is not None), None)

    @property
    def wants_output(self) -> bool:
        return any(each.wants_output for each in self._observations)

    def activate(self) -> AbstractContextManager[None]:
        return self._activation()

    @contextmanager
    def _activation(self) -> Iterator[None]:
        with ExitStack() as active:
            for each in reversed(self._observations):  # the first one's span is the current one
                active.enter_context(each.activate())
            yield

    def attempt_ended(self, record: AttemptRecord, *, will_retry: bool) -> None:
        for each in self._observations:
            each.attempt_ended(record, will_retry=will_retry)

    def call_ended(self, record: CallRecord) -> None:
        for each in self._observations:
            each.call_ended(record)


class Recorder:
    """Observes nothing but the end."""

    trace: TraceLink | None = None
    wants_output = True

    def __init__(self, records: list[CallRecord]) -> None:
        self._records = records

    def call_started(self, request: CallRequest, context: CallContext, started_at: datetime) -> CallObservation:
        return self

    def activate(self) -> AbstractContextManager[None]:
        return nullcontext()

    def attempt_ended(self, record: AttemptRecord, *, will_retry: bool) -> None:
        """Nothing: the call's record has it."""

    def call_ended(self, record: CallRecord) -> None:
        self._records.append(record)
