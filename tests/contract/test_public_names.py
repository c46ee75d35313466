"""`__all__` of every package names what is there, in order; the version is the wheel's."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import agentcore_metering

PACKAGES = [
    info.name
    for info in pkgutil.walk_packages(agentcore_metering.__path__, "agentcore_metering.")
    if ".migrations" not in info.name and ".management" not in info.name
]


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_sorted_and_there(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])

    assert list(exported) == sorted(exported, key=_as_ruff_sorts)
    assert [item for item in exported if not hasattr(module, item)] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_every_module_says_what_it_owns(name: str) -> None:
    assert (importlib.import_module(name).__doc__ or "").strip()


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name
