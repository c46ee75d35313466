"""Owns one call of the fast path: the core's lifecycle, a plain HTTP request to the provider, and the journal, timed.

LiteLLM costs some seven milliseconds of processor time a call; this path leaves it out so that two cores make enough calls to matter.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from agentcore_metering.core.clock import SystemClock
from agentcore_metering.core.gateway import LiteLLMBackend
from agentcore_metering.core.lifecycle import Call, CallServices
from agentcore_metering.core.ports import RecordSink
from agentcore_metering.core.responses import read_facts
from agentcore_metering.core.types import (
    AttemptRecord,
    AttemptStart,
    CallContext,
    CallRequest,
    CostSource,
    Failure,
    FailureKind,
    ModelTarget,
    Operation,
    Price,
    Status,
    TokenClass,
)
from agentcore_metering.telemetry.observer import TelemetryObserver
from benchmarks.chaos.stage import Stage

__all__ = ["MODEL", "UNIT_PRICE", "FastCaller", "SteppedClock", "TimedSink", "make_key_source", "spoiled"]

MODEL = "openai/gpt-4o-mini"
UNIT_PRICE = Decimal("0.0000015")
"""Of every token of the fast path, so that each row's cost can be checked."""

USERS = (1, 2, 3)
FAILING = 0.01
"""Share of the calls that the provider answers with an error."""

SPOILED: tuple[dict[str, Any], ...] = (
    {"user_id": 987_654},
    {"user_id": "nobody\x00"},
    {"node_name": "n" * 300},
    {"node_name": "half a \ud83d surrogate"},
    {"source_type": "\x00" * 5},
)


class SteppedClock(SystemClock):
    """The wall clock, wrong by what the stage says. `install` makes the standard library's wrong, too."""

    def __init__(self, offset: Path) -> None:
        self._offset = offset
        self._time_ns = time.time_ns

    def now(self) -> datetime:
        """Aware, UTC, wrong."""
        return super().now() + timedelta(seconds=self._offset_s())

    def install(self) -> None:
        """From now on this process has no right wall clock; the monotonic ones are left alone, as a clock step leaves them."""
        time.time_ns = lambda: self._time_ns() + int(self._offset_s() * 1e9)
        time.time = lambda: time.time_ns() / 1e9

    def _offset_s(self) -> float:
        try:
            return float(self._offset.read_text() or 0)
        except FileNotFoundError:
            return 0.0


class TimedSink:
    """A sink, and how long each attempt waited for it: a line of nanoseconds, start and end together."""

    def __init__(self, sink: RecordSink, timings: Path) -> None:
        self._sink = sink
        self._timings = timings
        self._local = threading.local()
        self._file = (0, -1)

    def attempt_started(self, start: AttemptStart) -> None:
        """As the sink's."""
        began_ns = time.perf_counter_ns()
        self._sink.attempt_started(start)
        self._local.start_ns = time.perf_counter_ns() - began_ns

    def attempt_ended(self, record: AttemptRecord) -> None:
        """As the sink's."""
        began_ns = time.perf_counter_ns()
        self._sink.attempt_ended(record)
        took_ns = time.perf_counter_ns() - began_ns
        os.write(self._descriptor(), b"%d\n" % (self._local.start_ns + took_ns))

    async def settle(self) -> None:
        """As the sink's."""
        await self._sink.settle()

    def _descriptor(self) -> int:
        pid, descriptor = self._file
        if pid != os.getpid():
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            descriptor = os.open(self._timings / str(os.getpid()), flags, 0o644)
            self._file = (os.getpid(), descriptor)
        return descriptor


class FlatPrice:
    """One price for every token."""

    def price_of(self, *_what: Any) -> Price:
        """Whatever was asked."""
        unit_prices = {TokenClass.INPUT: UNIT_PRICE, TokenClass.OUTPUT: UNIT_PRICE}
        return Price("USD", unit_prices, CostSource.OPERATOR, "chaos 1")


class FastCaller:
    """Calls of one thread of one process, over a connection of its own."""

    def __init__(self, stage: Stage, sink: RecordSink, stub_url: str) -> None:
        host, port = stub_url.removeprefix("http://").split(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=30)
        self._services = CallServices(
            LiteLLMBackend(), TelemetryObserver(), sink, FlatPrice(), SteppedClock(stage.clock)
        )
        self._next_key = make_key_source()
        target = ModelTarget(Operation.CHAT, "openai", "openai", "gpt-4o-mini", MODEL, server_address=host)
        self._request = CallRequest(target, {}, timeout_s=30.0, max_retries=0)

    def call(self) -> None:
        """One call, served and metered."""
        key = self._next_key()
        context = spoiled(CallContext(random.choice(USERS), "chaos", metadata={"key": key}))
        call = Call(self._services, self._request, context)
        attempt = call.begin_attempt()
        fails = random.random() < FAILING
        status, answer = self._ask(key, "status=400" if fails else f"in={random.randrange(1, 500)} out=7")
        if status == HTTPStatus.OK:
            attempt.succeed(read_facts(answer))
            call.end(Status.SUCCEEDED)
            return
        failure = Failure(FailureKind.BAD_REQUEST, "BadRequestError", f"status {status}")
        attempt.fail(failure)
        call.end(Status.FAILED, failure)

    def disconnect(self) -> None:
        """Before a fork: a child may not speak on its parent's connection. The next call opens one."""
        self._connection.close()

    def _ask(self, key: str, wish: str) -> tuple[int, Any]:
        messages = [{"role": "user", "content": f"call {key} [[stub: {wish}]]"}]
        body = json.dumps({"model": "gpt-4o-mini", "messages": messages})
        self._connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, json.loads(response.read(), object_hook=lambda values: SimpleNamespace(**values))


def make_key_source() -> Any:
    """A function that gives a new key at each call; no other source, in whatever process, gives the same."""
    source = uuid4().hex[:8]
    numbers = count(1)
    return lambda: (
        f"{os.getpid()}.{source}/{next(numbers)}"
    )  # the process of this moment: a child has its parent's source


def spoiled(context: CallContext) -> CallContext:
    """The context, once in a hundred times with something that a database refuses or a user that does not exist."""
    return replace(context, **random.choice(SPOILED)) if random.random() < 0.01 else context
