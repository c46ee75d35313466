"""Holds what calls measure until the instruments have it: a second later in another thread, or when a reader collects before that.

A measurement costs the SDK tens of microseconds and a call makes a dozen, a stream hundreds; the caller only leaves here what they are
made from. Counts of one series are added up first. Nothing is late for a reader: every collection, also the last one of a process that
ends, asks for them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from agentcore_metering.core.alarms import set_alarm
from agentcore_metering.core.containment import contained
from agentcore_metering.telemetry import semconv

__all__ = ["Count", "Measurement", "Value", "hand_over", "have_readers_ask", "leave"]

DELAY_S = 1.0
MAX_PENDING = 10_000
"""Attempts and calls. Beyond it the caller hands over himself: the thread is starved."""
COLLECTION_WAIT_S = 5.0
"""A collection that comes in the middle of another hand-over waits for it, yet never for good."""

Attributes = Mapping[str, Any]


class Count(NamedTuple):
    """`amount` to be added to `counter`. Counts whose attributes are the same object are of the same series, and are added up before."""

    counter: Counter
    amount: float
    attributes: Attributes


class Value(NamedTuple):
    """`value` to be recorded by `histogram`."""

    histogram: Histogram
    value: float
    attributes: Attributes


Measurement = Count | Value


class _Left(NamedTuple):
    span: SpanContext
    measure: Callable[..., Iterable[Measurement]]
    arguments: tuple[Any, ...]


class _Pending:
    """What one process has measured and not handed over."""

    def __init__(self) -> None:
        # Appending takes no lock, so a signal handler or a finalizer may, in the middle of anything.
        self.items: deque[_Left] = deque()
        self.is_due = False
        self.handing_over = threading.Lock()


_pending = _Pending()


def leave(span: SpanContext, measure: Callable[..., Iterable[Measurement]], *arguments: Any) -> None:
    """Have what `measure(*arguments)` gives counted and recorded; their exemplars link to `span`.

    What is left must hold neither span nor contents, which would be kept alive by it. Side effect: the first one of a process starts the
    thread of `core.alarms`.
    """
    _pending.items.append(_Left(span, measure, arguments))
    _see_to_it()


def have_readers_ask(meter: Meter) -> None:
    """Have every collection of `meter`'s readers begin with a hand-over.

    Side effect: an instrument that never reports anything. A second one of the same meter changes nothing.
    """
    meter.create_observable_gauge(semconv.PENDING_MEASUREMENTS, callbacks=[_collected])


def hand_over(wait_s: float = -1) -> None:
    """Give the instruments everything that was measured so far. Gives up after `wait_s` where another thread is about it; -1 waits."""
    pending = _pending
    if not pending.handing_over.acquire(timeout=wait_s):
        return
    try:
        pending.is_due = False
        # What comes from here on sets an alarm of its own.
        taken = [pending.items.popleft() for _ in range(len(pending.items))]
        for context, item in _added_up(taken):
            with contained("metrics"):
                if isinstance(item, Count):
                    item.counter.add(item.amount, item.attributes, context)
                else:
                    item.histogram.record(item.value, item.attributes, context)
    finally:
        pending.handing_over.release()


def _see_to_it() -> None:
    if len(_pending.items) > MAX_PENDING:
        hand_over(wait_s=0)
    if _pending.is_due:
        return
    _pending.is_due = True
    try:
        set_alarm(DELAY_S, hand_over)
    except RuntimeError:  # no thread can be started: the interpreter ends
        _pending.is_due = False
        hand_over(wait_s=0)


def _collected(_options: CallbackOptions) -> Iterable[Observation]:
    hand_over(COLLECTION_WAIT_S)
    return ()


def _added_up(taken: Iterable[_Left]) -> Iterable[tuple[Context, Measurement]]:
    """All values, and then one count for each series with the context of its last one, from which an exemplar is taken."""
    sums: dict[tuple[int, int], float] = {}
    latest: dict[tuple[int, int], tuple[Context, Count]] = {}
    for span, measure, arguments in taken:
        context = set_span_in_context(NonRecordingSpan(span), Context())
        with contained("metrics"):
            for item in measure(*arguments):
                if isinstance(item, Value):
                    yield context, item
                else:
                    key = (id(item.counter), id(item.attributes))
                    sums[key] = sums.get(key, 0) + item.amount
                    latest[key] = context, item
    for key, (context, count) in latest.items():
        yield context, count._replace(amount=sums[key])


def _begin_anew_in_child() -> None:
    global _pending  # noqa: PLW0603 - what the parent has measured, the parent reports
    _pending = _Pending()


os.register_at_fork(after_in_child=_begin_anew_in_child)
