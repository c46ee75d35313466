"""A request as an ASGI server gives it to Django, by somebody who is logged in."""

from __future__ import annotations

from typing import Any

from django.test import Client

__all__ = ["post_scope"]

TOKEN = "t" * 32


def post_scope(client: Client, path: str, body: bytes) -> dict[str, Any]:
    """The scope of a POST of JSON with the session of `client`."""
    cookie = f"sessionid={client.cookies['sessionid'].value}; csrftoken={TOKEN}".encode()
    headers = [(b"content-type", b"application/json"), (b"cookie", cookie), (b"x-csrftoken", TOKEN.encode())]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [*headers, (b"host", b"testserver"), (b"content-length", str(len(body)).encode())],
        "server": ("testserver", 80),
        "scheme": "http",
    }
