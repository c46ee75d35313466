"""Tests that start a whole deployment are marked `servers` and run by `pytest -m servers`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.grafana.scene import SUCCESSOR, WORKERS, Scene, playing


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The play of the tests with servers, once for all of them."""
    with playing(tmp_path_factory.mktemp("grafana"), WORKERS, SUCCESSOR) as scene:
        yield scene


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "servers" in (config.option.markexpr or ""):
        return
    for item in items:
        if "tests/grafana" in str(item.path) and item.get_closest_marker("servers"):
            item.add_marker(pytest.mark.skip(reason="slow; run it with: pytest -m servers"))
