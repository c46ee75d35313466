"""OpenAI's Decisions API: a typed answer to each question about a text.

Source: https://platform.openai.com/docs/api-reference/decisions. Predicates are likely, choices fall on the first value, scores on the middle;
with `text` a JSON list, that is the list of answers, and with `finish=content_filter` every question is refused.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from example.stub_provider.answers import Prompt
from example.stub_provider.openai import REQUEST_ID, cost_json, fail, snapshot
from example.stub_provider.wire import Endpoint, JsonObject, Request, texts_of

if TYPE_CHECKING:
    from example.stub_provider.answers import Answer


def _read(request: Request) -> Prompt:
    texts = texts_of(request.body.get("input"))
    asked = [str(question.get("instructions", "")) for question in request.body.get("questions") or []]
    return Prompt(model=snapshot(request), last=texts[-1] if texts else "", texts=(*texts, *asked))


def _reply(request: Request, answer: Answer) -> JsonObject:
    usage = answer.usage
    payload: JsonObject = {"model": answer.model, "answers": _answers(request, answer)}
    payload["usage"] = {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_tokens,
    } | cost_json(answer)
    return payload


def _answers(request: Request, answer: Answer) -> list[Any]:
    if answer.text.startswith("["):
        told: list[Any] = json.loads(answer.text)
        return told
    questions = request.body.get("questions") or []
    if answer.finish == "content_filter":
        return [{"type": "refusal", "name": question.get("name")} for question in questions]
    return [_answer(question) for question in questions]


def _answer(question: JsonObject) -> JsonObject:
    kind = question["type"]
    told: JsonObject = {"type": kind, "name": question.get("name")}
    if kind == "predicate":
        return told | {"probability": 0.75}
    if kind == "choice":
        values = [choice["value"] for choice in question["choices"]]
        rest = round(0.25 / (len(values) - 1), 6)
        chances = [{"value": value, "probability": 0.75 if value == values[0] else rest} for value in values]
        return told | {"choice": values[0], "probabilities": chances, "confidence": 0.75}
    labels = [level["label"] for level in question["levels"]]
    middle = (len(labels) - 1) / 2
    chances = [
        {"value": index, "label": label, "probability": round(1 / len(labels), 6)} for index, label in enumerate(labels)
    ]
    return told | {"score": middle, "probabilities": chances, "confidence": 0.5}


ENDPOINT: Final = Endpoint(
    method="POST",
    path=re.compile(r"/decisions$"),
    read=_read,
    reply=_reply,
    fail=fail,
    request_id_header=REQUEST_ID,
)
