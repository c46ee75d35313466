"""What the core needs from outside, as Protocols. Adapters implement them; tests pass fakes; runtime.py joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from agentcore_metering.core.types import (
    AttemptRecord,
    AttemptStart,
    CallContext,
    CallRecord,
    CallRequest,
    ModelTarget,
    Price,
    ResponseFacts,
    TraceLink,
)

__all__ = [
    "CallObservation",
    "CallObserver",
    "Clock",
    "CompletionBackend",
    "PriceSource",
    "RecordSink",
]


class Clock(Protocol):
    """Time, so that tests can make it stand still."""

    def now(self) -> datetime:
        """The wall clock: aware, UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never go back; only differences mean anything."""

    def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""

    async def asleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds while the event loop goes on."""


class CompletionBackend(Protocol):
    """The way to the providers. Its exceptions are theirs."""

    def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """The answer of LiteLLM's `function`, or with `stream=True` an iterator of chunks."""

    async def acall(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """The answer, or with `stream=True` an async iterator of chunks."""

    def close(self, stream: Any) -> None:
        """Let go of a stream from `call` before its end, so that the provider can stop generating."""

    async def aclose(self, stream: Any) -> None:
        """The same for a stream from `acall`."""

    def cut(self, stream: Any) -> None:
        """End the connection under a stream from `call` that another thread is reading, which then waits no longer."""

    def provider_chunks(self, stream: Any) -> Sequence[Any] | None:
        """The chunks of a stream as the provider sent them, before anything was added; None where they are not kept."""

    def provider_model(self, stream: Any) -> str | None:
        """The model that the provider says has answered a stream, whatever the chunks say; None where that is not kept."""

    def count_tokens(self, model: str, *, text: str | None = None, messages: Any = None) -> int | None:
        """Tokens that `model` would count, or None when that cannot be told."""


class PriceSource(Protocol):
    """Unit prices by model and time."""

    def price_of(self, target: ModelTarget, facts: ResponseFacts, at: datetime) -> Price | None:
        """The price in force at the time `at` for what was asked (`target`) and what came of it, or None when it is unknown.

        Which one that is may depend on the model that answered, its service tier and the prompt's length.
        """


class CallObservation(Protocol):
    """One call in the eyes of an observer. No method may raise into a call; the lifecycle contains what does."""

    @property
    def trace(self) -> TraceLink | None:
        """The span of this call, or None where nothing is traced."""

    @property
    def wants_output(self) -> bool:
        """Whether `CallRecord.output` shall be kept for this call. Without it nothing of an answer outlives the answer."""

    def activate(self) -> AbstractContextManager[None]:
        """A context in which the provider is called: the call's span is current, other LLM instrumentations are silent.

        Entered anew for each piece of work and left before control goes back to the caller, so nothing leaks into his context.
        """

    def attempt_ended(self, record: AttemptRecord, *, will_retry: bool) -> None:
        """One attempt has ended; with `will_retry` another one of the same call follows."""

    def call_ended(self, record: CallRecord) -> None:
        """The call has ended; called exactly once."""


class CallObserver(Protocol):
    """Sees every call begin: telemetry."""

    def call_started(self, request: CallRequest, context: CallContext, started_at: datetime) -> CallObservation:
        """The observation of a call that begins now."""


class RecordSink(Protocol):
    """Where records become rows. May drop nothing and may not raise."""

    def attempt_started(self, start: AttemptStart) -> None:
        """An attempt is about to be sent."""

    def attempt_ended(self, record: AttemptRecord) -> None:
        """An attempt has ended: exactly one row follows, whatever becomes of the caller's transaction.

        Also called on event loops, where it may not wait for a database.
        """

    async def settle(self) -> None:
        """Finish off the event loop what `attempt_ended` had to leave, if anything."""
