"""The Django admin's pages, one module for each model. Importing it registers them with the default site.

What a page may do is in `access`, and how its figures are written in `shapes`; what the figures mean is left to `stats` and `config`.
"""

from __future__ import annotations

from agentcore_metering.adapters.django.admin.config_changes import LLMConfigChangeAdmin
from agentcore_metering.adapters.django.admin.configs import LLMConfigAdmin
from agentcore_metering.adapters.django.admin.cost_changes import LLMCostChangeAdmin
from agentcore_metering.adapters.django.admin.policy import MeteringConfigAdmin
from agentcore_metering.adapters.django.admin.prices import LLMPriceAdmin
from agentcore_metering.adapters.django.admin.usage import LLMUsageAdmin

__all__ = [
    "LLMConfigAdmin",
    "LLMConfigChangeAdmin",
    "LLMCostChangeAdmin",
    "LLMPriceAdmin",
    "LLMUsageAdmin",
    "MeteringConfigAdmin",
]
