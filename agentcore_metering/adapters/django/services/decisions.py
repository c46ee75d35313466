"""Moved: the tracker to `.trackers.decision`, the check of questions to `agentcore_metering.core.decisions`."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.trackers.decision import DecisionTracker
from agentcore_metering.core.decisions import require_decision

__all__ = ["DecisionTracker", "validate_questions"]


def validate_questions(questions: Any) -> None:
    """Raise RequestError (a ValueError) for questions that cannot be asked."""
    require_decision("-", questions)
