"""For any mix of calls, from several threads: rows = token-stats = spans = counters, per model and currency, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings
from rest_framework.test import APIClient

from agentcore_metering.adapters.django import runtime
from agentcore_metering.adapters.django.instrumentation import patching
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider
from tests.django.api.urls import TOKEN_STATS
from tests.django.factories import make_user
from tests.equality import of_counters, of_rows, of_spans, of_token_stats
from tests.mixes import ALL_KINDS, MixedCall, make_mix, make_models, perform
from tests.telemetry.recording import RecordedTelemetry

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 4


def token_stats() -> Any:
    client = APIClient()
    client.force_authenticate(make_user("admin", is_staff=True))
    return client.get(TOKEN_STATS).json()


def perform_in_a_thread(call: MixedCall) -> None:
    try:
        perform(call)
    finally:
        connections.close_all()


@pytest.fixture
def _instrumented() -> Iterator[None]:
    patching.install()
    yield
    patching.uninstall()


# LiteLLM leaves sessions of its own behind where nobody keeps it from that.
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine:RuntimeWarning"
)
@pytest.mark.usefixtures("_instrumented")
@pytest.mark.parametrize("write_mode", ["inline", "journal"])
def test_every_view_of_a_mix_says_the_same(
    stub: StubProvider, telemetry: RecordedTelemetry, settings: Settings, tmp_path: Path, write_mode: str
) -> None:
    settings.AGENTCORE_METERING_WRITE_MODE = write_mode
    settings.AGENTCORE_METERING_SPOOL_DIR = tmp_path
    models = make_models(stub)
    mix = make_mix(20261124, 40, models, ALL_KINDS)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(perform_in_a_thread, mix))
    assert runtime.flush(30)

    rows = of_rows(LLMUsage.objects.all())
    points = telemetry.points()
    assert {currency for _, currency in rows.costs} == {"USD", "CNY"}
    assert of_token_stats(token_stats()) == rows
    assert of_spans(dict(span.attributes or {}) for span in telemetry.spans) == rows
    assert of_counters(points) == rows
    assert sum(value for _, value in points[semconv.CALLS]) == len(telemetry.spans) == len(mix)
    assert sum(value for _, value in points[semconv.RETRIES]) == LLMUsage.objects.count() - len(mix)
