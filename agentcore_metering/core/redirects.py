"""Keeps a provider's redirect from taking a call, with its key and prompt, to another host.

LiteLLM's HTTP clients follow redirects, and of the headers that carry a key they drop `Authorization` alone on the way to another host. While
one of our calls is in progress a redirect is followed to the same scheme, host and port only; any other one is the answer, which LiteLLM
turns into an error by its status. Clients of the host are left alone.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from functools import wraps
from typing import Any

__all__ = ["confine", "install", "release"]

MAX_REDIRECTS = 5
MARK = "agentcore_metering_confines_redirects"

_is_confined: ContextVar[bool] = ContextVar("agentcore_metering_confined_redirects", default=False)


def confine() -> bool:
    """From here on no request of an HTTP client in this context is redirected to another place. Without effect before `install`.

    What `release` is to be given: whether that was so already.
    """
    earlier = _is_confined.get()
    _is_confined.set(True)
    return earlier


def release(earlier: bool) -> None:
    """As it was before `confine`. Unlike a token's reset it also works where a dropped stream is ended in another context."""
    _is_confined.set(earlier)


def install() -> None:
    """Have httpx ask this module, and httpx2, which OpenAI's later clients make. Idempotent; a client made by a subclass is asked too."""
    # LiteLLM makes its clients in a dozen places, with redirects on and no parameter for it, so the class is where they meet.
    for name in ("httpx", "httpx2"):
        library = sys.modules.get(name)
        if library is None or getattr(library.Client.send, MARK, False):
            continue
        library.Client.send = _confining(library.Client.send)
        library.AsyncClient.send = _aconfining(library.AsyncClient.send)


def _confining(send: Any) -> Any:
    @wraps(send)
    def confined(client: Any, request: Any, **options: Any) -> Any:
        if not _is_confined.get():
            return send(client, request, **options)
        options["follow_redirects"] = False
        response = send(client, request, **options)
        for _ in range(MAX_REDIRECTS):
            if not _stays(response):
                break
            response.close()
            response = send(client, response.next_request, **options)
        return response

    setattr(confined, MARK, True)
    return confined


def _aconfining(send: Any) -> Any:
    @wraps(send)
    async def confined(client: Any, request: Any, **options: Any) -> Any:
        if not _is_confined.get():
            return await send(client, request, **options)
        options["follow_redirects"] = False
        response = await send(client, request, **options)
        for _ in range(MAX_REDIRECTS):
            if not _stays(response):
                break
            await response.aclose()
            response = await send(client, response.next_request, **options)
        return response

    return confined


def _stays(response: Any) -> bool:
    """Whether `response` is a redirect to the place that it came from."""
    following = response.next_request
    return following is not None and _origin(following.url) == _origin(response.request.url)


def _origin(url: Any) -> tuple[Any, ...]:
    return url.scheme, url.host, url.port
