"""What a user may do with configurations of his own: the admin's endpoints for these alone. Mounted by `user_urls`.

For whoever is logged in, so a test sends requests where a user says. A configuration of everybody is for staff to test and change.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from agentcore_metering.adapters.django.api.errors import not_found
from agentcore_metering.adapters.django.api.views.catalogue import ModelsView, ProvidersView
from agentcore_metering.adapters.django.api.views.decisions import DecisionTestView
from agentcore_metering.adapters.django.api.views.fallback import FallbackResetView, FallbackView
from agentcore_metering.adapters.django.api.views.trials import ConfigTestView, TestCallView
from agentcore_metering.adapters.django.config.listing import own_configs
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.core.types import ModelConfig

__all__ = [
    "OwnConfigTestView",
    "OwnDecisionTestView",
    "OwnFallbackResetView",
    "OwnFallbackView",
    "OwnModelsView",
    "OwnProvidersView",
    "OwnTestCallView",
]


class _OwnConfigs:
    permission_classes: Any = [IsAuthenticated]

    def visible(self, request: Request) -> QuerySet[LLMConfig]:
        """The caller's own, and for staff also everybody's."""
        return own_configs(request.user)


class OwnModelsView(ModelsView):
    """The models to choose from."""

    permission_classes = [IsAuthenticated]


class OwnProvidersView(ProvidersView):
    """The providers to choose from."""

    permission_classes = [IsAuthenticated]


class OwnConfigTestView(_OwnConfigs, ConfigTestView):
    """One short call by a configuration of the caller's."""


class OwnTestCallView(_OwnConfigs, TestCallView):
    """A prompt to a configuration of the caller's."""

    node_name = "user_test_call"


class OwnDecisionTestView(_OwnConfigs, DecisionTestView):
    """Questions to a decision model of the caller's."""

    node_name = "user_decision_test"

    def refuse_unknown(self) -> ModelConfig:
        """404: that it is another user's is not told."""
        raise not_found()


class OwnFallbackView(_OwnConfigs, FallbackView):
    """The fallback policy of a configuration of the caller's."""


class OwnFallbackResetView(_OwnConfigs, FallbackResetView):
    """The end of its cool-downs."""
