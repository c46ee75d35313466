"""Cohere's rerank (v1 and v2), whose copies answer to the same path: the longer a document, the more it matters.

Source: https://docs.cohere.com/reference/rerank. The directive stands in the query. One search unit is a query with up to 100
documents.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from example.stub_provider.answers import Prompt
from example.stub_provider.wire import Endpoint, Failure, JsonObject, Request, texts_of

if TYPE_CHECKING:
    from example.stub_provider.answers import Answer

_DOCUMENTS_PER_UNIT: Final = 100


def _read(request: Request) -> Prompt:
    query = str(request.body.get("query", ""))
    return Prompt(model=str(request.body.get("model", "unknown")), last=query, texts=(query, *_documents(request)))


def _documents(request: Request) -> list[str]:
    return ["\n".join(texts_of([document])) for document in request.body.get("documents") or []]


def _reply(request: Request, answer: Answer) -> JsonObject:
    documents = _documents(request)
    longest = max((len(text) for text in documents), default=1) or 1
    order = sorted(range(len(documents)), key=lambda index: (-len(documents[index]), index))
    results = [{"index": index, "relevance_score": round(len(documents[index]) / longest, 6)} for index in order]
    units = max(1, -(-len(documents) // _DOCUMENTS_PER_UNIT))
    meta: JsonObject = {"api_version": {"version": "2"}}
    if answer.reports_usage:
        meta["billed_units"] = {"search_units": units}
    top = request.body.get("top_n")
    return {"id": f"rerank-stub{answer.number:06d}", "results": results[: int(top) if top else None], "meta": meta}


def _fail(failure: Failure) -> JsonObject:
    return {"message": failure.message}


ENDPOINT: Final = Endpoint(
    method="POST",
    path=re.compile(r"/rerank$"),
    read=_read,
    reply=_reply,
    fail=_fail,
    request_id_header="x-debug-trace-id",
    is_billed=False,
    reports_cost=False,
)
