"""What lies under LiteLLM's streams: wrappers within wrappers down to the HTTP response, and what the provider itself said in them.

Known by the names of their attributes alone, so that nothing here depends on a release of LiteLLM being installed.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from types import FrameType
from typing import Any

__all__ = ["connections", "keeping_events", "layers"]

_INNER_LAYERS = (
    "streamwrapper",
    "completion_stream",
    "litellm_custom_stream_wrapper",
    "streaming_response",
    "response",
)
_MAX_LAYERS = 5


def layers(stream: Any, depth: int = 0) -> Iterator[Any]:
    """What stands between LiteLLM's stream wrapper and the response, from the outside in."""
    for name in _INNER_LAYERS if depth < _MAX_LAYERS else ():
        inner = getattr(stream, name, None)
        if inner is not None:
            yield inner
            yield from layers(inner, depth + 1)


def connections(stream: Any) -> Iterator[socket.socket]:
    """The sockets that a sync stream is being read from: none of one that has ended, or that shares its connection with others."""
    for layer in (stream, *layers(stream)):
        for response in _responses_in(layer):
            extensions = response.extensions
            # HTTP/2 has numbered streams within its connection.
            if response.is_closed or "stream_id" in extensions or "network_stream" not in extensions:
                continue
            connection = extensions["network_stream"].get_extra_info("socket")
            if isinstance(connection, socket.socket):
                yield connection


def _responses_in(layer: Any, depth: int = 0) -> Iterator[Any]:
    """The layer itself where it is an HTTP response, else those that its generators read."""
    if isinstance(getattr(layer, "extensions", None), dict) and hasattr(layer, "is_closed"):
        yield layer
        return
    frame = getattr(layer, "gi_frame", None)
    if isinstance(frame, FrameType) and depth < _MAX_LAYERS:
        for inner in list(frame.f_locals.values()):
            yield from _responses_in(inner, depth + 1)


def keeping_events(stream: Any) -> Any:
    """`stream`, as one that keeps what the provider itself says within reach of `layers`.

    Of a Responses API stream that is its last event: LiteLLM replaces usage that was not sent by its own count, and adds its own list
    price, before anybody sees it. Of a text completion it is the wrapper that stands inside a generator of LiteLLM's and nowhere else.
    """
    chunks = getattr(stream, "completion_stream", None)
    if isinstance(chunks, Generator):
        stream.completion_stream = _opened(chunks, stream)
    elif isinstance(chunks, AsyncGenerator):
        stream.completion_stream = _aopened(chunks, stream)
    for layer in (stream, *layers(stream)):
        events = getattr(layer, "stream_iterator", None)
        if isinstance(events, Iterator):
            layer.chunks = []
            layer.stream_iterator = _kept(events, layer.chunks)
        elif isinstance(events, AsyncIterator):
            layer.chunks = []
            layer.stream_iterator = _akept(events, layer.chunks)
    return stream


def _opened(chunks: Generator[Any, None, None], owner: Any) -> Iterator[Any]:
    with contextlib.closing(chunks):
        for chunk in chunks:
            _show_wrapper(chunks, owner)
            yield chunk


async def _aopened(chunks: AsyncGenerator[Any, None], owner: Any) -> AsyncIterator[Any]:
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            _show_wrapper(chunks, owner)
            yield chunk


def _show_wrapper(chunks: Any, owner: Any) -> None:
    if getattr(owner, "streamwrapper", None) is None:
        owner.streamwrapper = _wrapper_in(chunks)


def _wrapper_in(layer: Any, depth: int = 0) -> Any:
    """The wrapper that keeps the provider's chunks, looked for in generators that wait at a `yield`; None where there is none."""
    if depth == _MAX_LAYERS or layer is None or isinstance(getattr(layer, "chunks", None), list):
        return layer
    frame = getattr(layer, "gi_frame", None) or getattr(layer, "ag_frame", None)
    waiting = frame.f_locals if isinstance(frame, FrameType) else {}
    inner = waiting.get("streamwrapper") or waiting.get("response") or getattr(layer, "completion_stream", None)
    return _wrapper_in(inner, depth + 1)


def _kept(events: Iterator[Any], kept: list[Any]) -> Iterator[Any]:
    for event in events:
        _keep(event, kept)
        yield event


async def _akept(events: AsyncIterator[Any], kept: list[Any]) -> AsyncIterator[Any]:
    async for event in events:
        _keep(event, kept)
        yield event


def _keep(event: Any, kept: list[Any]) -> None:
    # LiteLLM before 1.92 reads the lines themselves.
    text = event.removeprefix("data:") if isinstance(event, str) else getattr(event, "data", None)
    if isinstance(text, str) and '"usage"' in text:
        # LiteLLM passes over what is no JSON, too.
        with contextlib.suppress(ValueError):
            response = json.loads(text).get("response")
            kept += [response] if isinstance(response, dict) else []
