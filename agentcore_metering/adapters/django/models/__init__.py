"""The tables: usage rows (the truth), sums over them (caches), configurations, their trail, settings of the app, and prices."""

from __future__ import annotations

from agentcore_metering.adapters.django.models.config_change import LLMConfigChange
from agentcore_metering.adapters.django.models.cost_change import LLMCostChange
from agentcore_metering.adapters.django.models.llm_config import LLMConfig
from agentcore_metering.adapters.django.models.metering_config import MeteringConfig
from agentcore_metering.adapters.django.models.price import LLMPrice
from agentcore_metering.adapters.django.models.rollup import (
    ConfigRollup,
    DetailRollup,
    NodeRollup,
    RollupCoverage,
    RollupMark,
    UsageRollup,
    UserRollup,
    UserTotalRollup,
)
from agentcore_metering.adapters.django.models.series import LLMUsageSeries
from agentcore_metering.adapters.django.models.usage import LLMUsage

__all__ = [
    "ConfigRollup",
    "DetailRollup",
    "LLMConfig",
    "LLMConfigChange",
    "LLMCostChange",
    "LLMPrice",
    "LLMUsage",
    "LLMUsageSeries",
    "MeteringConfig",
    "NodeRollup",
    "RollupCoverage",
    "RollupMark",
    "UsageRollup",
    "UserRollup",
    "UserTotalRollup",
]
