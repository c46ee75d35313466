"""The metrics of the way that records take to the database: read when the host's reader collects, never recorded before.

A forked child reports what it did itself, since what is read counts from its fork. Whoever keeps the figures hands a way to read them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

from agentcore_metering.core.clock import SystemClock
from agentcore_metering.core.containment import contained, contained_counts
from agentcore_metering.core.ports import Clock
from agentcore_metering.telemetry import semconv

__all__ = ["SideChannelFigures", "observe_side_channel"]

SAME_COLLECTION_S = 0.5
"""All instruments of one collection report from one reading."""

_READ: Mapping[str, Callable[[Any], Any]] = {
    semconv.SPOOL_RECORDS: attrgetter("backlog_records"),
    semconv.SPOOL_SIZE: attrgetter("backlog_bytes"),
    semconv.SPOOL_OLDEST_AGE: lambda figures: figures.oldest_age_s or 0.0,
    semconv.SPOOL_WRITTEN: attrgetter("written"),
    semconv.SPOOL_REPAIRED: attrgetter("repaired"),
    semconv.SPOOL_QUARANTINED: attrgetter("quarantined"),
    semconv.SPOOL_DROPPED: attrgetter("dropped"),
    semconv.SPOOL_INTERRUPTED: attrgetter("interrupted"),
}

_Callback = Callable[[CallbackOptions], Iterator[Observation]]


class SideChannelFigures(Protocol):
    """What is reported; counts are since the process's start, or its fork."""

    @property
    def backlog_records(self) -> int:
        """Records on their way."""

    @property
    def backlog_bytes(self) -> int:
        """Bytes of those in the journal."""

    @property
    def oldest_age_s(self) -> float | None:
        """Since the oldest of them ended; None where there are none."""

    @property
    def written(self) -> int:
        """Records that were stored."""

    @property
    def repaired(self) -> int:
        """Those of them that took a repair."""

    @property
    def quarantined(self) -> int:
        """Records that were refused for good."""

    @property
    def dropped(self) -> int:
        """Records that only the log has."""

    @property
    def interrupted(self) -> int:
        """Attempts of dead processes whose end nobody knows."""

    @property
    def faults(self) -> Mapping[Any, int]:
        """By reason, what went wrong on the way of records that were kept."""


def observe_side_channel(
    read: Callable[[], SideChannelFigures | None],
    meter_provider: MeterProvider | None = None,
    clock: Clock | None = None,
) -> Sequence[object]:
    """Have the figures that `read` gives reported by `meter_provider`, or by the global one when it is None, also if it is set later.

    The result is the instruments, for the caller to keep. To be called once for a provider. Nothing is reported, except errors that
    were contained, while `read` gives None.
    """
    latest = _Latest(read, clock or SystemClock())
    meter = metrics.get_meter(semconv.SCOPE_NAME, semconv.SCOPE_VERSION, meter_provider, semconv.SCHEMA_URL)
    return [_made(meter, instrument, latest) for instrument in semconv.SIDE_CHANNEL_INSTRUMENTS]


def _made(meter: Meter, instrument: semconv.Instrument, latest: _Latest) -> object:
    is_gauge = instrument.kind is semconv.InstrumentKind.OBSERVED_GAUGE
    create = meter.create_observable_gauge if is_gauge else meter.create_observable_counter
    return create(instrument.name, [_callback(instrument.name, latest)], instrument.unit, instrument.description)


class _Latest:
    """What was read last, by this process and for this collection."""

    def __init__(self, read: Callable[[], SideChannelFigures | None], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._figures: SideChannelFigures | None = None
        self._read_by: tuple[int, float] = (0, 0.0)

    def figures(self) -> SideChannelFigures | None:
        now_s = self._clock.monotonic_s()
        pid, read_s = self._read_by
        if pid != os.getpid() or now_s - read_s > SAME_COLLECTION_S:
            self._figures = None
            self._read_by = os.getpid(), now_s
            with contained("telemetry"):
                self._figures = self._read()
        return self._figures


def _callback(name: str, latest: _Latest) -> _Callback:
    if name == semconv.CONTAINED_ERRORS:
        return _observe_contained
    if name == semconv.PERSIST_FAILURES:
        return lambda _options: _observe_faults(latest.figures())
    return lambda _options: _observe(latest.figures(), _READ[name])


def _observe(figures: SideChannelFigures | None, value_of: Callable[[Any], Any]) -> Iterator[Observation]:
    if figures is not None:
        yield Observation(value_of(figures))


def _observe_faults(figures: SideChannelFigures | None) -> Iterator[Observation]:
    for reason, count in (figures.faults if figures is not None else {}).items():
        yield Observation(count, {semconv.FAILURE_REASON: str(reason)})


def _observe_contained(_options: CallbackOptions) -> Iterator[Observation]:
    for part, count in contained_counts().items():
        yield Observation(count, {semconv.CONTAINED_PART: part})
