"""Moved to `agentcore_metering.adapters.django.api.views`; the reference's names for the views."""

from __future__ import annotations

from agentcore_metering.adapters.django.api.views.catalogue import ModelsView as AdminLLMConfigModelsView
from agentcore_metering.adapters.django.api.views.catalogue import ProvidersView as AdminLLMConfigProvidersView
from agentcore_metering.adapters.django.api.views.configs import AllConfigsView as AdminLLMConfigAllListView
from agentcore_metering.adapters.django.api.views.configs import ConfigDetailView as AdminLLMConfigDetailView
from agentcore_metering.adapters.django.api.views.configs import GlobalConfigsView as AdminLLMConfigGlobalView
from agentcore_metering.adapters.django.api.views.policy import MeteringConfigView as MeteringConfigAPIView
from agentcore_metering.adapters.django.api.views.stats import TokenStatsView as AdminTokenStatsView
from agentcore_metering.adapters.django.api.views.trials import ConfigTestView as AdminLLMConfigTestView
from agentcore_metering.adapters.django.api.views.trials import TestCallView as AdminLLMConfigTestCallView
from agentcore_metering.adapters.django.api.views.usage import UsageListView as AdminLLMUsageListView
from agentcore_metering.adapters.django.api.views.user_configs import (
    UserConfigDetailView as AdminLLMConfigUserDetailView,
)
from agentcore_metering.adapters.django.api.views.user_configs import UserConfigsView as AdminLLMConfigUserListView
from agentcore_metering.adapters.django.api.views.users import UserListView as AdminUsersListView

__all__ = [
    "AdminLLMConfigAllListView",
    "AdminLLMConfigDetailView",
    "AdminLLMConfigGlobalView",
    "AdminLLMConfigModelsView",
    "AdminLLMConfigProvidersView",
    "AdminLLMConfigTestCallView",
    "AdminLLMConfigTestView",
    "AdminLLMConfigUserDetailView",
    "AdminLLMConfigUserListView",
    "AdminLLMUsageListView",
    "AdminTokenStatsView",
    "AdminUsersListView",
    "MeteringConfigAPIView",
]
