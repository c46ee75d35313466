"""Moved to `agentcore_metering.adapters.django.stats`."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.stats import parse_usage_query, usage_page

__all__ = ["get_llm_usage_list", "get_llm_usage_list_from_query"]


def get_llm_usage_list_from_query(params: Any) -> dict[str, Any]:
    """What `llm-usage/` answers to these parameters."""
    return usage_page(parse_usage_query(params))


def get_llm_usage_list(  # noqa: PLR0913 - the reference's signature
    page: int = 1,
    page_size: int = 20,
    user_id: Any = None,
    model_filter: str | None = None,
    success_filter: str | None = None,
    start_date: Any = None,
    end_date: Any = None,
) -> dict[str, Any]:
    """The same by keyword; dates as text or datetimes."""
    given = {
        "page": page,
        "page_size": page_size,
        "user_id": user_id,
        "model": model_filter,
        "success": success_filter,
        "start_date": start_date,
        "end_date": end_date,
    }
    return get_llm_usage_list_from_query(as_params(given))


def as_params(given: dict[str, Any]) -> dict[str, str]:
    """Values as a query string has them; None is left out."""
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else str(value)
        for name, value in given.items()
        if value is not None
    }
