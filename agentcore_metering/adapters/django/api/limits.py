"""Bounds of the endpoints that call a provider at the caller's wish: how often, how long a prompt, how many tokens."""

from __future__ import annotations

from rest_framework.throttling import UserRateThrottle

from agentcore_metering.adapters.django.conf import metering_settings

__all__ = [
    "DEFAULT_TEST_TOKENS",
    "MAX_DECISION_TEXT_LENGTH",
    "MAX_TEST_PROMPT_LENGTH",
    "MAX_TEST_TOKENS",
    "TrialThrottle",
]

MAX_TEST_PROMPT_LENGTH = 4096
"""Characters."""
MAX_DECISION_TEXT_LENGTH = 500_000
"""Characters, as in the reference."""
MAX_TEST_TOKENS = 4096
DEFAULT_TEST_TOKENS = 512


class TrialThrottle(UserRateThrottle):
    """AGENTCORE_METERING_TEST_RATE for each user, all of the endpoints together. None there: no limit.

    Counted in Django's default cache; where that is each process's own, so is the count.
    """

    scope = "agentcore_metering_test"

    def get_rate(self) -> str | None:
        """The setting of this moment; REST framework's own table of rates plays no part."""
        return metering_settings.TEST_RATE
