"""Two distributions that bring the same package: told before anything is imported from the wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.checks import run_checks

E005 = "agentcore_metering.E005"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the path where distributions can be put."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(environment: Path, name: str) -> None:
    directory = environment / f"{name.replace('-', '_')}-9.9.dist-info"
    directory.mkdir()
    (directory / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")


def errors() -> list[str]:
    return [f"{error.msg} {error.hint}" for error in run_checks() if error.id == E005]


def test_this_distribution_alone_is_fine(environment: Path) -> None:
    install(environment, "agentcore-metering-otel")

    assert errors() == []


def test_both_distributions_are_an_error_that_says_how_to_mend_it(environment: Path) -> None:
    install(environment, "agentcore-metering")
    install(environment, "agentcore-metering-otel")

    [error] = errors()
    assert "agentcore-metering and agentcore-metering-otel are installed" in error
    assert "pip uninstall agentcore-metering agentcore-metering-otel, then pip install agentcore-metering-otel" in error
