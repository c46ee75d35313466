"""Business code: a view that asks a model. All that metering asks of it is the call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agentcore_metering.adapters.django import LLMTracker

WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class AskView(APIView):
    """`POST {"prompt", "node"?, "model_uuid"?, "stream"?, "json"?, "tools"?}` -> the answer and what it cost."""

    def post(self, request: Request) -> HttpResponseBase:
        """Ask as the user who is logged in, with his configuration or everybody's."""
        wish = _fields(request)
        state = {"user_id": request.user.pk, "node_name": wish.get("node", "ask"), "source_type": "example"}
        arguments: dict[str, Any] = {
            "messages": [{"role": "user", "content": wish["prompt"]}],
            "state": state,
            "model_uuid": wish.get("model_uuid"),
        }
        if wish.get("stream"):
            stream = LLMTracker.call_and_track(**arguments, stream=True)
            return StreamingHttpResponse(_events(stream), content_type="text/event-stream")
        if wish.get("tools"):
            arguments |= {"tools": [WEATHER_TOOL], "return_message": True}
        try:
            answer, usage = LLMTracker.call_and_track(**arguments, json_mode=bool(wish.get("json")))
        except Exception as exc:  # noqa: BLE001 - the caller of this example learns the kind of any failure
            return Response({"error": type(exc).__name__}, status=502)
        return Response({"answer": answer, "usage": usage})


def _fields(request: Request) -> dict[str, Any]:
    if not isinstance(request.data, dict) or not isinstance(request.data.get("prompt"), str):
        raise ValidationError({"prompt": ["A text is needed."]})
    return request.data


def _events(stream: Any) -> Iterator[str]:
    with closing(stream):
        try:
            while True:
                kind, text = next(stream)
                yield _event(type=kind, content=text)
        except StopIteration as end:
            yield _event(type="done", ok=True, usage=end.value)
        except Exception as exc:  # noqa: BLE001 - the response has begun: an event is all that can still be said
            yield _event(type="done", ok=False, detail=type(exc).__name__)


def _event(**fields: Any) -> str:
    return f"data: {json.dumps(fields)}\n\n"
