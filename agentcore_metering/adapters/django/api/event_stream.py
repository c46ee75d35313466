"""A test call as server-sent events, pulled by a WSGI server's loop or on an ASGI server's event loop.

A client that leaves closes the stream under it, so that the provider can stop and the row says `cancelled`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import get_language, override

from agentcore_metering.adapters.django.api.single_trial import SingleTrial
from agentcore_metering.adapters.django.trackers.trial import Trial, Verdict

__all__ = ["event_stream", "failed_stream"]

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""The second one keeps nginx from collecting the answer."""


def event_stream(trial: Trial, request: HttpRequest, mark: SingleTrial) -> StreamingHttpResponse:
    """`reasoning` and `content` events as the model gives them, then one `done` with the usage or with what went wrong.

    Side effect: `mark` is renewed by every event, and ended with the last one or when the client leaves.

    Raises:
        ConfigError: the configuration cannot be used; nothing was sent.
    """
    # A sync iterator under ASGI would be read to its end before the first byte is sent.
    if isinstance(request, ASGIRequest):
        return _response(_AsyncEvents(trial, get_language(), mark))
    return _response(_Events(trial, get_language(), mark))


def failed_stream(verdict: Verdict) -> StreamingHttpResponse:
    """The one event of a test that could not begin."""
    return _response(iter([_event(_failure(verdict))]))


class _Events(Iterator[bytes]):
    """An object, because a generator that was never started does nothing when it is closed, and the call has begun."""

    def __init__(self, trial: Trial, language: str | None, mark: SingleTrial) -> None:
        self._trial = trial
        self._language = language
        self._mark = mark
        self._stream = trial.stream()
        self._is_done = False

    def __next__(self) -> bytes:
        if self._is_done:
            raise StopIteration
        try:
            kind, text = next(self._stream)
        except StopIteration as end:
            return self._last(_success(end.value))
        except Exception as exc:  # noqa: BLE001 - the answer has begun: what went wrong can only be said in it
            return self._last(_explained(self._trial, exc, self._language))
        self._mark.renew()
        return _event({"type": kind, "content": text})

    def close(self) -> None:
        """The server is done with the answer, at its end or because the client has left."""
        self._is_done = True
        self._stream.close()
        self._mark.end()

    def _last(self, body: Mapping[str, Any]) -> bytes:
        self._is_done = True
        self._mark.end()
        return _event(body)


class _AsyncEvents(AsyncIterable[bytes]):
    """The same on an event loop."""

    def __init__(self, trial: Trial, language: str | None, mark: SingleTrial) -> None:
        self._trial = trial
        self._language = language
        self._mark = mark
        self._stream = trial.astream()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for kind, text in self._stream:
                await sync_to_async(self._mark.renew)()
                yield _event({"type": kind, "content": text})
            last = _success(self._stream.result or {})
        except Exception as exc:  # noqa: BLE001 - as above
            last = _explained(self._trial, exc, self._language)
        finally:
            await self._stream.aclose()
        await sync_to_async(self._mark.end)()
        yield _event(last)

    def close(self) -> None:
        """The server is done with the answer, whether or not it has asked for any of it."""
        self._mark.end()


def _explained(trial: Trial, exc: Exception, language: str | None) -> dict[str, Any]:
    # Events are made after the view, where the request's language need not be active any more.
    with override(language):
        return _failure(trial.explain(exc))


def _success(usage: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in usage.items() if not key.startswith("_")}
    return {"type": "done", "ok": True, "usage": shown}


def _failure(verdict: Verdict) -> dict[str, Any]:
    return {"type": "done", "ok": False, "detail": verdict.text, "error_key": verdict.error_key}


def _event(body: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


def _response(events: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(events, content_type="text/event-stream", headers=HEADERS)
