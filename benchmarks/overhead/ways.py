"""Owns the ways to make one and the same call: LiteLLM bare, LiteLLM bare once more as the control, metered, and by the peers that are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from benchmarks.overhead.host import KEY, MODEL

__all__ = ["Way", "bare", "metered"]

MESSAGES = [{"role": "user", "content": "Say something in two hundred words."}]
TIMEOUT_S = 180


@dataclass(frozen=True, slots=True)
class Way:
    """One way to call; each function makes one call and reads its answer to the end."""

    name: str
    whole: Callable[[], Any]
    stream: Callable[[], Iterable[Any]]
    awaited: Callable[[], Any]
    """Gives the coroutine of one whole answer."""
    active: Callable[[], AbstractContextManager[Any]] = nullcontext
    """In force while this way has its turn."""
    emits: str = "nothing"
    scope: str = ""
    """Whose spans are this way's, one at least for each of its calls; empty where it makes none."""


def arguments(address: str) -> Mapping[str, Any]:
    """What LiteLLM is told for the call that the meter makes: the same model, no retries, and a timeout that does not change."""
    return {
        "model": f"openai/{MODEL}",
        "api_key": KEY,
        "api_base": f"{address}/v1",
        "timeout": TIMEOUT_S,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
        "messages": MESSAGES,
    }


def bare(name: str, address: str, completion: Any = None, acompletion: Any = None, **fields: Any) -> Way:
    """LiteLLM's own functions, or a peer's wrappers of them."""
    import litellm

    completion = completion or litellm.completion
    acompletion = acompletion or litellm.acompletion
    given = arguments(address)
    return Way(
        name,
        whole=lambda: completion(**given),
        stream=lambda: completion(**given, stream=True, stream_options={"include_usage": True}),
        awaited=lambda: acompletion(**given),
        **fields,
    )


def metered(emits: str) -> Way:
    """By the tracker, on the configuration in the database."""
    from agentcore_metering.adapters.django import LLMTracker

    def stream() -> Iterator[Any]:
        chunks: Iterator[Any] = LLMTracker.call_and_track(messages=MESSAGES, node_name="benchmark", stream=True)
        return chunks

    return Way(
        "metered",
        whole=lambda: LLMTracker.call_and_track(messages=MESSAGES, node_name="benchmark"),
        stream=stream,
        awaited=lambda: LLMTracker.acall_and_track(messages=MESSAGES, node_name="benchmark"),
        emits=emits,
        scope="agentcore_metering" if "span" in emits else "",
    )
