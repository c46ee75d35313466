"""Import paths that existing projects use; each module names the new home. Nothing inside the package imports them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "aggregate_usage_to_series": "usage_chart_series",
    "get_config_from_db": "config_source",
    "get_config_list_from_db": "config_source",
    "get_global_config": "metering_config",
    "get_litellm_params": "runtime_config",
    "get_llm_usage_list": "usage_list",
    "get_llm_usage_list_from_query": "usage_list",
    "get_provider_params_schema": "litellm_params",
    "get_series_for_charts": "usage_chart_series",
    "get_token_stats_from_query": "usage_aggregation",
    "set_global_config": "metering_config",
    "validate_llm_config": "runtime_config",
}


def __getattr__(name: str) -> Any:
    """The name from its module, imported now: importing this package loads no models."""
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(import_module(f"{__name__}.{home}"), name)
