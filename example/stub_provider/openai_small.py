"""OpenAI's smaller operations: legacy completions, embeddings, images and the list of models.

Source: https://platform.openai.com/docs/api-reference. Vectors are short and fixed; an image is one pixel.
"""

from __future__ import annotations

import base64
import re
import struct
from typing import TYPE_CHECKING, Final

from example.stub_provider.answers import Prompt, split
from example.stub_provider.directives import DirectiveError
from example.stub_provider.openai import (
    REQUEST_ID,
    SNAPSHOTS,
    cost_json,
    fail,
    includes_usage,
    snapshot,
    usage_json,
)
from example.stub_provider.wire import CREATED, Endpoint, Event, JsonObject, Request, sse, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from example.stub_provider.answers import Answer

_PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="


def _read_input(request: Request) -> Prompt:
    texts = texts_of(request.body.get("input", request.body.get("prompt")))
    return Prompt(model=snapshot(request), last=texts[-1] if texts else "", texts=tuple(texts))


def _reply_completion(request: Request, answer: Answer) -> JsonObject:
    choice = {"text": answer.text, "index": 0, "logprobs": None, "finish_reason": answer.finish}
    payload = _completion_envelope(answer) | {"choices": [choice]}
    return payload | ({"usage": usage_json(answer)} if answer.reports_usage else {})


def _completion_events(request: Request, answer: Answer) -> Iterator[Event]:
    if answer.usage_early:
        raise DirectiveError("usage_early: a legacy completion reports usage in its last chunk alone")
    for piece in split(answer.text, answer.chunks):
        choice = {"text": piece, "index": 0, "logprobs": None, "finish_reason": None}
        yield Event(sse(_completion_envelope(answer) | {"choices": [choice]}), is_delta=True)
    last = {"text": "", "index": 0, "logprobs": None, "finish_reason": answer.finish}
    yield Event(sse(_completion_envelope(answer) | {"choices": [last]}))
    if includes_usage(request) and answer.reports_usage:
        yield Event(sse(_completion_envelope(answer) | {"choices": [], "usage": usage_json(answer)}))
    yield Event(b"data: [DONE]\n\n")


def _completion_envelope(answer: Answer) -> JsonObject:
    number = f"cmpl-stub{answer.number:06d}"
    return {"id": number, "object": "text_completion", "created": CREATED, "model": answer.model}


def _reply_embeddings(request: Request, answer: Answer) -> JsonObject:
    given = request.body.get("input")
    # A list of numbers is one text, already in tokens.
    count = len(given) if isinstance(given, list) and not all(isinstance(item, int) for item in given) else 1
    size = int(request.body.get("dimensions") or 8)
    vectors = [[((index + 1) * (place + 1) % 7 - 3) / 8 for place in range(size)] for index in range(count)]
    usage: JsonObject = {"prompt_tokens": answer.usage.input_tokens, "total_tokens": answer.usage.input_tokens}
    usage |= cost_json(answer)
    rows = [
        {"object": "embedding", "index": index, "embedding": _encoded(request, vector)}
        for index, vector in enumerate(vectors)
    ]
    payload = {"object": "list", "data": rows, "model": answer.model}
    return payload | ({"usage": usage} if answer.reports_usage else {})


def _encoded(request: Request, vector: list[float]) -> str | list[float]:
    if request.body.get("encoding_format") != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _reply_images(request: Request, answer: Answer) -> JsonObject:
    by_url = request.body.get("response_format") == "url"
    image = {"url": f"http://127.0.0.1/stub/{answer.number}.png"} if by_url else {"b64_json": _PIXEL}
    usage = answer.usage
    told = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "input_tokens_details": {"text_tokens": usage.input_tokens, "image_tokens": 0},
    }
    payload: JsonObject = {"created": CREATED, "data": [image] * int(request.body.get("n") or 1)}
    return payload | ({"usage": told} if answer.reports_usage else {})


def _reply_models(request: Request, answer: Answer) -> JsonObject:
    names = sorted(SNAPSHOTS)
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": CREATED, "owned_by": "stub"} for name in names],
    }


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path=re.compile(r"/completions$"),
        read=_read_input,
        reply=_reply_completion,
        fail=fail,
        events=_completion_events,
        tells_usage=includes_usage,
        request_id_header=REQUEST_ID,
    ),
    Endpoint(
        method="POST",
        path=re.compile(r"/embeddings$"),
        read=_read_input,
        reply=_reply_embeddings,
        fail=fail,
        has_output=False,
        request_id_header=REQUEST_ID,
    ),
    Endpoint(
        method="POST",
        path=re.compile(r"/images/generations$"),
        read=_read_input,
        reply=_reply_images,
        fail=fail,
        request_id_header=REQUEST_ID,
    ),
    Endpoint(
        method="GET",
        path=re.compile(r"/models$"),
        read=_read_input,
        reply=_reply_models,
        fail=fail,
        is_billed=False,
        request_id_header=REQUEST_ID,
    ),
)
