"""The query parameters of the API as OpenAPI describes them, and the answers that say what went wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from agentcore_metering.adapters.django.config.listing import ALL_MODEL_TYPES
from agentcore_metering.adapters.django.exports import FORMATS
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.stats import (
    BREAKDOWN_DIMENSIONS,
    BREAKDOWN_ORDERS,
    BREAKDOWN_TIMES,
    METADATA_PREFIX,
    STATUSES,
)
from agentcore_metering.adapters.django.stats.buckets import Granularity

__all__ = [
    "BREAKDOWN_PARAMETERS",
    "CONFIG_PARAMETERS",
    "CURSOR_PARAMETER",
    "EXPORT_PARAMETERS",
    "MODEL_PARAMETERS",
    "MODEL_TYPE_PARAMETER",
    "PAGE_PARAMETERS",
    "PERIOD_PARAMETERS",
    "SERIES_PARAMETERS",
    "TRIAL_REFUSED",
    "TZ_PARAMETER",
    "USAGE_FILTER_PARAMETERS",
    "USER_PARAMETER",
    "answers",
    "refused",
]

_WHEN = "ISO 8601 date or time, inclusive; UTC where no offset is given."

PERIOD_PARAMETERS = (
    OpenApiParameter("start_date", str, description=_WHEN),
    OpenApiParameter("end_date", str, description=f"{_WHEN} A date alone is its last moment."),
)
USER_PARAMETER = OpenApiParameter("user_id", str, description="Primary key of a user.")
TZ_PARAMETER = OpenApiParameter(
    "tz", str, description="IANA time zone of dates without an offset and of the series; UTC when absent."
)
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
    TZ_PARAMETER,
)
BREAKDOWN_PARAMETERS = (
    OpenApiParameter(
        "group_by",
        str,
        description=f"Up to three, with commas between them, of {', '.join(BREAKDOWN_DIMENSIONS)}, and one of "
        f"{', '.join(BREAKDOWN_TIMES)}, which takes both dates. The total alone when absent.",
    ),
    OpenApiParameter(
        "order",
        str,
        enum=[f"{sign}{name}" for name in BREAKDOWN_ORDERS for sign in ("", "-")],
        description="With a minus for most first. When absent, by time where that is grouped by, else -calls.",
    ),
    OpenApiParameter("limit", int, description="1 to 1000; what is cut off is in `other`. All rows when absent."),
    OpenApiParameter(
        "compare", str, enum=["previous"], description="The period of the same length before too; takes both dates."
    ),
    *[
        OpenApiParameter(name, str, many=True, description="Exactly this, or one of these.")
        for name in BREAKDOWN_DIMENSIONS
    ],
)
PAGE_PARAMETERS = (
    OpenApiParameter("page", int, description="1 for the first."),
    OpenApiParameter("page_size", int, description="At most 100; 20 when absent."),
)
CURSOR_PARAMETER = OpenApiParameter(
    "cursor",
    str,
    allow_blank=True,
    description="In place of `page`: empty for the newest rows, then `next_cursor` or `previous_cursor` of the last answer, "
    "with the same filters.",
)
MODEL_PARAMETERS = (
    OpenApiParameter("model", str, description="A part of the model's name."),
    OpenApiParameter("success", str, enum=["true", "false"], description="Whether the caller got an answer."),
)
USAGE_FILTER_PARAMETERS = (
    *MODEL_PARAMETERS,
    OpenApiParameter("status", str, enum=list(STATUSES), description="How the attempt ended."),
    *[
        OpenApiParameter(name, str, description="Exactly this.")
        for name in ("response_model", "provider", "operation", "node", "source_type", "error_type")
    ],
    OpenApiParameter("call_id", UUID, description="All attempts of this call."),
    OpenApiParameter("config", UUID, description="The configuration that was used."),
    OpenApiParameter("trace_id", str, description="32 hexadecimal digits."),
    OpenApiParameter("currency", str, description="ISO 4217 code; goes with `cost_min` and `cost_max`."),
    OpenApiParameter("cost_min", Decimal, description="In `currency`, inclusive."),
    OpenApiParameter("cost_max", Decimal, description="In `currency`, inclusive."),
    OpenApiParameter("priced", str, enum=["true", "false"], description="Whether the cost is known."),
    OpenApiParameter(
        f"{METADATA_PREFIX}<key>", str, description="The value under a key of the metadata; at most five of these."
    ),
)
EXPORT_PARAMETERS = (
    OpenApiParameter("format", str, enum=list(FORMATS), description="csv when absent."),
    OpenApiParameter(
        "bom", str, enum=["true"], description="A byte order mark before CSV, by which Excel knows UTF-8."
    ),
)
CONFIG_PARAMETERS = (
    OpenApiParameter("scope", str, enum=["all", *LLMConfig.Scope.values], description="All when absent."),
)
MODEL_TYPE_PARAMETER = OpenApiParameter(
    "model_type", str, enum=[*LLMConfig.MODEL_TYPES, ALL_MODEL_TYPES], description="llm when absent."
)

_TEXT = {"type": "string"}
_FIELD_ERRORS = {
    "type": "object",
    "additionalProperties": {"oneOf": [_TEXT, {"type": "array", "items": _TEXT}, {"type": "object"}]},
}
_DETAIL = {"type": "object", "properties": {"detail": _TEXT}, "required": ["detail"]}

TRIAL_REFUSED = OpenApiResponse(
    {
        "type": "object",
        "properties": {"ok": {"type": "boolean", "enum": [False]}, "detail": {"oneOf": [_TEXT, _FIELD_ERRORS]}},
        "required": ["ok", "detail"],
    },
    "The request is wrong: texts by field, or one text.",
)
"""The 400 of the endpoints that answer `ok`."""

_REFUSALS = {
    400: OpenApiResponse(_FIELD_ERRORS, "The request is wrong: texts by field, or one `detail`."),
    401: OpenApiResponse(_DETAIL, "The caller is not known."),
    403: OpenApiResponse(_DETAIL, "The caller may not."),
    404: OpenApiResponse(_DETAIL, "There is none such."),
    406: OpenApiResponse(_DETAIL, "None of the types in Accept can be given."),
    409: OpenApiResponse(_DETAIL, "What is stored does not let it be done."),
    415: OpenApiResponse(_DETAIL, "A body of this type is not read."),
    503: OpenApiResponse(_DETAIL, "Something that this needs is not there."),
    429: OpenApiResponse(
        {**_DETAIL, "properties": {"detail": _TEXT, "code": _TEXT}},
        "Too often, or not yet; Retry-After says when again.",
    ),
}
# 400 also without parameters and body: a query string can have more fields than Django reads.
_OF_ANY = (400, 401, 403, 406)


def answers(body: Any, *refusals: int, status: int = 200) -> dict[Any, Any]:
    """What an operation answers: `body` with `status`, these refusals, and those that every operation has."""
    return {status: body, **refused(*refusals)}


def refused(*refusals: int) -> dict[Any, Any]:
    """These refusals, and those that every operation has."""
    return {code: _REFUSALS[code] for code in sorted({*_OF_ANY, *refusals})}
