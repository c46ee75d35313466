"""Calls for measuring: the core's lifecycle around a provider that answers at once, and the sinks that are compared."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from agentcore_metering.adapters.django.persistence.rows import write_rows
from agentcore_metering.core.clock import SystemClock
from agentcore_metering.core.gateway import LiteLLMBackend
from agentcore_metering.core.lifecycle import Call, CallServices
from agentcore_metering.core.ports import RecordSink
from agentcore_metering.core.types import (
    AttemptRecord,
    AttemptStart,
    CallContext,
    CallRequest,
    ModelTarget,
    Operation,
    ResponseFacts,
    Status,
    Usage,
    UsageSource,
)
from agentcore_metering.telemetry.observer import TelemetryObserver

__all__ = ["ListSink", "NaiveSink", "NoSink", "caller", "in_thread"]

FACTS = ResponseFacts(
    usage=Usage(120, 40, 64, 0, 8, UsageSource.PROVIDER, raw={"prompt_tokens": 120, "completion_tokens": 40}),
    response_id="chatcmpl-0123456789",
    response_model="gpt-4o-mini-2024-07-18",
    finish_reason="stop",
    service_tier="default",
)


class NoSink:
    """Nothing is written."""

    def attempt_started(self, start: AttemptStart) -> None:
        """Nothing."""

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Nothing."""

    async def settle(self) -> None:
        """Nothing."""


class ListSink(NoSink):
    """A queue in memory, as the control for what a backlog takes."""

    def __init__(self) -> None:
        self.records: list[AttemptRecord] = []

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Keep it."""
        self.records.append(record)


class NaiveSink(NoSink):
    """An insert in the caller's thread, on the caller's connection: what most code does."""

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Insert it."""
        write_rows([record], "default")


class NoPrices:
    """Knows no price: pricing is not what is measured."""

    def price_of(self, *_what: Any) -> None:
        """None."""


def caller(sink: RecordSink) -> Callable[[], None]:
    """A function that makes one call, all of it but the provider's part."""
    services = CallServices(LiteLLMBackend(), TelemetryObserver(), sink, NoPrices(), SystemClock())
    target = ModelTarget(Operation.CHAT, "openai", "openai", "gpt-4o-mini", "openai/gpt-4o-mini")
    request = CallRequest(target, {}, timeout_s=30.0, max_retries=0)
    context = CallContext(None, "summarise", "task", metadata={"document": "7f3c", "step": 3})

    def call() -> None:
        made = Call(services, request, context)
        made.begin_attempt().succeed(FACTS)
        made.end(Status.SUCCEEDED)

    return call


def in_thread(work: Callable[[], None]) -> threading.Thread:
    """A started thread that closes its database connection when it is done."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
