from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.base import BaseHandler
from rest_framework.test import APIClient

from tests.django.api.described import OURS, described_api
from tests.django.factories import make_user


@pytest.fixture
def admin(db: None) -> Any:
    return make_user("admin", is_staff=True)


@pytest.fixture
def api(admin: Any) -> APIClient:
    """A client that is logged in as an admin."""
    client = APIClient()
    client.force_authenticate(admin)
    return client


@pytest.fixture(autouse=True)
def answers_are_as_described(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every response of our views that any test gets from a test client is as the OpenAPI document says."""
    complaints: list[str] = []
    get_response: Callable[..., Any] = BaseHandler.get_response
    get_response_async: Callable[..., Any] = BaseHandler.get_response_async

    def get(handler: Any, request: Any) -> Any:
        return _looked_at(request, get_response(handler, request), complaints)

    async def get_async(handler: Any, request: Any) -> Any:
        return _looked_at(request, await get_response_async(handler, request), complaints)

    monkeypatch.setattr(BaseHandler, "get_response", get)
    monkeypatch.setattr(BaseHandler, "get_response_async", get_async)
    yield complaints
    assert complaints == []


def _looked_at(request: Any, response: Any, complaints: list[str]) -> Any:
    place = request.resolver_match
    if place is not None and place.namespace.startswith(OURS):
        complaints += described_api(settings.ROOT_URLCONF).complaints(request.method, place.route, response)
    return response


@pytest.fixture
def alice(db: None) -> Any:
    """A user like any other."""
    return make_user("alice")


@pytest.fixture
def client(alice: Any) -> APIClient:
    """Logged in as her."""
    client = APIClient()
    client.force_authenticate(alice)
    return client
