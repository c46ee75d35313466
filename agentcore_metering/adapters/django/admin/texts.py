"""The words for the values of coded columns, for filters and lists."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.core.enums import CostSource, CostStatus, Operation, Status

__all__ = ["COST_SOURCES", "COST_STATUSES", "MODEL_TYPES", "OPERATIONS", "STATUSES"]

STATUSES = {
    Status.SUCCEEDED.value: _("succeeded"),
    Status.FAILED.value: _("failed"),
    Status.CANCELLED.value: _("cancelled"),
    Status.INTERRUPTED.value: _("interrupted"),
}
COST_STATUSES = {
    CostStatus.PRICED.value: _("priced"),
    CostStatus.FREE.value: _("free"),
    CostStatus.UNPRICED.value: _("unpriced"),
    CostStatus.NO_USAGE.value: _("no usage"),
}
COST_SOURCES = {
    CostSource.PROVIDER.value: _("the provider"),
    CostSource.OPERATOR.value: _("the operator's price"),
    CostSource.PRICE_MAP.value: _("LiteLLM's price map"),
}
OPERATIONS = {operation.value: operation.value.replace("_", " ") for operation in Operation}
MODEL_TYPES = {
    LLMConfig.MODEL_TYPE_LLM: _("Language model"),
    LLMConfig.MODEL_TYPE_EMBEDDING: _("Embedding"),
    LLMConfig.MODEL_TYPE_IMAGE_GENERATION: _("Image generation"),
    LLMConfig.MODEL_TYPE_DECISION: _("Decision"),
}
