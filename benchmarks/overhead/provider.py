"""Owns the other side of the wire, as cheap as it can be: fixed answers of an OpenAI-shaped provider, and a sink for OTLP. Loopback only.

It runs in a process of its own (`python -m benchmarks.overhead.provider`), prints its port, and answers `GET /counts` with the number of
requests by path, of connections, and of spans by the scope that made them (`spans SCOPE`). Of calls it reads no more than the length and
whether a stream is wanted.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

__all__ = ["STREAM_CHUNKS", "counts", "running_provider"]

STREAM_CHUNKS = 200
PROMPT_TOKENS, CACHED_TOKENS, ANSWER_TOKENS = 420, 128, 197
USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": ANSWER_TOKENS,
    "total_tokens": PROMPT_TOKENS + ANSWER_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
COMMON = {"id": "chatcmpl-0123456789", "created": 1_760_000_000, "model": "gpt-4o-mini-2024-07-18"}
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
STREAM = re.compile(rb'"stream":\s*true')
HEAD_END = b"\r\n\r\n"
GZIP = b"\x1f\x8b"


def _answer() -> bytes:
    message = {"role": "assistant", "content": "A fixed answer of some sentences, the same for everybody. " * 6}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return json.dumps({**COMMON, "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()


def _events() -> Iterator[bytes]:
    def event(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        chunk = {**COMMON, "object": "chat.completion.chunk", "choices": choices, "usage": usage}
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"

    def delta(content: dict[str, Any], finish_reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish_reason}]

    yield event(delta({"role": "assistant", "content": ""}))
    for number in range(STREAM_CHUNKS - 3):
        yield event(delta({"content": f" word{number % 100}"}))
    yield event(delta({}, "stop"))
    yield event([], USAGE)
    yield b"data: [DONE]\n\n"


def _response(body: bytes, content_type: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d" % (content_type, len(body))
    return head + HEAD_END + body


WHOLE = _response(_answer(), b"application/json")
STREAMED = _response(b"".join(_events()), b"text/event-stream")
ACCEPTED = _response(b"{}", b"application/json")


def _spans(body: bytes) -> Counter[str]:
    """How many spans of each scope an OTLP export has."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest.FromString(gzip.decompress(body) if body.startswith(GZIP) else body)
    of_scopes = [scope for resource in request.resource_spans for scope in resource.scope_spans]
    return sum((Counter({f"spans {each.scope.name}": len(each.spans)}) for each in of_scopes), Counter())


class _Connection(asyncio.Protocol):
    """One keep-alive connection."""

    seen: Counter[str] = Counter()

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.seen["connections"] += 1
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._received += data
        while (head_end := self._received.find(HEAD_END)) >= 0:
            head = self._received[:head_end]
            length = LENGTH.search(head)
            begin = head_end + len(HEAD_END)
            end = begin + (int(length[1]) if length else 0)
            if len(self._received) < end:
                return
            body, self._received = self._received[begin:end], self._received[end:]
            self._transport.write(self._answer_to(head.split(b" ", 2)[1].decode(), body))

    def _answer_to(self, path: str, body: bytes) -> bytes:
        if path == "/counts":
            return _response(json.dumps(self.seen).encode(), b"application/json")
        self.seen[path] += 1
        if path.endswith("/traces"):
            self.seen.update(_spans(body))
        if not path.endswith("/chat/completions"):
            return ACCEPTED
        return STREAMED if STREAM.search(body) else WHOLE


@contextmanager
def running_provider() -> Iterator[str]:
    """The address of a provider that runs until the block ends."""
    command = [sys.executable, "-u", "-m", "benchmarks.overhead.provider"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def counts(address: str) -> dict[str, int]:
    """Requests by path, `connections`, and spans by scope (`spans SCOPE`), since the provider's start."""
    with urlopen(f"{address}/counts", timeout=10) as response:
        return dict(json.load(response))


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
