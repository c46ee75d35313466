"""The query parameters of the API as OpenAPI describes them."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter

from agentcore_metering.adapters.django.config.listing import ALL_MODEL_TYPES
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.stats.buckets import Granularity

__all__ = [
    "CONFIG_PARAMETERS",
    "MODEL_TYPE_PARAMETER",
    "PAGE_PARAMETERS",
    "PERIOD_PARAMETERS",
    "SERIES_PARAMETERS",
    "USER_PARAMETER",
]

_WHEN = "ISO 8601 date or time, inclusive; UTC where no offset is given."

PERIOD_PARAMETERS = (
    OpenApiParameter("start_date", str, description=_WHEN),
    OpenApiParameter("end_date", str, description=f"{_WHEN} A date alone is its last moment."),
)
USER_PARAMETER = OpenApiParameter("user_id", str, description="Primary key of a user.")
SERIES_PARAMETERS = (
    OpenApiParameter(
        "granularity",
        str,
        enum=[item.value for item in Granularity],
        description="A day by hours, a month by days, a year by months.",
    ),
    OpenApiParameter(
        "use_series", str, enum=["1", "true", "yes"], description="Also the series of each model; takes both dates."
    ),
)
PAGE_PARAMETERS = (
    OpenApiParameter("page", int, description="1 for the first."),
    OpenApiParameter("page_size", int, description="At most 100; 20 when absent."),
    OpenApiParameter("model", str, description="A part of the model's name."),
    OpenApiParameter("success", str, enum=["true", "false"], description="Whether the caller got an answer."),
)
CONFIG_PARAMETERS = (
    OpenApiParameter("scope", str, enum=["all", *LLMConfig.Scope.values], description="All when absent."),
)
MODEL_TYPE_PARAMETER = OpenApiParameter(
    "model_type", str, enum=[*LLMConfig.MODEL_TYPES, ALL_MODEL_TYPES], description="llm when absent."
)
