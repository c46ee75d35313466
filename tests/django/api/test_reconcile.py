"""`reconcile/` over HTTP; what it compares and concludes is tested with the command."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.models import LLMUsage
from tests.django.factories import make_user
from tests.django.reconcile.engine import FakeEngine, serving_engine

pytestmark = pytest.mark.django_db

ATTEMPTS = "agentcore_metering_attempts_total"


@pytest.fixture
def client() -> APIClient:
    client = APIClient()
    client.force_login(make_user("staff", is_staff=True))
    return client


@pytest.fixture
def engine(settings: Settings) -> Iterator[FakeEngine]:
    with serving_engine() as engine:
        settings.AGENTCORE_METERING_PROMETHEUS_URL = engine.url
        yield engine


@pytest.fixture
def hour() -> datetime:
    """The last one that is over, with a row in it."""
    end = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    LLMUsage.objects.create(
        model="openai/m", request_model="m", operation="chat", created_at=end - timedelta(minutes=5)
    )
    return end


def ask(client: APIClient, **query: Any) -> Any:
    return client.get(reverse("agentcore_metering:reconcile"), query)


@pytest.mark.parametrize(("counted", "agree"), [("1", True), ("3", False)])
def test_verdict_is_that_of_rows_and_counters(
    client: APIClient, engine: FakeEngine, hour: datetime, counted: str, agree: bool
) -> None:
    engine.count(ATTEMPTS, hour, counted, gen_ai_request_model="m")

    response = ask(client, hours=2)

    assert (response.status_code, response.json()["agree"]) == (200, agree)
    assert {"figure": "attempts", "model": "m", "rows": "1", "counters": f"{counted}.000000000"}.items() <= next(
        total.items() for total in response.json()["totals"] if total["figure"] == "attempts"
    )


def test_tolerance_and_service_reach_the_comparison(client: APIClient, engine: FakeEngine, hour: datetime) -> None:
    engine.count(ATTEMPTS, hour, "2", gen_ai_request_model="m")

    response = ask(client, tolerance="0.5", service="shop")

    assert (response.json()["agree"], response.json()["tolerance"]) == (True, "0.500000000")
    assert all('service_name="shop"' in expression for expression in engine.asked)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"hours": "0"}, "hours"),
        ({"hours": "745"}, "hours"),
        ({"tolerance": "NaN"}, "tolerance"),
        ({"service": "x" * 256}, "service"),
    ],
)
def test_bad_parameter_is_400_with_its_name(
    client: APIClient, engine: FakeEngine, query: dict[str, str], field: str
) -> None:
    response = ask(client, **query)

    assert (response.status_code, list(response.json())) == (400, [field])
    assert engine.asked == []


def test_without_an_engine_it_is_409(client: APIClient) -> None:
    response = ask(client)

    assert (response.status_code, "AGENTCORE_METERING_PROMETHEUS_URL" in response.json()["detail"]) == (409, True)


def test_what_a_broken_engine_says_is_not_passed_on(client: APIClient, engine: FakeEngine) -> None:
    engine.status, engine.body = 500, b"an inner secret"

    response = ask(client)

    assert response.status_code == 503
    assert "secret" not in response.content.decode()
