"""A migrated site for each test. Most shapes are marked `servers` and run by `pytest -m servers`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from example.stub_provider import StubProvider
from tests.servers.site import Site


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "servers" in (config.option.markexpr or ""):
        return
    for item in items:
        if item.get_closest_marker("servers"):
            item.add_marker(pytest.mark.skip(reason="slow; run it with: pytest -m servers"))


@pytest.fixture(scope="session")
def _server_stub() -> Iterator[StubProvider]:
    with StubProvider() as stub:
        yield stub


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory, _server_stub: StubProvider) -> Path:
    site = _site(tmp_path_factory.mktemp("migrated"), _server_stub)
    ended = site.manage("migrate", "--verbosity", "0")
    assert ended.returncode == 0, ended.stderr
    return site.directory


@pytest.fixture
def site(tmp_path: Path, _migrated: Path, _server_stub: StubProvider) -> Site:
    _server_stub.clear()
    shutil.copy(_migrated / "db.sqlite3", tmp_path)
    return _site(tmp_path, _server_stub)


def _site(directory: Path, stub: StubProvider) -> Site:
    (directory / "watched_by_the_reloader.py").touch()
    (directory / "queue").mkdir()
    (directory / "control").mkdir()
    return Site(directory, stub)
