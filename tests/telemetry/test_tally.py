"""What is measured reaches the instruments: once, added up, before a reader looks, and in the process that measured it."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, NoOpCounter, NoOpHistogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from agentcore_metering.core import alarms
from agentcore_metering.telemetry import tally
from agentcore_metering.telemetry.tally import Count, Value
from tests.telemetry import builders
from tests.telemetry.builders import observe
from tests.telemetry.recording import RecordedTelemetry

NOWHERE = trace.INVALID_SPAN_CONTEXT
LABELS = {"gen_ai.provider.name": "openai"}


class Added(NoOpCounter):
    """Keeps what is added to it, or raises it."""

    def __init__(self, *faults: Exception) -> None:
        super().__init__("tokens")
        self.amounts: list[tuple[float, dict[str, Any]]] = []
        self.has_added = threading.Event()
        self._faults = list(faults)

    def add(self, amount: float, attributes: Any = None, context: Context | None = None) -> None:
        if self._faults:
            raise self._faults.pop()
        self.amounts.append((amount, dict(attributes)))
        self.has_added.set()


class Recorded(NoOpHistogram):
    def __init__(self) -> None:
        super().__init__("duration")
        self.values: list[float] = []

    def record(self, amount: float, attributes: Any = None, context: Context | None = None) -> None:
        self.values.append(amount)


def count(counter: Counter, amount: float, labels: Mapping[str, Any]) -> None:
    tally.leave(NOWHERE, lambda: [Count(counter, amount, labels)])


def measure(histogram: Histogram, value: float) -> None:
    tally.leave(NOWHERE, lambda: [Value(histogram, value, LABELS)])


def _forget_alarms() -> None:
    """What earlier tests left to another thread is done by now or never."""
    for alarm in list(alarms._keeper.alarms):
        if alarm.work is tally.hand_over:
            alarm.cancel()
    is_idle = threading.Event()
    alarms.set_alarm(0, is_idle.set)
    assert is_idle.wait(60)


@pytest.fixture(autouse=True)
def _none_pending(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the test decides when something is handed over; what earlier tests met does not silence its errors."""
    _forget_alarms()
    tally.hand_over()
    monkeypatch.setattr(tally, "set_alarm", lambda _delay_s, _work: None)
    yield
    tally.hand_over()


def test_counts_of_one_series_are_added_once() -> None:
    counter, other_labels = Added(), {"gen_ai.provider.name": "gemini"}
    for amount in (1, 20, 300):
        count(counter, amount, LABELS)
    count(counter, 4, other_labels)
    assert counter.amounts == []

    tally.hand_over()

    assert counter.amounts == [(321, LABELS), (4, other_labels)]


def test_counts_of_two_counters_are_not_mixed() -> None:
    first, second = Added(), Added()
    count(first, 1, LABELS)
    count(second, 2, LABELS)

    tally.hand_over()

    assert (first.amounts, second.amounts) == ([(1, LABELS)], [(2, LABELS)])


def test_values_stay_apart_and_in_order() -> None:
    histogram = Recorded()
    for value in (0.3, 0.1, 0.1):
        measure(histogram, value)

    tally.hand_over()

    assert histogram.values == [0.3, 0.1, 0.1]


def test_a_second_hand_over_has_nothing_left() -> None:
    counter = Added()
    count(counter, 1, LABELS)
    tally.hand_over()
    tally.hand_over()

    assert counter.amounts == [(1, LABELS)]


def test_one_alarm_is_set_for_all_that_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    alarms: list[Any] = []
    monkeypatch.setattr(tally, "set_alarm", lambda delay_s, work: alarms.append((delay_s, work)))
    counter = Added()
    for _ in range(3):
        count(counter, 1, LABELS)
    assert [delay_s for delay_s, _ in alarms] == [tally.DELAY_S]

    alarms[0][1]()
    count(counter, 1, LABELS)

    assert len(alarms) == 2
    assert counter.amounts == [(3, LABELS)]


def test_what_is_measured_is_handed_over_by_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    from agentcore_metering.core.alarms import set_alarm

    monkeypatch.setattr(tally, "set_alarm", lambda _delay_s, work: set_alarm(0, work))
    counter = Added()
    count(counter, 1, LABELS)

    assert counter.has_added.wait(10)


def test_without_a_thread_the_caller_hands_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_delay_s: float, _work: Any) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(tally, "set_alarm", refuse)
    counter = Added()
    count(counter, 1, LABELS)
    count(counter, 1, LABELS)

    assert counter.amounts == [(1, LABELS), (1, LABELS)]


def test_beyond_a_bound_the_caller_hands_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MAX_PENDING", 3)
    counter = Added()
    for _ in range(4):
        count(counter, 1, LABELS)

    assert counter.amounts == [(4, LABELS)]


def test_a_fault_of_one_instrument_is_not_the_others(caplog: pytest.LogCaptureFixture) -> None:
    broken, sound, histogram = Added(RuntimeError("no counting today")), Added(), Recorded()
    count(broken, 1, LABELS)
    count(sound, 1, LABELS)
    measure(histogram, 1)

    tally.hand_over()

    assert (sound.amounts, histogram.values) == ([(1, LABELS)], [1])
    assert "no counting today" in caplog.text


def test_what_cannot_be_worked_out_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(counter: Counter) -> Iterator[Count]:
        yield Count(counter, 1, LABELS)
        raise RuntimeError("no figures today")

    counter = Added()
    tally.leave(NOWHERE, fail, counter)
    count(counter, 2, LABELS)

    tally.hand_over()

    assert counter.amounts == [(3, LABELS)]
    assert "no figures today" in caplog.text


def test_a_collection_does_not_wait_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "COLLECTION_WAIT_S", 0)
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    meter = provider.get_meter("host")
    tally.have_readers_ask(meter)
    count(meter.create_counter("tokens"), 1, LABELS)

    with tally._pending.handing_over:
        assert reader.get_metrics_data() is None
    collected = reader.get_metrics_data()

    assert collected is not None
    (metric,) = collected.resource_metrics[0].scope_metrics[0].metrics
    assert (metric.name, metric.data.data_points[0].value) == ("tokens", 1)  # type: ignore[union-attr]
    provider.shutdown()


def test_a_forked_child_begins_with_nothing() -> None:
    counter = Added()
    count(counter, 1, LABELS)

    child = os.fork()
    if child == 0:
        tally.hand_over()
        os._exit(len(counter.amounts))
    _, status = os.waitpid(child, 0)
    tally.hand_over()

    assert os.waitstatus_to_exitcode(status) == 0
    assert counter.amounts == [(1, LABELS)]


def test_what_is_left_keeps_no_span(telemetry: RecordedTelemetry) -> None:
    with tally._pending.handing_over:  # so that no alarm of an earlier test takes it away
        observation = observe(telemetry.observer, builders.succeeded_call())
        span = weakref.ref(trace.get_current_span(observation._span.context))
        telemetry.exporter.clear()
        del observation
        gc.collect()

        assert len(tally._pending.items) > 0
        assert span() is None
