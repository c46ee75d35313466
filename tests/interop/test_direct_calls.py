"""Calls of LiteLLM that do not go through the tracker, beside each other instrumentation: counted once where that one is below ours."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agentcore_metering.adapters.django.instrumentation import patching
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.telemetry.neighbours import Instrumentor
from example.stub_provider import StubProvider
from tests.interop.instrumented import call_litellm, counts_tokens, ours, switched_on
from tests.interop.test_neighbours import EACH
from tests.telemetry.recording import RecordedTelemetry

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Others' deprecations are not ours to mend.
    pytest.mark.filterwarnings("default"),
]


@contextmanager
def recorded() -> Iterator[None]:
    patching.install()
    try:
        yield
    finally:
        patching.uninstall()


@EACH
def test_direct_call_is_counted_once_where_ours_was_switched_on_last(
    stub: StubProvider, telemetry: RecordedTelemetry, neighbour: Instrumentor
) -> None:
    importlib.import_module("litellm")
    with switched_on(neighbour, telemetry), recorded():
        call_litellm(stub)

    counting = [span for span in telemetry.spans if counts_tokens(span)]
    assert counting == ours(telemetry.spans)
    assert LLMUsage.objects.count() == len(counting) == 1


@EACH
def test_direct_call_is_counted_by_both_only_where_the_other_stands_around_ours(
    stub: StubProvider, telemetry: RecordedTelemetry, neighbour: Instrumentor
) -> None:
    importlib.import_module("litellm")
    with recorded(), switched_on(neighbour, telemetry):
        is_outer = patching.is_covered()
        call_litellm(stub)

    assert is_outer == neighbour.sees_litellm
    assert len([span for span in telemetry.spans if counts_tokens(span)]) == 1 + is_outer
    assert len(ours(telemetry.spans)) == LLMUsage.objects.count() == 1
