from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from tests.django.api.conftest import answers_are_as_described
from tests.django.conftest import _fresh_meter, _no_dns, _running_stub, stub
from tests.fuzz.host import loopback_only

__all__ = ["_fresh_meter", "_no_dns", "_running_stub", "answers_are_as_described", "stub"]


@pytest.fixture(autouse=True)
def _loopback_only() -> Iterator[None]:
    with loopback_only():
        yield


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """As with Django's test client: a request does not end the connection that the test's transaction is on."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
