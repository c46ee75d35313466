"""A refresh as a release does it that knows no sums of five days, while this one's tables are there."""

from __future__ import annotations

from typing import Any

import pytest

from agentcore_metering.adapters.django.rollups import refresh as refresh_module
from agentcore_metering.adapters.django.rollups.refresh import RefreshSummary, refresh


def refresh_as_older_release(using: str, **options: Any) -> RefreshSummary:
    """Days and months alone; `refreshed_at` says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refresh_module, "has_fives", lambda using: False)
        return refresh(using, budget_s=float("inf"), **options)
