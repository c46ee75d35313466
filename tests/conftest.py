"""What every test may count on: no test reaches out, not even while LiteLLM is imported."""

from __future__ import annotations

import asyncio
import gc
import os

import pytest

from tests.older_releases import pass_over_warnings, skip_what_is_too_old

# Otherwise LiteLLM makes the main thread's event loop at the first sync call, and nobody closes it.
asyncio.set_event_loop(None)
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

# A finalizer that changes a context variable in the midst of another change crashes CPython 3.11 (docs/adr/0009), and a host's libraries
# may have some that are not ours to mend: the collector is to come rarely, and mostly where a test asks for it.
gc.set_threshold(50_000, 20, 20)


def pytest_configure(config: pytest.Config) -> None:
    """Warnings of releases that are not ours to mend fail no test."""
    pass_over_warnings(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what the oldest supported releases of others cannot do."""
    skip_what_is_too_old(items)
