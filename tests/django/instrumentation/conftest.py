"""LiteLLM with its functions recorded, for the length of one test."""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from agentcore_metering.adapters.django.instrumentation import patching


@pytest.fixture
def instrumented(settings: Settings) -> Iterator[None]:
    # Rows are looked at right after their calls, however busy the machine is.
    settings.AGENTCORE_METERING_INLINE_WAIT_S = 30.0
    patching.install()
    yield
    patching.uninstall()
    gc.collect()


@pytest.fixture
def _price_map_as_it_was() -> Iterator[None]:
    """A router writes into LiteLLM's price map, which other tests read."""
    import litellm

    before = copy.deepcopy(litellm.model_cost)
    yield
    litellm.model_cost.clear()
    litellm.model_cost.update(before)
