"""A file as a streamed response: sent while it is made, by a WSGI server's loop or on an ASGI server's event loop.

A client who goes away ends it: nothing is read any more behind the chunk that was being made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import chain

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

__all__ = ["AcceptAnything", "file_response"]

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would collect it
    "X-Content-Type-Options": "nosniff",
}
_CHUNKS_BEFORE_HEADERS = 2


class AcceptAnything(DefaultContentNegotiation):
    """The host's first renderer, whatever is asked for: a file has a type of its own, and its `format` names no renderer."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer for what goes wrong."""
        first = next(iter(renderers))
        return first, first.media_type or ""


def file_response(
    chunks: Iterator[bytes], request: HttpRequest, *, content_type: str, filename: str
) -> StreamingHttpResponse:
    """The response that sends `chunks`. The first of them are made at once: what fails there is an error with its own status."""
    made = [chunk for _number, chunk in zip(range(_CHUNKS_BEFORE_HEADERS), chunks, strict=False)]
    rest = _chained(made, chunks)
    # A sync iterator under ASGI would be read to its end before the first byte is sent.
    content = _pulled(rest) if isinstance(request, ASGIRequest) else rest
    headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


def _chained(made: list[bytes], chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A generator, so that a server can close it."""
    yield from chain(made, chunks)


async def _pulled(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    # In the thread of the request, where its database connection is.
    pull = sync_to_async(_next, thread_sensitive=True)
    while chunk := await pull(chunks):
        yield chunk


def _next(chunks: Iterator[bytes]) -> bytes:
    return next(chunks, b"")
