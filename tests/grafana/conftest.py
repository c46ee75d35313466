"""Tests that start a whole deployment are marked `servers` and run by `pytest -m servers`."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "servers" in (config.option.markexpr or ""):
        return
    for item in items:
        if "tests/grafana" in str(item.path) and item.get_closest_marker("servers"):
            item.add_marker(pytest.mark.skip(reason="slow; run it with: pytest -m servers"))
