"""The host of the generated requests: who sends them, what answers where there is no URL, and what they may reach."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest, JsonResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class EveryoneIsStaff(BaseAuthentication):
    """Every request is the first member of staff's."""

    def authenticate(self, request: Request) -> tuple[Any, None]:
        return get_user_model().objects.filter(is_staff=True).order_by("pk")[0], None


def no_such_url(request: HttpRequest, exception: Exception) -> JsonResponse:
    return JsonResponse({"detail": "Not found."}, status=404)


@contextmanager
def loopback_only() -> Iterator[list[str]]:
    """No name is looked up and no other machine connected to meanwhile; gives what was tried."""
    refused: list[str] = []
    lookup, connect = socket.getaddrinfo, socket.socket.connect

    def guarded_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode("latin-1") if isinstance(host, bytes) else host
        if name in LOOPBACK:
            return lookup(host, *args, **kwargs)
        refused.append(str(name))
        raise socket.gaierror(socket.EAI_NONAME, "no other machine is reached from here")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in LOOPBACK:
            refused.append(str(address[0]))
            raise ConnectionRefusedError("no other machine is reached from here")
        connect(self, address)

    socket.getaddrinfo, socket.socket.connect = guarded_lookup, guarded_connect  # type: ignore[method-assign]
    try:
        yield refused
    finally:
        socket.getaddrinfo, socket.socket.connect = lookup, connect  # type: ignore[method-assign]
