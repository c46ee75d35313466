"""Owns what is told of an environment that has the distribution which this one replaces."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from django.core.checks import CheckMessage, Error

__all__ = ["check_distributions"]

OWN_DISTRIBUTION = "agentcore-metering-otel"
REPLACED_DISTRIBUTION = "agentcore-metering"


def check_distributions(**_kwargs: Any) -> list[CheckMessage]:
    """E005 where the distribution that this one replaces is installed too: each has overwritten files of the other."""
    found = [name for name in (REPLACED_DISTRIBUTION, OWN_DISTRIBUTION) if _is_installed(name)]
    if REPLACED_DISTRIBUTION not in found:
        return []
    return [
        Error(
            f"{' and '.join(found)} are installed in the same environment: both bring the package agentcore_metering, and "
            "which files are whose depends on which came last."
            if len(found) > 1
            else f"{REPLACED_DISTRIBUTION} is installed in this environment and brings a package agentcore_metering of its own.",
            hint=f"pip uninstall {' '.join(found)}, then pip install {OWN_DISTRIBUTION}.",
            id="agentcore_metering.E005",
        )
    ]


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
