"""Views that stream a model's answer, as a host writes them: the request's span ends before the first chunk is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from opentelemetry import trace

from agentcore_metering.adapters.django import LLMTracker
from example.stub_provider import directive

MESSAGES = [{"role": "user", "content": directive(in_=7, out=5, text="Hi there", chunks=4)}]

tracer = trace.get_tracer("host")


def answer(request: HttpRequest) -> StreamingHttpResponse:
    with tracer.start_as_current_span("view"):
        stream = LLMTracker.call_and_track(messages=MESSAGES, stream=True)

    def body() -> Iterator[str]:
        for kind, text in stream:
            if kind == "content":
                yield text

    return StreamingHttpResponse(body())


async def async_answer(request: HttpRequest) -> StreamingHttpResponse:
    with tracer.start_as_current_span("view"):
        stream: Any = await LLMTracker.acall_and_track(messages=MESSAGES, stream=True)

    async def body() -> AsyncIterator[str]:
        async for kind, text in stream:
            if kind == "content":
                yield text

    return StreamingHttpResponse(body())


urlpatterns = [path("answer/", answer), path("async-answer/", async_answer)]
