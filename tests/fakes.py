"""Classes that implement the core's ports and remember what they were told: used in place of patches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from agentcore_metering.core.lifecycle import CallServices
from agentcore_metering.core.types import (
    AttemptRecord,
    AttemptStart,
    CallContext,
    CallRecord,
    CallRequest,
    ModelTarget,
    Operation,
    Price,
    ResponseFacts,
    TraceLink,
)

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class FakeClock:
    """Stands still until it is told to move, or somebody sleeps."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.slept_s: list[float] = []

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed_s)

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        self.elapsed_s += delay_s

    async def asleep(self, delay_s: float) -> None:
        self.sleep(delay_s)

    def advance(self, seconds: float) -> None:
        self.elapsed_s += seconds


@dataclass
class ListSink:
    """Keeps the records."""

    starts: list[AttemptStart] = field(default_factory=list)
    records: list[AttemptRecord] = field(default_factory=list)
    settled: int = 0

    def attempt_started(self, start: AttemptStart) -> None:
        self.starts.append(start)

    def attempt_ended(self, record: AttemptRecord) -> None:
        self.records.append(record)

    async def settle(self) -> None:
        self.settled += 1


@dataclass
class RecordingObserver:
    """Its own observation of every call; notes what it saw and whether it was active."""

    trace: TraceLink | None = None
    wants_output: bool = False
    calls: list[CallRecord] = field(default_factory=list)
    attempts: list[tuple[AttemptRecord, bool]] = field(default_factory=list)
    started: list[CallRequest] = field(default_factory=list)
    _active: ContextVar[bool] = field(default_factory=lambda: ContextVar("active", default=False), repr=False)

    @property
    def is_active(self) -> bool:
        """Here and now, as a span is current."""
        return self._active.get()

    def call_started(self, request: CallRequest, context: CallContext, started_at: datetime) -> RecordingObserver:
        self.started.append(request)
        return self

    def activate(self) -> AbstractContextManager[None]:
        return self._activation()

    @contextmanager
    def _activation(self) -> Iterator[None]:
        token = self._active.set(True)
        try:
            yield
        finally:
            self._active.reset(token)

    def attempt_ended(self, record: AttemptRecord, *, will_retry: bool) -> None:
        self.attempts.append((record, will_retry))

    def call_ended(self, record: CallRecord) -> None:
        self.calls.append(record)


class ScriptedBackend:
    """Gives its script item by item: an exception is raised, a callable is called, a list is streamed, the rest is returned."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.arguments: list[Mapping[str, Any]] = []
        self.functions: list[str] = []
        self.closed: list[Any] = []

    def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        self.functions.append(function)
        item = self._next(arguments)
        return _stream(item) if isinstance(item, list) else item

    async def acall(self, function: str, arguments: Mapping[str, Any]) -> Any:
        self.functions.append(function)
        await asyncio.sleep(0)
        item = self._next(arguments)
        return _astream(item) if isinstance(item, list) else item

    def _next(self, arguments: Mapping[str, Any]) -> Any:
        self.arguments.append(arguments)
        item = self.script.pop(0)
        if callable(item):
            item = item()
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self, stream: Any) -> None:
        self.closed.append(stream)

    async def aclose(self, stream: Any) -> None:
        self.closed.append(stream)
        await stream.aclose()

    def cut(self, stream: Any) -> None:
        stream.cut()

    def provider_chunks(self, stream: Any) -> Any:
        return getattr(stream, "chunks", None)

    def provider_model(self, stream: Any) -> str | None:
        return getattr(stream, "provider_model", None)

    def count_tokens(self, model: str, *, text: str | None = None, messages: Any = None) -> int | None:
        """One token a word."""
        content = " ".join(str(message["content"]) for message in messages) if messages is not None else text or ""
        return len(content.split())


def _stream(items: list[Any]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, BaseException):
            raise item
        yield item


async def _astream(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        if isinstance(item, BaseException):
            raise item
        yield item


@dataclass
class FixedPrices:
    """One price, or none, for every model."""

    price: Price | None = None

    def price_of(self, target: ModelTarget, facts: ResponseFacts, at: datetime) -> Price | None:
        return self.price


@dataclass
class World:
    """Services made of fakes, all within reach."""

    backend: ScriptedBackend
    clock: FakeClock = field(default_factory=FakeClock)
    sink: ListSink = field(default_factory=ListSink)
    observer: RecordingObserver = field(default_factory=RecordingObserver)
    prices: FixedPrices = field(default_factory=FixedPrices)

    @property
    def services(self) -> CallServices:
        return CallServices(self.backend, self.observer, self.sink, self.prices, self.clock)


def make_target(**changes: Any) -> ModelTarget:
    values: dict[str, Any] = {
        "operation": Operation.CHAT,
        "provider": "openai",
        "provider_name": "openai",
        "request_model": "gpt-4o-mini",
        "litellm_model": "openai/gpt-4o-mini",
        **changes,
    }
    return ModelTarget(**values)


def make_request(**changes: Any) -> CallRequest:
    values: dict[str, Any] = {
        "target": make_target(),
        "arguments": {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "say hello please"}]},
        "timeout_s": 180,
        "max_retries": 3,
        **changes,
    }
    return CallRequest(**values)


def make_usage_payload(input_tokens: int = 10, output_tokens: int = 5, **more: Any) -> SimpleNamespace:
    total = input_tokens + output_tokens
    return SimpleNamespace(prompt_tokens=input_tokens, completion_tokens=output_tokens, total_tokens=total, **more)


def make_response(
    text: str | None = "hello", *, usage: Any = None, finish_reason: str = "stop", **message: Any
) -> SimpleNamespace:
    choice = SimpleNamespace(message=SimpleNamespace(content=text, **message), finish_reason=finish_reason)
    return SimpleNamespace(
        id="chatcmpl-1", model="gpt-4o-mini-2024-07-18", choices=[choice], usage=usage or make_usage_payload()
    )


def make_chunk(
    text: str | None = None, *, finish_reason: str | None = None, usage: Any = None, **delta: Any
) -> SimpleNamespace:
    choice = SimpleNamespace(delta=SimpleNamespace(content=text, **delta), finish_reason=finish_reason)
    return SimpleNamespace(id="chatcmpl-1", model="gpt-4o-mini-2024-07-18", choices=[choice], usage=usage)


def provider_error(name: str, status_code: int | None = None, *, message: str = "no", **attributes: Any) -> Exception:
    """An exception of a class of this name, as LiteLLM or an SDK would raise it."""
    error: Exception = type(name, (Exception,), {})(message)
    if status_code is not None:
        error.status_code = status_code  # type: ignore[attr-defined]
    for key, value in attributes.items():
        setattr(error, key, value)
    return error
