"""LiteLLM with its functions recorded, for the length of one test."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from agentcore_metering.adapters.django.instrumentation import patching


@pytest.fixture
def instrumented() -> Iterator[None]:
    patching.install()
    yield
    patching.uninstall()
    gc.collect()
