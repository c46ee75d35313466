"""A bare HTTP client for the stub provider's tests: one request to a provider, its whole answer back."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from example.stub_provider import StubProvider

KEY = "gateway-key-4711"  # of a shape that LiteLLM does not recognise as a key and mask by itself
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
PROVIDERS = tuple(MODELS)


class Reply(NamedTuple):
    """An answer as received. `is_whole`: the connection was not closed before its end."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        return [json.loads(line[6:]) for line in self.body.decode().splitlines() if line.startswith("data: {")]


def send(stub: StubProvider, provider: str, text: str, *, stream: bool = False) -> Reply:
    """The answer of `provider` to one user message."""
    message = {"role": "user", "content": text}
    if provider == "gemini":
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        path = f"/v1beta/models/{MODELS['gemini']}:{verb}"
        return post(stub, path, {"contents": [{"role": "user", "parts": [{"text": text}]}]})
    path = "/v1/messages" if provider == "anthropic" else "/v1/chat/completions"
    body = {"model": MODELS[provider], "messages": [message], "max_tokens": 99, "stream": stream}
    return post(stub, path, body | ({"stream_options": {"include_usage": True}} if stream else {}))


def post(stub: StubProvider, path: str, body: object) -> Reply:
    with closing(http.client.HTTPConnection("127.0.0.1", stub.port, timeout=10)) as connection:
        connection.request("POST", path, json.dumps(body), {"authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        try:
            return Reply(response.status, headers, response.read(), is_whole=True)
        except http.client.IncompleteRead as broken:
            return Reply(response.status, headers, broken.partial, is_whole=False)
