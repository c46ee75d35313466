"""The instruments and what is added to them: tokens, cost and attempts when an attempt ends, duration and calls when a call ends.

Independent of sampling, and of failure: what failed is counted too. Names, units and buckets come from `semconv`.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

from opentelemetry import metrics
from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider
from opentelemetry.trace import SpanContext

from agentcore_metering.core.types import (
    NO_USAGE,
    AttemptRecord,
    CallRecord,
    CostStatus,
    Failure,
    ModelTarget,
    Operation,
    Status,
)
from agentcore_metering.telemetry import semconv, tally
from agentcore_metering.telemetry.attributes import AttributeMap, base_attributes, error_type
from agentcore_metering.telemetry.tally import Count, Measurement, Value
from agentcore_metering.telemetry.totals import CallTotals, cost_source

_BASE_CACHE_SIZE = 256
"""Pairs of target and response model whose attributes are kept."""

DEFAULT_MAX_MODELS = 200

_TOKEN_COUNTERS = (
    (semconv.INFERENCE_INPUT_TOKENS, attrgetter("input_tokens")),
    (semconv.INFERENCE_OUTPUT_TOKENS, attrgetter("output_tokens")),
    (semconv.INFERENCE_CACHE_READ_INPUT_TOKENS, attrgetter("cache_read_tokens")),
    (semconv.INFERENCE_CACHE_WRITE_INPUT_TOKENS, attrgetter("cache_write_tokens")),
    (semconv.INFERENCE_REASONING_OUTPUT_TOKENS, attrgetter("reasoning_tokens")),
)


def are_legacy_names_wanted() -> bool:
    """Whether the environment asks for the v1.41 metric names besides the current ones."""
    opted_in = os.environ.get(semconv.STABILITY_OPT_IN_ENV, "").split(",")
    return semconv.STABILITY_OPT_IN_DUP in (name.strip() for name in opted_in)


class Instruments:
    """The instruments of one meter, by name."""

    def __init__(self, meter: Meter, wanted: Iterable[semconv.Instrument]) -> None:
        self.counters: dict[str, Counter] = {}
        self.histograms: dict[str, Histogram] = {}
        for instrument in wanted:
            if instrument.kind is semconv.InstrumentKind.COUNTER:
                self.counters[instrument.name] = meter.create_counter(
                    instrument.name, instrument.unit, instrument.description
                )
            else:
                self.histograms[instrument.name] = _histogram(meter, instrument)

    def count(self, name: str, amount: float, attributes: AttributeMap) -> Count:
        """The measurement of the counter `name`."""
        return Count(self.counters[name], amount, attributes)

    def value(self, name: str, value: float, attributes: AttributeMap) -> Value:
        """The measurement of the histogram `name`."""
        return Value(self.histograms[name], value, attributes)


def _histogram(meter: Meter, instrument: semconv.Instrument) -> Histogram:
    create: Any = meter.create_histogram
    described = (instrument.name, instrument.unit, instrument.description)
    try:
        histogram: Histogram = create(*described, explicit_bucket_boundaries_advisory=instrument.buckets)
    except TypeError:
        # Early releases of the API know no advice; the buckets are then the SDK's own or those of a View.
        histogram = create(*described)
    return histogram


# Reentrant: a signal handler that makes a call may interrupt another one's look-up.
_names_lock = threading.RLock()


def _begin_anew_in_child() -> None:
    global _names_lock  # noqa: PLW0603 - another thread of the parent may have held it, and that thread does not exist here
    _names_lock = threading.RLock()


os.register_at_fork(after_in_child=_begin_anew_in_child)


class _ModelNames:
    """The names of models that metrics may carry: the first that came, up to a bound, and one name for all the others.

    A name that once had its own series keeps it, so nothing is counted twice or moves from series to series.
    """

    def __init__(self, max_models: int) -> None:
        self._max_models = max_models
        self._names: set[str] = set()

    def bounded(self, name: str) -> str:
        """`name`, or `other` beyond the bound. `other` is one of the names that the bound counts."""
        with _names_lock:
            if name not in self._names and len(self._names) < self._max_models - 1:
                self._names.add(name)
            return name if name in self._names else semconv.MODEL_OTHER


class CallMetrics:
    """Adds calls and attempts to the instruments of `meter_provider`, or of the global one when it is None.

    The instruments are made at the first measurement, which they get by way of `tally`. Through the API's proxies a provider that is set
    later counts from then on.
    Requested and answering models together have at most `max_models` names; every further one is counted as `other`. With
    `has_cost_alias` the histogram `gen_ai.usage.cost` is measured too.
    """

    def __init__(
        self,
        meter_provider: MeterProvider | None = None,
        max_models: int = DEFAULT_MAX_MODELS,
        *,
        has_cost_alias: bool = False,
    ) -> None:
        self._meter_provider = meter_provider
        self._has_legacy_names = are_legacy_names_wanted()
        self._has_cost_alias = has_cost_alias
        self._models = _ModelNames(max_models)
        self._base = functools.lru_cache(maxsize=_BASE_CACHE_SIZE)(self._bounded_base)

    @functools.cached_property
    def _instruments(self) -> Instruments:
        meter = metrics.get_meter(semconv.SCOPE_NAME, semconv.SCOPE_VERSION, self._meter_provider, semconv.SCHEMA_URL)
        tally.have_readers_ask(meter)
        legacy = semconv.LEGACY_INSTRUMENTS if self._has_legacy_names else ()
        alias = semconv.ALIAS_INSTRUMENTS if self._has_cost_alias else ()
        return Instruments(meter, semconv.INSTRUMENTS + legacy + alias)

    def attempt_ended(self, record: AttemptRecord, span: SpanContext, *, will_retry: bool) -> None:
        """Count one attempt: its tokens, its cost and how it ended. An unknown cost adds nothing; no usage adds zeros."""
        tally.leave(span, self._of_attempt, self._instruments, record, will_retry)

    def call_ended(self, record: CallRecord, totals: CallTotals, span: SpanContext) -> None:
        """Count one call and measure it as a whole, all of its attempts together."""
        last = record.last_attempt
        ended = _EndedCall(
            record.request.target,
            last.facts.response_model if last is not None else None,
            record.status,
            record.failure,
            record.duration_s,
            record.time_to_first_chunk_s,
            record.chunk_intervals_s,
            totals,
        )
        tally.leave(span, self._of_call, self._instruments, ended)

    def _of_attempt(self, instruments: Instruments, record: AttemptRecord, will_retry: bool) -> Iterator[Measurement]:
        base = self._base(record.target, record.facts.response_model)
        if record.target.operation is not Operation.EMBEDDINGS:
            # Zeros too: the specification wants a failed call to be there, and a series that begins at 0 has a first increase.
            labelled = base.with_((semconv.TOKENS_MODALITY, semconv.TOKENS_MODALITY_UNKNOWN))
            for name, tokens_of in _TOKEN_COUNTERS:
                yield instruments.count(name, tokens_of(record.facts.usage), labelled)
        if record.cost is not None:
            source = cost_source(record.cost)
            priced = base.with_((semconv.COST_CURRENCY, record.cost.currency), (semconv.COST_SOURCE, source))
            yield instruments.count(semconv.COST, float(record.cost.amount), priced)
        error = _error(record.status, record.failure)
        yield instruments.count(semconv.ATTEMPTS, 1, base.with_(*_outcome(record.status, record.cost_status), *error))
        if will_retry:
            yield instruments.count(semconv.RETRIES, 1, base.with_(*error))

    def _of_call(self, instruments: Instruments, call: _EndedCall) -> Iterator[Measurement]:
        base = self._base(call.target, call.response_model)
        error = _error(call.status, call.failure)
        yield instruments.count(semconv.CALLS, 1, base.with_(*_outcome(call.status, call.totals.cost_status), *error))
        ended = base.with_(*error)
        if call.target.operation is Operation.EMBEDDINGS:
            yield from _of_embeddings(instruments, call, base.attributes, ended)
        else:
            yield from _of_inference(instruments, call, base.attributes, ended)
        if self._has_legacy_names:
            yield from _by_legacy_names(instruments, call, base, ended)
        if self._has_cost_alias and (dollars := call.totals.amounts.get(semconv.COST_ALIAS_CURRENCY)) is not None:
            yield instruments.value(semconv.COST_ALIAS, float(dollars), base.attributes)

    def _bounded_base(self, target: ModelTarget, response_model: str | None) -> _Base:
        if target.request_model:
            target = replace(target, request_model=self._models.bounded(target.request_model))
        return _Base(base_attributes(target, self._models.bounded(response_model) if response_model else None))


class _EndedCall(NamedTuple):
    """What is measured of a call, without its contents."""

    target: ModelTarget
    response_model: str | None
    status: Status
    failure: Failure | None
    duration_s: float
    time_to_first_chunk_s: float | None
    chunk_intervals_s: tuple[float, ...]
    totals: CallTotals


def _of_inference(
    instruments: Instruments, call: _EndedCall, base: AttributeMap, ended: AttributeMap
) -> Iterator[Measurement]:
    usage = call.totals.usage or NO_USAGE
    yield instruments.value(semconv.INFERENCE_DURATION, call.duration_s, ended)
    yield instruments.value(semconv.INFERENCE_OPERATION_INPUT_TOKENS, usage.input_tokens, ended)
    yield instruments.value(semconv.INFERENCE_OPERATION_OUTPUT_TOKENS, usage.output_tokens, ended)
    names = (semconv.INFERENCE_TIME_TO_FIRST_CHUNK, semconv.INFERENCE_TIME_PER_OUTPUT_CHUNK)
    yield from _of_chunks(instruments, call, names, base)


def _of_embeddings(
    instruments: Instruments, call: _EndedCall, base: AttributeMap, ended: AttributeMap
) -> Iterator[Measurement]:
    yield instruments.value(semconv.EMBEDDINGS_DURATION, call.duration_s, ended)
    if call.totals.usage is not None:
        yield instruments.value(semconv.EMBEDDINGS_OPERATION_INPUT_TOKENS, call.totals.usage.input_tokens, base)


def _by_legacy_names(
    instruments: Instruments, call: _EndedCall, base: _Base, ended: AttributeMap
) -> Iterator[Measurement]:
    yield instruments.value(semconv.LEGACY_DURATION, call.duration_s, ended)
    if call.totals.usage is not None:
        name, kind = semconv.LEGACY_TOKENS_USAGE, semconv.LEGACY_TOKENS_TYPE
        of_input = base.with_((kind, semconv.LEGACY_TOKENS_TYPE_INPUT))
        yield instruments.value(name, call.totals.usage.input_tokens, of_input)
        if call.target.operation is not Operation.EMBEDDINGS:
            of_output = base.with_((kind, semconv.LEGACY_TOKENS_TYPE_OUTPUT))
            yield instruments.value(name, call.totals.usage.output_tokens, of_output)
    names = (semconv.LEGACY_TIME_TO_FIRST_CHUNK, semconv.LEGACY_TIME_PER_OUTPUT_CHUNK)
    yield from _of_chunks(instruments, call, names, base.attributes)


def _of_chunks(
    instruments: Instruments, call: _EndedCall, names: tuple[str, str], base: AttributeMap
) -> Iterator[Measurement]:
    if not call.target.is_streaming:
        return
    time_to_first_chunk, time_per_output_chunk = names
    if call.time_to_first_chunk_s is not None:
        yield instruments.value(time_to_first_chunk, call.time_to_first_chunk_s, base)
    for interval_s in call.chunk_intervals_s:
        yield instruments.value(time_per_output_chunk, interval_s, base)


_Label = tuple[str, str]


class _Base:
    """The attributes of one target, and every set that has some more, each made once: the same object is the same series."""

    __slots__ = ("_more", "attributes")

    def __init__(self, attributes: AttributeMap) -> None:
        self.attributes = attributes
        self._more: dict[tuple[_Label, ...], AttributeMap] = {}

    def with_(self, *labels: _Label) -> AttributeMap:
        """These attributes and `labels`."""
        found = self._more.get(labels)
        if found is None:
            found = self._more[labels] = {**self.attributes, **dict(labels)}
        return found


def _error(status: Status, failure: Failure | None) -> tuple[_Label, ...]:
    error = error_type(status, failure)
    return () if error is None else ((semconv.ERROR_TYPE, error),)


def _outcome(status: Status, cost_status: CostStatus) -> tuple[_Label, ...]:
    return (semconv.OUTCOME, status.value), (semconv.COST_STATUS, cost_status.value)
