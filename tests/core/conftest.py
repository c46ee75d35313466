"""Every core test starts with nothing contained."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentcore_metering.core import containment


@pytest.fixture(autouse=True)
def _nothing_contained() -> Iterator[None]:
    containment.reset()
    yield
    containment.reset()
