from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate

from agentcore_metering.adapters.django.api.limits import TrialThrottle
from agentcore_metering.adapters.django.api.views.base import MeteringView
from agentcore_metering.adapters.django.conf import metering_settings
from tests.django.factories import make_user

pytestmark = pytest.mark.django_db


class FirstView(MeteringView):
    throttle_classes = [TrialThrottle]

    def post(self, request: Request) -> Response:
        return Response({})


class SecondView(FirstView):
    pass


@pytest.fixture(autouse=True)
def _clean_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def post(view: type[MeteringView], user: Any) -> Any:
    request = APIRequestFactory().post("/")
    force_authenticate(request, user)
    return view.as_view()(request)


def test_user_is_throttled_over_all_test_endpoints_and_others_are_not(settings: Settings) -> None:
    settings.AGENTCORE_METERING_TEST_RATE = "3/min"
    alice, bob = make_user("alice", is_staff=True), make_user("bob", is_staff=True)

    statuses = [post(view, alice).status_code for view in (FirstView, SecondView, FirstView, SecondView)]

    assert statuses == [200, 200, 200, 429]
    assert int(post(FirstView, alice)["Retry-After"]) > 0
    assert post(FirstView, bob).status_code == 200


def test_rate_is_the_setting_of_the_moment_and_none_is_no_limit(settings: Settings) -> None:
    user = make_user(is_staff=True)
    settings.AGENTCORE_METERING_TEST_RATE = None
    assert {post(FirstView, user).status_code for _ in range(30)} == {200}

    settings.AGENTCORE_METERING_TEST_RATE = "1/day"
    assert [post(FirstView, user).status_code for _ in range(2)] == [200, 429]


def test_hosts_table_of_rates_plays_no_part(settings: Settings) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"user": "0/day"}}

    assert post(FirstView, make_user(is_staff=True)).status_code == 200


@pytest.mark.parametrize("rate", ["10", "ten/min", "0/min", "10/fortnight", 10, "", "10/min "])
def test_rate_that_is_none_is_told(settings: Settings, rate: Any) -> None:
    settings.AGENTCORE_METERING_TEST_RATE = rate

    with pytest.raises(ImproperlyConfigured, match="AGENTCORE_METERING_TEST_RATE"):
        assert metering_settings.TEST_RATE
