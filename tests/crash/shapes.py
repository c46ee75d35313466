"""What a host's transactions do around a call, as functions that are given the way in which its record is written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from unittest import mock

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from tests.django.persistence.test_inline import SHAPES, Rollback, Write
from tests.django.persistence.test_rows import make_record

__all__ = ["ALL_SHAPES", "Shape", "serve_atomically"]

Shape = Callable[[Write], None]


def outer_rolled_back_after_two_savepoints(write: Write) -> None:
    with suppress(Rollback), transaction.atomic():
        with transaction.atomic(), transaction.atomic():
            write(make_record())
        raise Rollback


def request_that_ends_in_500(write: Write) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        write(make_record())
        raise Rollback

    assert serve_atomically(view) == 500


def serve_atomically(view: Callable[[HttpRequest], HttpResponse]) -> int:
    """The status of a request to `view` in a host with ATOMIC_REQUESTS."""
    urls = ModuleType("urls_of_one_view")
    urls.urlpatterns = [path("", view)]  # type: ignore[attr-defined]
    atomic = mock.patch.dict(connections.settings["default"], {"ATOMIC_REQUESTS": True})
    with atomic, override_settings(ROOT_URLCONF=urls):
        return Client(raise_request_exception=False).get("/").status_code


ALL_SHAPES: list[Shape] = [*SHAPES, outer_rolled_back_after_two_savepoints, request_that_ends_in_500]
